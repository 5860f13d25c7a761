"""The synthetic user model of `demo`, with known rewards.

A film has a kind, traits in [−1, 1] and a quality; its reward for a user is

    appeal(u, i) = taste(u, kind_i) + Σ_t weight(u, t) trait(i, t) + quality_i

A film of kind k reduces the reward of a film of kind j among the next `window` shown by
`boredom[k, j]`. Loud kinds have a higher immediate reward, and reduce the rewards of all kinds by
more in total: a far-sighted policy shows fewer of them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError, shown
from drrec.types import PADDING

if TYPE_CHECKING:
    import pathlib

    from drrec.data.interactions import IdMap

KINDS = ("storm", "chase", "romance", "comedy", "mystery")
IS_LOUD = np.array([True, True, False, False, False])
TRAITS = ("brightness", "pace", "depth")
WINDOW = 2
LEVEL = 0.35
"""The mean appeal of a quiet film."""
LOUDNESS = 0.25
"""Extra reward of a loud kind."""
TIRING = 0.33
"""Penalty of a loud film on each of the next films."""
SAMENESS = 0.2
"""Additional penalty of any film on each of the next films of its kind."""
FONDNESS = 0.28
"""Standard deviation of a taste for a kind."""
PREFERENCE = 0.2
"""Standard deviation of the weight of a trait."""


class Truth(NamedTuple):
    """A user model: appeal and boredom, by the dense ids of a data set."""

    appeal: Any  # [U, I] float32, row 0 of the items 0; or what is indexed like that
    kind: np.ndarray  # [I] int32 in 0 … K − 1; of padding K, which bores nobody
    boredom: np.ndarray  # [K + 1, K + 1] float32: a shown film's kind, the next one's kind
    window: int  # W, for how many films one bores


_DECLARED = {
    "items": "str [I]",
    "users": "str [U]",
    "kind": "int [I]",
    "trait": "float [I, T]",
    "quality": "float [I]",
    "taste": "float [U, K]",
    "weight": "float [U, T]",
    "boredom": "float [K, K]",
    "window": "int []",
}


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """The full model: I' films, U' users, K kinds, T traits, in the order of raw ids."""

    items: np.ndarray  # [I'] str, raw ids
    users: np.ndarray  # [U'] str, raw ids
    kind: np.ndarray  # [I'] int64
    trait: np.ndarray  # [I', T] in [−1, 1]
    quality: np.ndarray  # [I']
    taste: np.ndarray  # [U', K], as it is when the log ends
    weight: np.ndarray  # [U', T]
    boredom: np.ndarray  # [K, K]
    window: np.ndarray  # [] int

    @classmethod
    def drawn(cls, rng: np.random.Generator, num_items: int, num_users: int) -> Self:
        """A world of its own for each state of `rng`."""
        num_kinds, num_traits = len(KINDS), len(TRAITS)
        boredom = np.where(IS_LOUD, TIRING, 0.0)[:, None] + SAMENESS * np.eye(num_kinds)
        level = LEVEL + LOUDNESS * IS_LOUD
        return cls(
            items=_numbered("f", num_items),
            users=_numbered("u", num_users),
            kind=rng.permutation(np.arange(num_items) % num_kinds),
            trait=rng.uniform(-1, 1, (num_items, num_traits)),
            quality=rng.normal(0, 0.1, num_items),
            taste=level + rng.normal(0, FONDNESS, (num_users, num_kinds)),
            weight=rng.normal(0, PREFERENCE, (num_users, num_traits)),
            boredom=boredom,
            window=np.array(WINDOW),
        )

    def appeal(self) -> np.ndarray:
        """[U', I'] float64, before any boredom."""
        liked = np.einsum("ut,it->ui", self.weight, self.trait)
        return self.taste[:, self.kind] + liked + self.quality

    def truth(self, users: IdMap, items: IdMap) -> Truth:
        """The world by the dense ids of a data set, which may lack some of it.

        Raises:
            InputError: the data set has a user or an item that the world does not know.
        """
        user = _rows(self.users, users.raw, users.kind)
        item = _rows(self.items, items.raw[1:], items.kind)
        num_kinds = len(self.boredom)
        appeal = np.zeros((len(user), len(item) + 1), np.float32)
        appeal[:, 1:] = self.appeal()[np.ix_(user, item)]
        kind = np.full(len(item) + 1, num_kinds, np.int32)
        kind[PADDING + 1 :] = self.kind[item]
        boredom = np.zeros((num_kinds + 1, num_kinds + 1), np.float32)
        boredom[:num_kinds, :num_kinds] = self.boredom
        return Truth(appeal, kind, boredom, int(self.window))

    def save(self, path: pathlib.Path) -> None:
        """Write one `.npz`, whole or not at all."""
        write_arrays(path, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: no such file, or a broken one.
        """
        mend = "Remove its folder and run `python run.py data demo`."
        world = cls(**read_arrays(path, "a world", mend, _DECLARED))
        is_kind = (world.kind >= 0) & (world.kind < len(world.boredom))
        if not is_kind.all() or world.window < 0:
            raise InputError(f"Expected a world in {path}. Received: kinds it has not. {mend}")
        return world


def _numbered(letter: str, count: int) -> np.ndarray:
    return np.array([f"{letter}{number:0{len(str(count))}}" for number in range(1, count + 1)])


def _rows(known: np.ndarray, raw: np.ndarray, kind: str) -> np.ndarray:
    """Where each of `raw` stands in `known`, which is sorted."""
    rows = np.minimum(np.searchsorted(known, raw), len(known) - 1)
    strange = raw[known[rows] != raw]
    if len(strange):
        raise InputError(
            f"Expected a world that knows every {kind} of the log. Received: one without "
            f"{shown(strange[0])}. The world and the log must be made together."
        )
    return rows
