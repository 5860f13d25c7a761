"""What a made-up world says of a session: boredom, and what the best session would have earned."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.optimum import best_rewards, bored_appeal
from drrec.experiment.run import CONFIG
from drrec.reading import read_yaml
from drrec.worlds.world import WORLD, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.data.ids import IdMap
    from drrec.serving.models import Served
    from drrec.worlds.world import Truth

MOST_TURNS = 20
"""Items of a session that are judged, as many as protocol `session` shows."""


class Turn(NamedTuple):
    """An item of a session."""

    item: str
    boredom: float  # what the items before took from its reward
    reward: float | None  # appeal minus boredom; None where nobody knows the user's taste
    best: float | None  # what the best session has earned by then


@dataclasses.dataclass(frozen=True, eq=False)
class Judge:
    """Knows the world behind a model."""

    truth: Truth
    users: IdMap
    items: IdMap

    def turns(self, user: str | None, items: Sequence[str]) -> list[Turn]:
        """What a session is worth; the work of some 200 ms for each of the last turns.

        Args:
            user: raw id; of others than the log's nobody knows the taste.
            items: raw ids as they were answered; each counts once.
        """
        raw = [each for each in dict.fromkeys(items) if each in self.items][:MOST_TURNS]
        shown = np.array([[self.items.dense(each) for each in raw]], np.int32)  # [1, T]
        who = self.users.dense(user) if user is not None and user in self.users else None
        # Of somebody without tastes an item's reward is the boredom alone.
        nobody = self.truth._replace(appeal=np.zeros((1, len(self.items)), np.float32))
        turns = []
        for place, item in enumerate(shown[0].tolist()):
            taken = bored_appeal(nobody, np.zeros(1, np.int32), shown[:, :place])[0, item]
            earned = None if who is None else float(self.truth.appeal[who, item] + taken)
            best = None if who is None else _best(self, who, place + 1)
            turns.append(Turn(raw[place], 0.0 - float(taken), earned, best))
        return turns


@functools.lru_cache(maxsize=10_000)
def _best(judge: Judge, user: int, steps: int) -> float:
    return float(best_rewards(judge.truth, np.array([user]), steps)[0])


def judge_of(served: Served) -> Judge | None:
    """Who knows the world behind a model; None where the data of its run are not made up.

    Raises:
        InputError: a file of the run or of the world is damaged, or of other data.
    """
    config = pathlib.Path(served.identity[0]).parent / CONFIG
    if not config.is_file():
        return None
    name = read_yaml(config).get("dataset")
    for folder in (pathlib.Path(served.data_dir, str(name)), pathlib.Path(str(name))):
        if name is not None and (path := folder / WORLD).is_file():
            return _judge(path, path.stat().st_mtime_ns, served.engine.users, served.engine.items)
    return None


def has_truth(served: Served) -> bool:
    """Whether somebody knows the world behind a model."""
    try:
        return judge_of(served) is not None
    except (InputError, OSError):  # said where the truth is asked for
        return False


@functools.lru_cache(maxsize=4)
def _judge(path: pathlib.Path, _changed: int, users: IdMap, items: IdMap) -> Judge:
    return Judge(World.load(path).truth(users, items), users, items)
