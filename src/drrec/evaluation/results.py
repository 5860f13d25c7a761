"""What one seed measured, user by user, and how that becomes the cells of a table."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.evaluation.statistics import mean_interval, spread, two_level_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drrec.data.interactions import Interactions
    from drrec.evaluation.calibration import Errors
    from drrec.evaluation.offpolicy import Indication
    from drrec.evaluation.protocols.candidates import PerUser

Cells = dict[str, dict[str, Any]]
"""`{metric: {"mean", "low", "high", …}}` of one method."""


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
    """What is known of users and items, to say more of results than the metrics do."""

    train: Interactions
    """What was learned from: how long histories are, and how popular items."""
    tests: Mapping[str, Interactions]
    """What protocols judge by. One that is not here is not divided by the items asked for."""
    vectors: np.ndarray | None = None
    """[I, D] what items are like, for the diversity of lists, such as `lists.genre_vectors`."""
    errors: Mapping[str, Errors] = dataclasses.field(default_factory=dict)
    """By method, for those that predict ratings (`calibration.rating_errors`)."""

    @functools.cached_property
    def num_raters(self) -> np.ndarray:
        """[I] how many users have each item in `train`."""
        num_items = self.train.num_items
        pairs = np.unique(self.train.user.astype(np.int64) * num_items + self.train.item)
        return np.bincount(pairs % num_items, minlength=num_items)


class Ceiling(NamedTuple):
    """What a method that re-ranks cannot exceed."""

    proposer: str
    k: int
    recall: float  # of the proposer's K items, the mean over users


@dataclasses.dataclass(frozen=True)
class Results:
    """What one seed measured: `protocols[protocol][method]`, methods named as in registries."""

    dataset: str
    split: str
    seed: int
    protocols: dict[str, dict[str, PerUser]]
    splits: dict[str, str] = dataclasses.field(default_factory=dict)
    """Protocols that ran on another split than `split`, with its name."""
    chance: dict[str, PerUser] = dataclasses.field(default_factory=dict)
    """What a random order is expected to reach, for protocols where that is known."""
    ceilings: dict[str, dict[str, Ceiling]] = dataclasses.field(default_factory=dict)
    """By protocol and method, for those that re-rank."""
    indications: dict[str, Indication] = dataclasses.field(default_factory=dict)
    """By method, what an off-policy estimate says of it, if that was asked for."""
    background: Background | None = None
    """For what lies beyond accuracy, and for slices; without it neither is reported."""


def per_user_values(results: Sequence[Results], protocol: str, name: str) -> np.ndarray:
    """[S, U, M] what a method reaches, by seed, user and metric."""
    return np.array(
        [
            np.stack(list(each.protocols[protocol][name].metrics.values()), axis=1)
            for each in results
        ]
    )


def cells_of(values: np.ndarray, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A cell for each column.

    Args:
        values: [S, U, M], NaN where a user has no value. Each user's are averaged over the seeds
            first, so that the interval speaks of users.
        names: of the M columns.

    Returns:
        `{name: {"mean", "low", "high", "num_users"}}`, and with several seeds `std`, the spread
        of the seeds' means, and `low_seeds` and `high_seeds`, the interval over users and seeds.
    """
    per_user = values.mean(axis=0)  # [S, U, M] -> [U, M]
    columns = mean_interval(per_user)._asdict()
    if len(values) > 1:
        known = np.isfinite(values)
        total, count = np.where(known, values, 0).sum(axis=1), known.sum(axis=1)  # [S, M]
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        wide = two_level_interval(values)
        columns |= {"std": spread(means), "low_seeds": wide.low, "high_seeds": wide.high}
    num_users = np.isfinite(per_user).sum(axis=0)
    return {
        name: {key: float(column[m]) for key, column in columns.items()}
        | {"num_users": int(num_users[m])}
        for m, name in enumerate(names)
    }
