"""What methods reach, user by user, in one tidy table from which all else is a group-by."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import io
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from drrec.errors import InputError, shown
from drrec.evaluation.comparisons import compared
from drrec.evaluation.markdown import with_interval
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.statistics import mean_interval, spread, two_level_interval
from drrec.files import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from drrec.data.interactions import Interactions
    from drrec.evaluation.calibration import Errors
    from drrec.evaluation.cost import Cost
    from drrec.evaluation.offpolicy import Indication
    from drrec.evaluation.protocols.candidates import PerUser

Cells = dict[str, dict[str, Any]]
"""`{metric: {"mean", "low", "high", …}}` of one method."""

VALUES = "values.csv.gz"
"""The tidy table in a run's folder."""

_ROWS_AT_ONCE = 100_000


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
    """What is known of users and items, to say more of results than the metrics do."""

    train: Interactions
    """What was learned from: how long histories are, and how popular items."""
    tests: Mapping[str, Interactions]
    """What protocols judge by. One that is not here is not divided by the items asked for."""
    vectors: np.ndarray | None = None
    """[I, D] what items are like, for the diversity of lists, such as `lists.genre_vectors`."""

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


class Cube(NamedTuple):
    """One protocol's values: the tidy table, pivoted."""

    methods: list[str]
    metrics: list[str]
    users: np.ndarray  # [U] int32, dense ids in rising order
    values: np.ndarray  # [N, S, U, M] by method, seed, user and metric, NaN where there is none

    def of(self, method: str, metric: str | None = None) -> np.ndarray:
        """[S, U, M] of one method, or [S, U] of one of its metrics."""
        own = self.values[self.methods.index(method)]
        return own if metric is None else own[:, :, self.metrics.index(metric)]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Per-user metrics of several methods, as `evaluate` and runs give them.

    One or several protocols, one or several seeds; all that is reported is a group-by of `values`.

    Examples:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aaaabbbb"), "item": list("wxyzxwzy")})
        >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
        >>> found = drrec.evaluate({"ease": drrec.EASE().fit(train)}, test, protocol="full")
        >>> isinstance(found, drrec.Evaluation), len(found.values["user"].unique())
        (True, 2)
    """

    values: pd.DataFrame
    """Columns protocol, method, metric, seed, user, value: a row for each number."""
    dataset: str = ""
    split: str = ""
    chance: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """By protocol and metric, what a random order is expected to reach, where that is known."""
    background: Background | None = None
    """For what lies beyond accuracy, and for slices; without it neither is reported."""
    indications: Mapping[str, Indication] = dataclasses.field(default_factory=dict)
    """By method, what an off-policy estimate says of it, if that was asked for."""
    lists: dict[tuple[str, str, int], np.ndarray] = dataclasses.field(default_factory=dict)
    """By protocol, method and seed: [U, K] items on top, where a protocol keeps them."""
    ceilings: dict[tuple[str, str, int], Ceiling] = dataclasses.field(default_factory=dict)
    """By protocol, method and seed, of those that re-rank."""
    errors: dict[tuple[str, int], Errors] = dataclasses.field(default_factory=dict)
    """By method and seed, of those that predict ratings (`calibration.rating_errors`)."""
    scoring: dict[tuple[str, str, int], Cost] = dataclasses.field(default_factory=dict)
    """By protocol, method and seed, what asking it took."""
    fits: dict[tuple[str, int], Cost] = dataclasses.field(default_factory=dict)
    """By method and seed, what fitting it took, where that is known."""

    @functools.cached_property
    def protocols(self) -> list[str]:
        """In the order in which they ran."""
        return self.values["protocol"].unique().tolist()

    @functools.cached_property
    def seeds(self) -> list[int]:
        """In the order in which they ran."""
        return self.values["seed"].unique().tolist()

    def by_seed(self, kept: Mapping[Any, Any], *key: str) -> list[Any]:
        """What `kept` has under this key for each seed; empty if it is not there for all.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> [lists.shape for lists in found.by_seed(found.lists, "full", "ease")]
            [(4, 10)]
        """
        found = [kept[*key, seed] for seed in self.seeds if (*key, seed) in kept]
        return found if len(found) == len(self.seeds) else []

    def cube(self, protocol: str | None = None) -> Cube:
        """One protocol's values by method, seed, user and metric; of the first if none is named.

        Raises:
            InputError: there is no such protocol.
            ValueError: a method lacks a seed, or the users are not the same for all.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.cube().values.shape  # methods, seeds, users, metrics
            (2, 1, 4, 9)
        """
        name = self._named(protocol)
        if name not in self._cubes:
            self._cubes[name] = _pivoted(self.values[self.values["protocol"] == name], name)
        return self._cubes[name]

    def cells(self, protocol: str | None = None) -> dict[str, Cells]:
        """Means and intervals as plain numbers, by method and metric.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.cells()["ease"]["mrr@5"]["mean"]
            1.0
        """
        cube = self.cube(protocol)
        return {name: cells_of(cube.of(name), cube.metrics) for name in cube.methods}

    def means(self, protocol: str | None = None) -> pd.DataFrame:
        """Mean over users and seeds: a row for each method, a column for each metric.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.means()["mrr@5"].to_dict()
            {'ease': 1.0, 'random': 0.6875}
        """
        cube = self.cube(protocol)
        known = np.isfinite(cube.values)
        total, count = np.where(known, cube.values, 0).sum(axis=(1, 2)), known.sum(axis=(1, 2))
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return pd.DataFrame(mean, pd.Index(cube.methods, name="method"), cube.metrics)

    def table(self, protocol: str | None = None) -> pd.DataFrame:
        """Means with 95 % bootstrap intervals over users, for the main metrics of a protocol.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.table()["mrr@10"].to_dict()
            {'ease': '1.000 [1.000, 1.000]', 'random': '.688 [.375, 1.000]'}
        """
        rows = {
            method: {metric: with_interval(cell) for metric, cell in cells.items()}
            for method, cells in self.cells(protocol).items()
        }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
        return table[list(protocol_of(self._named(protocol)).shown)]

    def compare(self, first: str, second: str, protocol: str | None = None) -> pd.DataFrame:
        """Paired comparison of two methods over users.

        Args:
            first: name of a method.
            second: name of the method to compare it with.
            protocol: name of a protocol; by default the first.

        Returns:
            Columns metric, mean (first minus second), low, high (95 % bootstrap interval), p_value
            (paired permutation test), d_z (effect size), superiority (share of users for whom the
            first method is better, ties counting half).

        Raises:
            InputError: a method or the protocol is unknown.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.compare("ease", "random").set_index("metric")["mean"]["mrr@5"].item()
            0.3125
        """
        cube = self.cube(protocol)
        for name in (first, second):
            if name not in cube.methods:
                there = ", ".join(cube.methods)
                raise InputError(f"Expected a method of {there}. Received: {shown(name)}.")
        rows = []
        for metric in cube.metrics:
            pair = {name: cube.of(name, metric) for name in (first, second)}
            is_higher = protocol_of(self._named(protocol)).higher_is_better(metric)
            cells = compared(pair, [first], [second], higher_is_better=is_higher)
            rows.append({"metric": metric} | cells[first][second])
        return pd.DataFrame(rows).drop(columns="p_holm")

    def plot(self, protocol: str | None = None) -> Figure:
        """Plot means and intervals: a panel for each column of `table`, a row for each method.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.plot().savefig("comparison.png")
        """
        from drrec.evaluation.figures import intervals  # matplotlib takes long to import

        name = self._named(protocol)
        return intervals(self.cells(name), protocol_of(name).shown, self.chance.get(name, {}))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `values` as gzipped CSV, numbers in full, whole or not at all.

        Examples:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.save("values.csv.gz")
            >>> pd.read_csv("values.csv.gz").columns.tolist()
            ['protocol', 'method', 'metric', 'seed', 'user', 'value']
        """
        with (
            replaced(path) as side,
            side.open("wb") as file,
            # Without name and time, the same values are the same bytes.
            gzip.GzipFile("", "wb", 1, file, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
        ):
            rows = csv.writer(text, lineterminator="\n")  # several times as fast as `to_csv`
            rows.writerow(self.values.columns)
            for start in range(0, len(self.values), _ROWS_AT_ONCE):
                part = self.values[start : start + _ROWS_AT_ONCE]
                *keys, values = (part[name].tolist() for name in part)
                known = (None if value != value else value for value in values)
                rows.writerows(zip(*keys, known, strict=True))

    @functools.cached_property
    def _cubes(self) -> dict[str, Cube]:
        return {}

    def _named(self, protocol: str | None) -> str:
        if protocol is not None and protocol not in self.protocols:
            there = ", ".join(self.protocols)
            raise InputError(f"Expected a protocol of {there}. Received: {shown(protocol)}.")
        return protocol or self.protocols[0]


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """The evaluations of several seeds in one.

    Raises:
        ValueError: they are not of one data set and split.
    """
    first = parts[0]
    for each in parts:
        if (each.dataset, each.split) != (first.dataset, first.split):
            raise ValueError(
                f"Expected results of one data set and split ({first.dataset}, {first.split}). "
                f"Received: {each.dataset}, {each.split}. Report them apart."
            )
    kept = ("lists", "ceilings", "errors", "scoring", "fits")
    return dataclasses.replace(
        first,
        values=pd.concat([each.values for each in parts], ignore_index=True),
        **{n: functools.reduce(operator.or_, (getattr(each, n) for each in parts)) for n in kept},
    )


def tidied(found: Mapping[tuple[str, str, int], PerUser], users: np.ndarray) -> pd.DataFrame:
    """The tidy table of results by protocol, method and seed; `users [U]` are raw ids."""
    parts = {key: each for key, each in found.items() if len(each.users)}
    sizes = [len(each.users) for each in parts.values() for _ in each.metrics]
    columns = [(*key[:2], m, key[2]) for key, each in parts.items() for m in each.metrics]
    named = zip(("protocol", "method", "metric", "seed"), zip(*columns, strict=True), strict=True)
    dense = [each.users for each in parts.values() for _ in each.metrics]
    values = [column for each in parts.values() for column in each.metrics.values()]
    frame = {name: _repeated(column, sizes) for name, column in named}
    frame["user"] = pd.Categorical.from_codes(np.concatenate(dense), users.tolist())
    frame["value"] = np.concatenate(values).astype(np.float64)
    return pd.DataFrame(frame)


def _pivoted(own: pd.DataFrame, protocol: str) -> Cube:
    axes = [pd.factorize(own[column]) for column in ("method", "seed", "metric")]
    (method, methods), (seed, seeds), (metric, metrics) = axes
    dense = own["user"].astype("category").cat.codes.to_numpy()
    is_there = np.bincount(dense) > 0
    users, user = np.flatnonzero(is_there), (is_there.cumsum() - 1)[dense]
    shape = (len(methods), len(seeds), len(users), len(metrics))
    place = np.ravel_multi_index((method, seed, user, metric), shape)
    if (np.bincount(place, minlength=np.prod(shape)) != 1).any():
        raise ValueError(
            f"Expected each method, seed, user and metric of {shown(protocol)} together once. "
            "Received: "
            f"{len(own)} values for {' x '.join(map(str, shape))}. Evaluate all on one split."
        )
    values = np.empty(shape)
    values.flat[place] = own["value"]
    return Cube(list(methods), list(metrics), users.astype(np.int32), values)


def _repeated(column: Sequence[Any], sizes: Sequence[int]) -> Any:
    if isinstance(column[0], str):
        return pd.Categorical(column, list(dict.fromkeys(column))).repeat(sizes)
    return np.repeat(column, sizes)


def cells_of(values: np.ndarray, names: Sequence[str]) -> Cells:
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
