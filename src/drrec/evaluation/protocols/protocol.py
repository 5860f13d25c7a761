"""What a protocol is: how methods are judged, and how its numbers are read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drrec.registry import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.dataset import Dataset
    from drrec.evaluation.protocols.candidates import PerUser

LOWER_IS_BETTER = ("regret",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """An evaluation protocol; docs/protocols.md defines each.

    Examples:
        >>> from drrec.evaluation.protocols.protocol import protocol_of
        >>> protocol = protocol_of("rated")
        >>> protocol.primary, protocol.metrics[:2]
        ('ndcg@5', ('precision@5', 'ndcg@5'))
    """

    run: Callable[..., PerUser]
    """`run(recommender, train, test, *, state_size, seed, …) -> PerUser`."""
    metrics: tuple[str, ...]
    """What it measures."""
    primary: str
    """By which metric the best baseline is chosen, and methods are compared."""
    columns: tuple[str, ...] = ()
    """The metrics of its table; empty is all."""
    chance: Callable[..., PerUser] | None = None
    """What a random order is expected to reach, where that is known."""
    inputs: Callable[[Dataset], tuple[Any, dict[str, Any]]] | None = None
    """Of a test part: what `run` takes in place of its log, and the options that go with it."""
    bounds: Callable[..., dict[str, PerUser]] | None = None
    """Of what `run` takes, rows that know the truth and are nobody's baselines."""
    lower_is_better: tuple[str, ...] = LOWER_IS_BETTER
    """Metrics of which less is better."""
    keeps_lists: bool = False
    """Whether what its lists are like, beyond accuracy, is reported."""
    any_rating: bool = False
    """Whether a test item is asked for whatever its rating."""
    predicts_ratings: bool = False
    """Whether errors of predicted ratings are reported beside."""
    ceiling: str = ""
    """Of what its re-rankers' ceiling is the recall: liked, or any test items; empty has none."""

    def asked(self, test: Dataset) -> tuple[Any, dict[str, Any]]:
        """What `run` takes in place of a test part, and the options that go with it.

        Examples:
            >>> import drrec, pandas as pd
            >>> from drrec.evaluation.protocols.protocol import protocol_of
            >>> log = pd.DataFrame({"user": list("aaaabbbb"), "item": list("wxyzxwzy")})
            >>> train, test = drrec.Dataset.from_pandas(log).split("leave_one_out")
            >>> protocol_of("full").asked(test)[0] is test.interactions
            True
        """
        return self.inputs(test) if self.inputs else (test.interactions, {})

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns of its table."""
        return self.columns or self.metrics

    def higher_is_better(self, metric: str) -> bool:
        """Whether a higher value of a metric is better.

        Examples:
            >>> from drrec.evaluation.protocols.protocol import protocol_of
            >>> protocol_of("session").higher_is_better("regret")
            False
        """
        return metric not in self.lower_is_better


def protocol_of(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        InputError: there is none.
    """
    return PROTOCOLS[PROTOCOLS.checked(name, "protocol")]
