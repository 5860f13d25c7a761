"""Recommenders judged on one test part, in one tidy table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from drrec.errors import InputError
from drrec.evaluation.comparisons import compared
from drrec.evaluation.markdown import short
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.statistics import mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from drrec.data.interactions import Dataset
    from drrec.evaluation.protocols.protocol import Protocol
    from drrec.types import Scorer


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Per-user metrics of several methods, as `evaluate` returns them.

    Example:
        >>> import drrec, pandas as pd
        >>> log = pd.DataFrame({"user": list("aaaabbbb"), "item": list("wxyzxwzy")})
        >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
        >>> found = drrec.evaluate({"ease": drrec.EASE().fit(train)}, test, protocol="full")
        >>> isinstance(found, drrec.Evaluation), len(found.values["user"].unique())
        (True, 2)
    """

    values: pd.DataFrame
    """Columns protocol, method, metric, seed, user, value: a row for each number."""
    protocol: Protocol

    def means(self) -> pd.DataFrame:
        """Mean over users: a row for each method, a column for each metric.

        Example:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.means()["mrr@5"].to_dict()
            {'ease': 1.0, 'random': 0.6875}
        """
        means = self.values.pivot_table("value", "method", "metric", "mean", sort=False)
        return means.reindex(columns=list(self.protocol.metrics))

    def table(self) -> pd.DataFrame:
        """Means with 95 % bootstrap intervals over users, for the main metrics of the protocol.

        Example:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.table()["mrr@10"].to_dict()
            {'ease': '1.000 [1.000, 1.000]', 'random': '.688 [.375, 1.000]'}
        """
        cells = {
            method: {metric: _cell(column) for metric, column in self._users(method).items()}
            for method in self.values["method"].unique()
        }
        return pd.DataFrame(cells).T[list(self.protocol.shown)].rename_axis("method")

    def compare(self, first: str, second: str) -> pd.DataFrame:
        """Paired comparison of two methods over users.

        Args:
            first: name of a method.
            second: name of the method to compare it with.

        Returns:
            Columns metric, mean (first minus second), low, high (95 % bootstrap interval), p_value
            (paired permutation test), d_z (effect size), superiority (share of users for whom the
            first method is better, ties counting half).

        Raises:
            InputError: a method is unknown.

        Example:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.compare("ease", "random").set_index("metric")["mean"]["mrr@5"].item()
            0.3125
        """
        methods = self.values["method"].unique().tolist()
        for name in (first, second):
            if name not in methods:
                raise InputError(f"Expected a method of {', '.join(methods)}. Received: {name!r}.")
        own, other = self._users(first), self._users(second)
        rows = []
        for metric in self.protocol.metrics:
            pair = {first: own[metric].to_numpy()[None], second: other[metric].to_numpy()[None]}
            rows.append({"metric": metric} | compared(pair, [first], [second])[first][second])
        return pd.DataFrame(rows).drop(columns="p_holm")

    def plot(self) -> Figure:
        """Plot means and intervals: a panel for each column of `table`, a row for each method.

        Example:
            >>> import drrec, pandas as pd
            >>> log = pd.DataFrame({"user": list("aaabbbcccddd"), "item": list("uvwvwuxyzyzx")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> models = {"ease": drrec.EASE().fit(train), "random": drrec.Random().fit(train)}
            >>> found = drrec.evaluate(models, test, protocol="full")
            >>> found.plot().savefig("comparison.png")
        """
        from matplotlib.figure import Figure

        shown, methods = self.protocol.shown, self.values["method"].unique().tolist()
        size = (1.5 + 3.0 * len(shown), 1.2 + 0.35 * len(methods))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        places = np.arange(len(methods))[::-1]
        users = {method: self._users(method) for method in methods}
        for axes, metric in zip(panels, shown, strict=True):
            found = [mean_interval(users[name][[metric]].to_numpy()) for name in methods]
            mean = np.array([each.mean[0] for each in found])
            low = np.array([each.low[0] for each in found])
            high = np.array([each.high[0] for each in found])
            axes.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="o", capsize=2)
            axes.set_yticks(places, methods)
            axes.set_title(metric)
            axes.grid(axis="x", alpha=0.3)
        return figure

    def _users(self, method: str) -> pd.DataFrame:
        """Users by metrics."""
        own = self.values[self.values["method"] == method]
        return own.pivot(index="user", columns="metric", values="value")


def evaluate(
    models: Mapping[str, Scorer],
    test: Dataset,
    protocol: str = "rated",
    *,
    seed: int = 0,
    **options: Any,
) -> Evaluation:
    """Judge fitted models on the same candidates.

    Args:
        models: by the names that the table shall have.
        test: the second part of `Dataset.split`.
        protocol: rated (order each user's test items), full (leave_one_out split, the whole
            catalogue), unmasked, sampled, ranked (all liked test items in the whole catalogue),
            cold_items (the same among items that nobody is known to have, as with the item split),
            session (made-up data), simulator; or a registered one. See docs/protocols.md.
        seed: of the shuffle that breaks ties, and of what the protocol draws.
        options: of the protocol, such as `min_items` of rated.

    Raises:
        InputError: the protocol is unknown or does not go with the split, or `test` is no test
            part.

    Example:
        >>> import drrec, numpy as np, pandas as pd
        >>> items = np.random.default_rng(0).integers(80, size=1800)
        >>> frame = pd.DataFrame({"user": np.repeat(range(30), 60), "item": items})
        >>> train, test = drrec.Dataset.from_pandas(frame).split("temporal")
        >>> model = drrec.Popularity().fit(train)
        >>> found = drrec.evaluate({"popularity": model}, test, protocol="ranked")
        >>> list(found.values)
        ['protocol', 'method', 'metric', 'seed', 'user', 'value']
    """
    if getattr(test, "known", None) is None:
        raise InputError(
            "Expected the test part of a split. Received: another data set. Take the second of "
            "train, test = data.split(...)."
        )
    if not models:
        raise InputError(
            "Expected at least one model to evaluate. Received: none. Give fitted ones by name."
        )
    judged = protocol_of(protocol)
    asked, needed = judged.inputs(test) if judged.inputs else (test.interactions, {})
    parts = []
    for name, model in models.items():
        found = judged.run(
            model,
            test.known,
            asked,
            state_size=getattr(model, "history_length", 10),
            seed=seed,
            **(needed | options),
        )
        users = test.interactions.users.raw[found.users]
        for metric in judged.metrics:
            column = {"protocol": protocol, "method": name, "metric": metric, "seed": seed}
            parts.append(
                pd.DataFrame(
                    column | {"user": users.astype(object), "value": found.metrics[metric]}
                )
            )
    return Evaluation(pd.concat(parts, ignore_index=True), judged)


def _cell(column: pd.Series) -> str:
    found = mean_interval(column.to_numpy()[:, None])
    return f"{short(found.mean[0])} [{short(found.low[0])}, {short(found.high[0])}]"
