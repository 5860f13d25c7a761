"""Pre-trained embeddings: the prefix fit for training sessions, and the final fit for use."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from drrec.embeddings.content import fit_encoder
from drrec.embeddings.contrast import ContrastEncoder, fit_contrast
from drrec.embeddings.evidence import (
    Evidence,
    columns_of,
    explicit_evidence,
    implicit_evidence,
    posterior,
)
from drrec.embeddings.evidence import side_by_side as evidence_side_by_side
from drrec.embeddings.implicit import fit_implicit
from drrec.embeddings.pmf import fit_pmf
from drrec.embeddings.table import Embeddings, balance, side_by_side
from drrec.embeddings.variational import fit_variational
from drrec.errors import InputError
from drrec.nn.item_encoder import load_encoder, save_encoder
from drrec.types import PADDING

if TYPE_CHECKING:
    import pathlib

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Interactions
    from drrec.embeddings.config import ContentConfig, EmbeddingConfig
    from drrec.features.store import Modality
    from drrec.nn.item_encoder import ItemEncoder


_LEAST_USER = 0.3  # of logs that are not sparse users are longer
_LEAST_POPULARITY = 0.3  # of the coordinate, where scores are to have it and items' vectors not


class Factorisation(NamedTuple):
    """How embeddings are fitted, and the likelihood of an item's, given the users'."""

    fit: Callable[..., Embeddings]
    """`(train, *, dim, seed, start) -> Embeddings`."""
    evidence: Callable[[Interactions, np.ndarray, float], Evidence]
    """`(train, user [U, D], mean) -> Evidence`."""
    fit_by: tuple[str, ...] = ()
    """Settings of `EmbeddingConfig` that `fit` takes by name."""
    evidence_by: tuple[str, ...] = ()
    """Those that `evidence` takes."""


FACTORISATIONS: dict[str, Factorisation] = {
    "variational": Factorisation(
        fit_variational, explicit_evidence, ("noise_precision",), ("noise_precision",)
    ),
    "pmf": Factorisation(fit_pmf, explicit_evidence, (), ("noise_precision",)),
    "implicit": Factorisation(
        fit_implicit,
        implicit_evidence,
        ("unobserved_weight", "embedding_l2"),
        ("unobserved_weight",),
    ),
}


class Content(NamedTuple):
    """Content features of the items, and the settings of their use."""

    config: ContentConfig
    features: dict[str, Modality]
    text: dict[str, Any] | None = None
    """How texts were encoded, see `features.one.text_settings`; None if by nothing known."""

    @property
    def modalities(self) -> list[Modality]:
        """M of them, in the order of the fusion's inputs."""
        return list(self.features.values())

    @property
    def encoders(self) -> dict[str, str]:
        """Encoder of the features, by modality."""
        return {name: modality.encoder for name, modality in self.features.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings and the features."""
        # Whether the agent goes on tuning the encoder does not change what it starts from.
        settings = dataclasses.replace(self.config, encoder="frozen")
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(settings)).encode())
        for modality in self.modalities:
            digest.update(np.ascontiguousarray(modality.features).tobytes())
            digest.update(modality.present.tobytes())
        return digest.hexdigest()


def content_of(config: ContentConfig, train: Dataset | Interactions) -> Content | None:
    """Content features of a data set; None if no modality is set.

    Raises:
        InputError: the data set has no features of one.
    """
    if not config.modalities:
        return None
    features = getattr(train, "features", None) or {}
    if missing := [name for name in config.modalities if name not in features]:
        raise InputError(
            f"Expected a data set with features of {', '.join(missing)}. Received: "
            f"{', '.join(features) or 'none'}. Load them by data.with_features(path), or extract "
            "some: drrec extract."
        )
    return Content(config, {name: features[name] for name in config.modalities})


class Vectors(NamedTuple):
    """A table of vectors, and the encoder that its last columns come from, if any."""

    table: Embeddings
    encoder: ItemEncoder | None = None

    def scaled(self, scale: np.ndarray | None) -> Self:
        """The same dot products, with the items' columns times `scale [D]`; None changes nothing.

        The encoder gives items on that scale from then on.
        """
        if scale is None:
            return self
        if self.encoder is not None:
            self.encoder.scale.assign(self.encoder.scale * scale[-self.encoder.width :])
        return self._replace(table=self.table.with_columns_scaled(scale))

    def save(self, folder: pathlib.Path, name: str) -> None:
        """Write `<name>.npz` and `<name>-encoder.npz`, each whole or not at all."""
        if self.encoder is not None:
            save_encoder(folder / f"{name}-encoder.npz", self.encoder)
        self.table.save(folder / f"{name}.npz")

    @classmethod
    def load(cls, folder: pathlib.Path, name: str, content: Content | None) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there are no such files, or they are broken.
        """
        table = Embeddings.load(folder / f"{name}.npz")
        if content is None:
            return cls(table)
        path = folder / f"{name}-encoder.npz"
        return cls(table, load_encoder(path, content.config, content.modalities))


class Pretrained(NamedTuple):
    """Two tables with the same axes, one table where nothing is held out."""

    prefix: Vectors
    """Prefix fit, on each user's past only; sessions show the rest."""
    final: Vectors
    """Fitted on all of `train`."""


Keep = Callable[[str, "Content | None", Callable[[], Vectors]], Vectors]
"""Gives the fit of this name and content: makes it, or has it from an earlier, interrupted run."""


def _made(name: str, content: Content | None, make: Callable[[], Vectors]) -> Vectors:
    return make()


def pretrain(
    train: Interactions,
    config: EmbeddingConfig,
    seed: int,
    content: Content | None = None,
    everything: Interactions | None = None,
    keep: Keep = _made,
    start: np.ndarray | None = None,
) -> Pretrained:
    """Fit on the past of `train`, then on all of it, or on `everything` there is by now.

    An agent that learned with vectors fitted on the very ratings it is paid for would learn to
    trust them too much (stacking; Wolpert 1992).

    Args:
        train: the ratings to learn from.
        config: which factorisations, and how.
        seed: of their starts.
        content: what items are known by beside their ids.
        everything: ratings for the final fit; None takes `train`.
        keep: called for each fit in turn; it may keep them for a run that comes after a kill.
        start: [I, D'] item vectors of an earlier fit, whose axes the factorisations keep: they go
            on from there, or are turned onto it, as `Factorisation.fit` does. D' may be larger.

    Raises:
        InputError: there is too little to fit to, or too few coordinates for what is joined.
    """
    held_out = config.in_sessions("logged").held_out or 0.0
    past, _ = train.past_and_future(held_out)
    contrast = _contrast(past, content, seed)
    starts = {} if start is None else _views_of(start, past, _widths(config, content))
    early = _factorised(past, config, content, seed, starts, _named("prefix", keep))
    prefix = keep("prefix-joined", content, lambda: _finished(early, past, config, content, seed))
    if contrast and content:
        weight = content.config.contrast
        contrast = contrast.as_loud_as(prefix.table, content.modalities, past, weight)
    prefix = _beside(contrast, prefix, content, past)
    is_rated = np.bincount(past.item, minlength=past.num_items) > 0
    scale = balance(prefix.table, is_rated) if content or config.refit else None
    if not held_out and everything is None:
        prefix = prefix.scaled(scale)
        return Pretrained(prefix, prefix)
    whole = train if everything is None else everything
    late = _factorised(whole, config, content, seed, early, _named("final", keep))
    final = keep("final-joined", content, lambda: _finished(late, whole, config, content, seed))
    final = _beside(contrast, final, content, whole)
    return Pretrained(prefix.scaled(scale), final.scaled(scale))


def _contrast(past: Interactions, content: Content | None, seed: int) -> ContrastEncoder | None:
    """Fitted on the past alone: the vectors of items are the same in both fits."""
    if content is None or not content.config.contrast:
        return None
    return fit_contrast(past, content.modalities, seed)


def _beside(
    contrast: ContrastEncoder | None, vectors: Vectors, content: Content | None, log: Interactions
) -> Vectors:
    """Vectors by contrast in the first columns: the encoder's stay the last ones."""
    if contrast is None or content is None:
        return vectors
    item, user = contrast.beside(vectors.table, content.modalities, log)
    return vectors._replace(table=dataclasses.replace(vectors.table, item=item, user=user))


def _factorised(
    ratings: Interactions,
    config: EmbeddingConfig,
    content: Content | None,
    seed: int,
    starts: dict[str, Embeddings],
    keep: Keep,
) -> dict[str, Embeddings]:
    def fitted(name: str, dim: int) -> Vectors:
        chosen = FACTORISATIONS[name]
        settings = {key: getattr(config, key) for key in chosen.fit_by}
        return Vectors(chosen.fit(ratings, dim=dim, seed=seed, start=starts.get(name), **settings))

    return {
        name: keep(name, None, functools.partial(fitted, name, dim)).table
        for name, dim in _widths(config, content).items()
    }


def _widths(config: EmbeddingConfig, content: Content | None) -> dict[str, int]:
    """How many coordinates each factorisation gets, beside those of content."""
    widths = config.widths()
    if content and content.config.identity == "half":
        widths = config.shared_out(sum(widths.values()) // 2)
        if min(widths.values()) < 2:
            raise InputError(
                "`dim_emb` must leave each factorisation at least 2 coordinates of the ids' half. "
                f"Received: {config.dim_emb}. Raise it, or choose --identity prior."
            )
    return widths


def _views_of(item: np.ndarray, log: Interactions, widths: dict[str, int]) -> dict[str, Embeddings]:
    """The factorisations' parts of `item [I, D]`; fits start from items alone, users follow."""
    views = {}
    for columns, (name, dim) in zip(columns_of([*widths.values()]), widths.items(), strict=True):
        user = np.zeros((log.num_users, dim), np.float32)
        views[name] = Embeddings(item[:, columns], user, 0.0, log.fingerprint)
    return views


def _named(part: str, keep: Keep) -> Keep:
    return lambda name, content, make: keep(f"{part}-{name}", content, make)


def _finished(
    views: dict[str, Embeddings],
    ratings: Interactions,
    config: EmbeddingConfig,
    content: Content | None,
    seed: int,
) -> Vectors:
    table = side_by_side(list(views.values())).scaled()
    if config.embedding == "implicit":  # whose dot products predict no ratings
        table = table.with_longer_users(_LEAST_USER)
    if config.has_popularity:
        weight = config.popularity or _LEAST_POPULARITY
        table = table.with_popularity(ratings, weight, config.popularity_prior)
    if content:
        return _with_content(table, views, ratings, config, content, seed)
    return Vectors(_refitted(table, views, ratings, config) if config.refit else table)


def _refitted(
    table: Embeddings,
    views: dict[str, Embeddings],
    ratings: Interactions,
    config: EmbeddingConfig,
) -> Embeddings:
    """Items fitted anew around their mean, as content's are around what it says."""
    evidence = _evidence(table, views, ratings, config)
    mean = table.item[evidence.is_rated].mean(axis=0)
    item = table.item.copy()
    for columns in columns_of([view.dim for view in views.values()]):
        prior = np.broadcast_to(mean[columns], item[:, columns].shape)
        item[:, columns] = posterior(evidence.of(columns), prior)
    item[PADDING] = 0
    return dataclasses.replace(table, item=item)


def _with_content(
    table: Embeddings,
    views: dict[str, Embeddings],
    ratings: Interactions,
    config: EmbeddingConfig,
    content: Content,
    seed: int,
) -> Vectors:
    """Join what the ids' vectors say of an item and what its content says.

    The encoder's columns are the table's last ones, so that fine-tuning knows where they are.
    """
    widths = [view.dim for view in views.values()]
    num_factors = sum(widths)
    evidence = _evidence(table, views, ratings, config)
    expected = evidence.expecting(table.item)
    encoder, item = fit_encoder(content.modalities, expected, table.item, content.config, seed)
    identity, user = content.config.identity, table.user
    if identity == "prior":
        for columns in columns_of(widths):
            item[:, columns] = posterior(evidence.of(columns), item[:, columns])
    if identity != "none" and table.dim > num_factors:
        # How many ratings an item has is known where it has any.
        is_rated = evidence.is_rated
        item[is_rated, num_factors:] = table.item[is_rated, num_factors:]
    if identity == "half":
        item = np.concatenate([table.item[:, :num_factors], item], axis=1)
        factors = user[:, :num_factors] / 2
        user = np.concatenate([factors, factors, user[:, num_factors:]], axis=1)
    else:
        has_content = np.any([modality.present for modality in content.modalities], axis=0)
        known = _refitted(table, views, ratings, config) if identity == "prior" else table
        item = np.where(has_content[:, None], item, known.item)
    return Vectors(dataclasses.replace(table, item=item, user=user), encoder)


def _evidence(
    table: Embeddings,
    views: dict[str, Embeddings],
    ratings: Interactions,
    config: EmbeddingConfig,
) -> Evidence:
    """Of each factorisation on its own columns, and of popularity on its own, if it has one."""
    parts = []
    widths = [view.dim for view in views.values()]
    for columns, name in zip(columns_of(widths), views, strict=True):
        user = len(views) * table.user[:, columns]
        chosen = FACTORISATIONS[name]
        settings = {key: getattr(config, key) for key in chosen.evidence_by}
        parts.append(chosen.evidence(ratings, user, table.mean, **settings))
    return evidence_side_by_side(parts, table.item)
