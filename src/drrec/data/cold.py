"""Cold items and cold users: held out of the training part of a split, and evaluated.

The ordinary split is made first. Then a share of the items, drawn at random, is cold for test, and
an equal share of the others is cold for validation; likewise users. To choose settings
(`validation`), both groups are held out and the validation group is evaluated. In a final fit
(`test`), the validation group is back in train, and the test group is held out and evaluated.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np

from drrec.data.strategies import TEST, TRAIN, VALIDATION
from drrec.errors import InputError

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.data.split import Split

_ITEM_STREAM, _USER_STREAM = 0, 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColdConfig:
    """Shares of cold items and cold users."""

    items: float = 0.0
    """Share of the items that are cold for test, and again for validation. [0, 0.5)"""
    users: float = 0.0
    """Share of the users that are cold for test, and again for validation. [0, 0.5)"""
    seed: int = 0
    """Random seed of both. [>= 0]"""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            InputError: a share leaves nothing warm, or the seed is negative.
        """
        for name in ("items", "users"):
            share = getattr(self, name)
            if not 0 <= share < 0.5:
                raise InputError(
                    f"Expected a share of cold {name} of at least 0 and below 0.5, as it is taken "
                    f"twice, for validation and for test. Received: {share}. Try 0.1."
                )
        if self.seed < 0:
            raise InputError(f"Expected a seed of 0 or more. Received: {self.seed}.")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ColdSplit:
    """A training log and three disjoint evaluation logs, with the same id maps."""

    train: Interactions
    """The training part of the ordinary split, without cold users and cold items."""
    test: Interactions
    """The evaluation part of the ordinary split, without cold users and cold items."""
    cold_items: Interactions
    """All rows of warm users on the evaluated cold items; none is in `train`."""
    cold_users: Interactions
    """All rows of the evaluated cold users on warm items."""
    item_group: np.ndarray
    """[I] int8: TRAIN for warm items, VALIDATION or TEST for those cold for one of them."""
    user_group: np.ndarray
    """[U] int8, likewise."""
    candidates: np.ndarray
    """[C] int32, the evaluated cold items, ascending: the candidates of `cold_items`."""


def cold_split(
    interactions: Interactions,
    split: Split,
    config: ColdConfig,
    judge: Literal["test", "validation"] = "test",
) -> ColdSplit:
    """Hold cold items and cold users out of an ordinary split.

    Rows of the ordinary test part are evaluated in a final fit only; with `validation`, rows of
    cold items and users that are in it are left out, too.

    Args:
        interactions: the log.
        split: its ordinary split, final or not.
        config: shares of cold items and users.
        judge: `validation` to choose settings, `test` for a final fit.

    Raises:
        InputError: there are too few items or users, or a part would be empty.
    """
    item_group = cold_groups(interactions.item, interactions.num_items, config, "items")
    user_group = cold_groups(interactions.user, interactions.num_users, config, "users")
    evaluated = TEST if judge == "test" else VALIDATION
    item_of, user_of = item_group[interactions.item], user_group[interactions.user]  # [R]
    is_warm_item, is_warm_user = item_of < evaluated, user_of < evaluated
    is_warm = is_warm_item & is_warm_user
    may_be_seen = split.part <= evaluated
    made = ColdSplit(
        train=interactions.where(is_warm & (split.part < evaluated)),
        test=interactions.where(is_warm & (split.part == evaluated)),
        cold_items=interactions.where(is_warm_user & (item_of == evaluated) & may_be_seen),
        cold_users=interactions.where(is_warm_item & (user_of == evaluated) & may_be_seen),
        item_group=item_group,
        user_group=user_group,
        candidates=np.flatnonzero(item_group == evaluated).astype(np.int32),
    )
    needed = {"train": True, "test": True, "cold_items": config.items, "cold_users": config.users}
    if empty := [name for name, share in needed.items() if share and not len(getattr(made, name))]:
        raise InputError(
            f"Expected ratings enough for cold items ({config.items}) and cold users "
            f"({config.users}) beside the {split.strategy} split, evaluated on {judge}. Received: "
            f"none for {', '.join(empty)}. Add ratings, or pass other --cold-items and "
            "--cold-users."
        )
    return made


def cold_groups(
    ids: np.ndarray, size: int, config: ColdConfig, kind: Literal["items", "users"]
) -> np.ndarray:
    """Which ids are cold for what: ⌈share⌉ of those that occur for each of test and validation.

    A larger share keeps the test group of a smaller one; the draws of items and users do not
    depend on each other.

    Args:
        ids: [R] dense ids of the rows; nothing but which of them occur matters.
        size: n, how many dense ids there are.
        config: the shares and the seed.
        kind: which share to take.

    Returns:
        [n] int8: TRAIN, VALIDATION or TEST.

    Raises:
        InputError: the two groups would leave nothing warm.
    """
    share = getattr(config, kind)
    present = np.unique(ids)
    stream = _ITEM_STREAM if kind == "items" else _USER_STREAM
    drawn = np.random.default_rng([config.seed, stream]).permutation(present)
    # 0.07 × 100 is 7.000000000000001 in floats and must be 7.
    num_cold = int(np.ceil(share * len(present) - 1e-9))
    if 2 * num_cold >= len(present):
        raise InputError(
            f"Expected more than {2 * num_cold} {kind} to keep twice a share of {share} cold. "
            f"Received: {len(present)}. Choose a smaller share."
        )
    group = np.full(size, TRAIN, np.int8)
    group[drawn[:num_cold]] = TEST
    group[drawn[num_cold : 2 * num_cold]] = VALIDATION
    return group
