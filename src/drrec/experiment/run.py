"""Folders of a run, and what stands in them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import json
import logging
import os
import pathlib
from typing import TYPE_CHECKING, Any, Self

from drrec.errors import InputError, shown
from drrec.experiment.config import TrainConfig, from_dict
from drrec.files import removed, sweep, whole_folder, write_yaml
from drrec.locks import held
from drrec.reading import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

VERSION = 4
"""Of a run's folder; one of another version is refused."""

MODEL = "agent.drrec"
"""What a run has learned: `drrec.load` needs nothing else."""

SERVED = "served.drrec"
"""The same fitted to the whole log, for recommendations; never evaluated."""

GENRES = "genres.json"
"""Genres by raw item id, joined by ", ", where the data set has them; for who shows items."""

ENCODER = "encoder.npz"
"""What makes vectors of items that are not in the log, for serving; see `item_export`."""

UPDATE = "update.json"
"""Which run this one goes on from, and with how much feedback; see `serving.updating`."""

CONFIG = "config.yaml"
"""The settings of a run, all of them: `train.py --config` on it trains the same again."""


@dataclasses.dataclass(frozen=True)
class Run:
    """`save_model/<name>/` for people and serving, `save_weights/<name>/` for going on."""

    root: pathlib.Path
    name: str

    @property
    def folder(self) -> pathlib.Path:
        """Config, metrics, report, curves, and the model."""
        return self.root / "save_model" / self.name

    @property
    def weights(self) -> pathlib.Path:
        """Checkpoints."""
        return self.root / "save_weights" / self.name

    @classmethod
    def named(cls, root: pathlib.Path, name: str) -> Self:
        """The folders that go with a name, whether there is anything in them or not.

        Raises:
            InputError: the name is not one of a folder.
        """
        if name in {"", ".", ".."} or set(name) & set("/\\"):
            raise InputError(f"Expected a plain name for a run. Received: {shown(name)}.")
        return cls(root, name)

    @classmethod
    def new(cls, root: pathlib.Path, name: str | None, config: TrainConfig) -> Self:
        """A run that is not made yet; without a name it has one of the data set and the time.

        Raises:
            InputError: as `named`.
        """
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        default = f"{pathlib.Path(config.dataset).stem}-{config.algorithm}-{now}"
        return cls.named(root, default if name is None else name)

    @classmethod
    def create(cls, root: pathlib.Path, name: str | None, config: TrainConfig) -> Self:
        """Make the folder of a new run and write its config.

        Args:
            root: where `save_model` and `save_weights` are.
            name: of the run; None makes one from the data set and the time.
            config: what it will learn.

        Raises:
            InputError: a run of that name is there, or the name is not one of a folder.
        """
        run = cls.new(root, name, config)
        run.begin(config)
        return run

    def begin(self, config: TrainConfig) -> None:
        """Make the folder of a new run with its config in it, both or neither.

        Raises:
            InputError: there is something of that name.
        """
        self.claim(lambda side: write_config(side, config))

    def claim(self, fill: Callable[[pathlib.Path], None]) -> None:
        """Make the folder of a new run, with what `fill` writes into it; whole or not at all.

        Raises:
            InputError: there is something of that name.
        """
        self.check_is_new()
        try:
            with whole_folder(self.folder) as side:
                fill(side)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                self.check_is_new()  # another process was quicker
            raise

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Keep the run to this process; a seed of it, or a control, with all of the run.

        Raises:
            InputError: another process is at work on it.
        """
        whole = self.name.partition("/")[0]
        return held(self.root / "save_weights" / whole, f"run {whole}")

    def sweep(self) -> None:
        """Remove what killed processes left half-written in it."""
        sweep(self.folder)
        sweep(self.weights)

    def remove_if_empty(self) -> None:
        """Remove the folder of a run that has not made its first step."""
        begun = self.weights.exists() or any(self.folder.rglob("training.csv"))
        if self.folder.exists() and not begun:
            removed(self.folder)

    def check_is_new(self) -> None:
        """See that there is nothing of this name.

        Raises:
            InputError: there is; the message says what to do.
        """
        if self.folder.exists():
            raise InputError(
                f"Expected a new name for a run. Received: {shown(self.name)}, which is there. "
                f"Go on with it by --resume {self.name}, or choose another --name."
            )
        if self.weights.exists():
            raise InputError(
                "Expected a new name for a run. "
                f"Received: {shown(self.name)}, of which checkpoints are "
                f"left in {self.weights}. Remove that folder, or choose another --name."
            )

    @classmethod
    def find(cls, root: pathlib.Path, name_or_folder: str) -> Self:
        """The run of this name, or in this folder.

        Raises:
            InputError: there is none; the message says which there are.
        """
        root = root.resolve()
        home = root / "save_model"
        given = pathlib.Path(name_or_folder)
        # As it is written, so that a linked run keeps its name; and as it lies, behind any links.
        places = [(home, pathlib.Path(os.path.normpath(home / given)))]
        places += [(home.resolve(), path.resolve()) for path in (home / given, given)]
        for base, folder in places:
            if (folder / CONFIG).is_file() and folder.is_relative_to(base):
                return cls(root, str(folder.relative_to(base)))
        if (given / CONFIG).is_file():
            raise InputError(
                f"Expected a run in {home}. Received: {shown(name_or_folder)}, which is elsewhere. "
                "Pass --runs-dir and the folder that holds its save_model/."
            )
        there = sorted(path.parent.name for path in home.glob(f"*/{CONFIG}"))
        raise InputError(
            f"Expected the name or the folder of a run. Received: {shown(name_or_folder)}. "
            f"There {'are: ' + ', '.join(there) if there else 'is none: train one first'}."
        )

    @classmethod
    def latest(cls, root: pathlib.Path, *, with_content: bool = False) -> Self:
        """The run that was begun last; if asked, the last one that knows content.

        Raises:
            InputError: there is none.
        """
        begun = list((root / "save_model").glob(f"*/{CONFIG}"))
        for path in sorted(begun, key=lambda path: path.stat().st_mtime, reverse=True):
            run = cls(root.resolve(), path.parent.name)
            if not with_content or run.config().content.modality:
                return run
        script = "train_modality.sh" if with_content else "train.sh"
        raise InputError(
            f"Expected a run {'with content ' * with_content}in save_model. Received: none. "
            f"Train one: bash scripts/{script}"
        )

    def config(self) -> TrainConfig:
        """What it learns or has learned.

        Raises:
            InputError: the file is damaged, or of another version.
        """
        path = self.folder / CONFIG
        content = read_yaml(path)
        version = content.pop("version", None) if isinstance(content, dict) else None
        if version != VERSION:
            raise InputError(
                f"Expected a run of version {VERSION} in {path}. Received: {version}. "
                f"Train it anew: {_command(content, self.name)}"
            )
        return from_dict(TrainConfig, content, str(path))

    def seeds(self, config: TrainConfig) -> list[tuple[Run, TrainConfig]]:
        """One run a seed: itself where there is one, else `seed-<n>` below it."""
        numbers = range(config.seed, config.seed + config.seeds)
        single = [dataclasses.replace(config, seed=seed, seeds=1) for seed in numbers]
        if len(single) == 1:
            return [(self, single[0])]
        return [(Run(self.root, f"{self.name}/seed-{each.seed}"), each) for each in single]

    def model_file(self) -> pathlib.Path:
        """What a run of one seed has learned from the training part of the log.

        Raises:
            InputError: it is not trained to the end.
        """
        path = self.folder / MODEL
        if not path.exists():
            raise InputError(
                f"Expected a trained run with {path}. Received: none. Finish its training first: "
                f"python train.py --resume {self.name}."
            )
        return path

    def served_file(self) -> pathlib.Path:
        """What a run recommends by: its first seed, fitted to the whole log if it was.

        Raises:
            InputError: it is not trained to the end.
        """
        first = self.seeds(self.config())[0][0]
        if (first.folder / SERVED).exists():
            return first.folder / SERVED
        logger.warning(
            "%s knows the training part of the log alone: it was trained without a final fit",
            self.name,
        )
        return first.model_file()

    def write_config(self, config: TrainConfig) -> None:
        """Write what `config` reads."""
        write_config(self.folder, config)


def write_config(folder: pathlib.Path, config: TrainConfig) -> None:
    """Write what `Run.config` reads."""
    write_yaml(folder / CONFIG, {"version": VERSION} | dataclasses.asdict(config))


_NOT_LEARNED = (
    *("dataset", "features", "baselines", "tuned", "also", "min_items", "final_fit", "control"),
)

_ADDED: dict[str, dict[str, Any]] = {
    "agent": {"retrieval": "auto", "probes": 32, "softmax": "auto", "num_drawn": 1024},
    "environment": {"simulated_by": "factors"},
}
"""Settings of later versions, whose defaults change nothing of earlier runs."""

_ADDED_BESIDE = {"rollout_workers": 0, "data_parallel": 1}
"""Likewise, of runs."""


def learned_by(config: TrainConfig) -> str:
    """A hash of the settings that change what one seed learns.

    Where the ratings and the features lie is not among them: the split says which ratings they
    are, and `Content.fingerprint` which features.
    """
    values = dataclasses.asdict(dataclasses.replace(config, seeds=1))
    plain = {
        name: value
        for name, value in values.items()
        if name not in _NOT_LEARNED and (name, value) not in _ADDED_BESIDE.items()
    }
    for part, added in _ADDED.items():
        given = plain[part].items()
        plain[part] = {name: value for name, value in given if added.get(name) != value}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def _command(content: Any, name: str) -> str:
    """What trains a run of an older version anew, by its own main settings."""
    found = content if isinstance(content, dict) else {}
    agent = found.get("agent")
    agent = agent if isinstance(agent, dict) else {}
    chosen = {key: found.get(key) for key in ("dataset", "split", "steps", "seed", "seeds")}
    chosen["algorithm"] = found.get("algorithm") or agent.get("algorithm")
    flags = " ".join(f"--{key} {value}" for key, value in chosen.items() if value is not None)
    return f"python train.py {flags} --name {name.replace('/', '-')}-new"
