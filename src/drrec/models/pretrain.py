"""The vectors that an agent learns with, and those that it is used with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from drrec.models.variational import fit_variational

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.models.config import EmbeddingConfig
    from drrec.models.embedding import Embeddings


class Pretrained(NamedTuple):
    """Two tables with the same axes, one table where nothing is held out."""

    rehearsal: Embeddings
    """Fitted on the past alone: sessions that hand out the rest hold something to be learned."""
    deployed: Embeddings
    """Fitted on all of `train`, from where the rehearsal stopped."""


def pretrain(train: Interactions, config: EmbeddingConfig, seed: int) -> Pretrained:
    """Fit on the past of `train`, then on all of it.

    An agent that learned with vectors fitted on the very ratings it is paid for would learn to
    trust them too much (stacking; Wolpert 1992).
    """
    dim = config.dim_emb - bool(config.popularity)
    if not config.held_out:
        from drrec.models.pmf import fit_pmf  # loads Keras

        fit = fit_pmf if config.embedding == "pmf" else fit_variational
        only = _finished(fit(train, dim=dim, seed=seed), train, config)
        return Pretrained(only, only)
    past, _ = train.past_and_future(config.held_out)
    rehearsal = fit_variational(past, dim=dim, seed=seed)
    deployed = fit_variational(train, dim=dim, start=rehearsal)
    return Pretrained(_finished(rehearsal, past, config), _finished(deployed, train, config))


def _finished(embeddings: Embeddings, ratings: Interactions, config: EmbeddingConfig) -> Embeddings:
    scaled = embeddings.scaled()
    return scaled.with_popularity(ratings, config.popularity) if config.popularity else scaled
