"""The vectors that an agent learns with, and those that it is used with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drrec.models.embedding import side_by_side
from drrec.models.pmf import fit_pmf
from drrec.models.variational import fit_variational

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.data.interactions import Interactions
    from drrec.models.config import EmbeddingConfig
    from drrec.models.embedding import Embeddings

FACTORISATIONS: dict[str, Callable[..., Embeddings]] = {
    "variational": fit_variational,
    "pmf": fit_pmf,
}
"""`fit(train, *, dim, seed, start) -> Embeddings` by name."""


class Pretrained(NamedTuple):
    """Two tables with the same axes, one table where nothing is held out."""

    rehearsal: Embeddings
    """Fitted on the past alone: sessions that hand out the rest hold something to be learned."""
    deployed: Embeddings
    """Fitted on all of `train`."""


def pretrain(train: Interactions, config: EmbeddingConfig, seed: int) -> Pretrained:
    """Fit on the past of `train`, then on all of it.

    An agent that learned with vectors fitted on the very ratings it is paid for would learn to
    trust them too much (stacking; Wolpert 1992).
    """
    past, _ = train.past_and_future(config.held_out)
    early, late = [], []
    for name, dim in config.widths().items():
        fit = FACTORISATIONS[name]
        early.append(fit(past, dim=dim, seed=seed))
        late.append(
            fit(train, dim=dim, seed=seed, start=early[-1]) if config.held_out else early[-1]
        )
    rehearsal = _finished(side_by_side(early), past, config)
    deployed = _finished(side_by_side(late), train, config) if config.held_out else rehearsal
    return Pretrained(rehearsal, deployed)


def _finished(embeddings: Embeddings, ratings: Interactions, config: EmbeddingConfig) -> Embeddings:
    scaled = embeddings.scaled()
    return scaled.with_popularity(ratings, config.popularity) if config.popularity else scaled
