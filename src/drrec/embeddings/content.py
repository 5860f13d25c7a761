"""Trains an item encoder on the loss of the factorisation that it stands beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from drrec.errors import InputError
from drrec.nn.item_encoder import encoder_inputs, new_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.embeddings.config import ContentConfig
    from drrec.embeddings.evidence import Evidence
    from drrec.features.store import Modality
    from drrec.nn.item_encoder import ItemEncoder

_MOST_ROUNDS = 60
_STEPS_A_ROUND = 10
_PATIENCE = 15
_STOPPING_SHARE = 0.2
_AVERAGING = 0.98

MOST_TRAINED_ON = 2**27
"""D² numbers for each item that an encoder learns from, all together, half a gigabyte.

Of a larger catalogue it learns from items drawn at random: 120,000 of them at D = 33.
"""


class Encoded(NamedTuple):
    """An encoder, and what it makes of every item."""

    encoder: ItemEncoder
    item: np.ndarray  # [I, D] float32, row 0 zero


class _TrainingBatch(NamedTuple):
    """A batch of items, for training or validation."""

    features: list[tf.Tensor]  # M of [B, dim_m]
    present: tf.Tensor  # [B, M]
    identity: tf.Tensor  # [B, D]
    information: tf.Tensor  # [B, D, D]
    target: tf.Tensor  # [B, D]

    def loss(self, encoder: ItemEncoder, training: bool) -> tf.Tensor:
        """[] the mean of c·A c − 2 b·c."""
        item = encoder(self.features, self.present, self.identity, training=training)
        curved = tf.einsum("bd,bde,be->b", item, self.information, item)
        return tf.reduce_mean(curved - 2 * tf.reduce_sum(self.target * item, axis=1))


def fit_encoder(
    modalities: Sequence[Modality],
    evidence: Evidence,
    identity: np.ndarray,
    config: ContentConfig,
    seed: int,
) -> Encoded:
    """Fit twice: without a fifth of the items to see when to stop, then on all that were rated.

    What counts is what an encoder says of items that it has not learned from: with features wider
    than items are many, it would otherwise learn the rated ones by heart.

    Args:
        modalities: M of them, of all items.
        evidence: what the ratings to learn from say of each item.
        identity: [I, D] vectors by id, for items without a modality.
        config: which fusion, and how it is trained.
        seed: of start, dropout, and who is in that fifth.

    Raises:
        InputError: too few items have both features and ratings.
    """
    is_trained_on = evidence.is_rated & encoder_inputs(modalities)[1].any(axis=1)
    items = np.random.default_rng(seed).permutation(np.flatnonzero(is_trained_on))
    items = items[: max(1, MOST_TRAINED_ON // identity.shape[1] ** 2)]
    num_validation = int(len(items) * _STOPPING_SHARE)
    if not num_validation:
        raise InputError(
            f"Expected features of at least {round(1 / _STOPPING_SHARE)} items that have ratings "
            f"to train on. Received: of {len(items)}. Extract more, or leave --modality out."
        )

    def batch(rows: np.ndarray) -> _TrainingBatch:
        return _training_batch(modalities, evidence, identity, rows)

    def start(rows: np.ndarray) -> ItemEncoder:
        encoder = new_encoder(identity.shape[1], config, modalities)
        encoder.standardise_by(modalities, np.isin(np.arange(len(identity)), rows))
        return encoder

    keras.utils.set_random_seed(seed)
    first, validation = items[num_validation:], items[:num_validation]
    losses = _train(
        start(first), start(first), batch(first), config, _MOST_ROUNDS, batch(validation)
    )
    keras.utils.set_random_seed(seed)
    average = start(items)
    _train(start(items), average, batch(items), config, int(np.argmin(losses)) + 1)
    return Encoded(average, encoded(average, modalities, identity))


def check_trained_on(modalities: Sequence[Modality], rated: np.ndarray) -> np.ndarray:
    """Those of the `rated` items that have features, rising.

    Raises:
        InputError: they are too few to teach an encoder.
    """
    usable = rated[encoder_inputs(modalities)[1][rated].any(axis=1)]
    least = round(1 / _STOPPING_SHARE)
    if len(usable) < least:
        raise InputError(
            f"Expected features of at least {least} items that have ratings to train on. "
            f"Received: of {len(usable)}. Extract more, or leave --modality out."
        )
    return usable


def encoded(
    encoder: ItemEncoder, modalities: Sequence[Modality], identity: np.ndarray
) -> np.ndarray:
    """[I, D] float32, row 0 zero."""
    features, present = encoder_inputs(modalities)
    item = np.array(encoder(features, present, identity))
    item[0] = 0
    return item


def _training_batch(
    modalities: Sequence[Modality], evidence: Evidence, identity: np.ndarray, rows: np.ndarray
) -> _TrainingBatch:
    features, present = encoder_inputs(modalities)
    found = evidence.where(rows)
    information, target = np.asarray(found.information), found.target
    unit = np.trace(information, axis1=1, axis2=2).mean()
    return _TrainingBatch(
        [tf.constant(x[rows], tf.float32) for x in features],
        tf.constant(present[rows]),
        tf.constant(identity[rows], tf.float32),
        tf.constant(information / unit, tf.float32),
        tf.constant(target / unit, tf.float32),
    )


def _train(
    learner: ItemEncoder,
    average: ItemEncoder,
    batch: _TrainingBatch,
    config: ContentConfig,
    rounds: int,
    validation: _TrainingBatch | None = None,
) -> list[float]:
    """Descend, and keep the running average of the weights (Polyak and Juditsky 1992).

    Returns:
        The averaged encoder's loss on `validation`, if given, after each round; stops early.
    """
    pairs = list(zip(learner.trainable_variables, average.trainable_variables, strict=True))
    for weight, mean in pairs:
        mean.assign(weight)
    optimizer = keras.optimizers.Adam(config.lr_content)
    optimizer.build(learner.trainable_variables)

    @tf.function
    def advance() -> None:
        for _ in tf.range(_STEPS_A_ROUND):
            with tf.GradientTape() as tape:
                loss = batch.loss(learner, training=True)
            optimizer.apply(tape.gradient(loss, [weight.value for weight, _ in pairs]))
            for weight, mean in pairs:
                mean.assign_add((1 - _AVERAGING) * (weight - mean))

    losses: list[float] = []
    for _ in tqdm(range(rounds), desc="content", unit="round", leave=False):
        advance()
        if validation is not None:
            losses.append(float(validation.loss(average, training=False)))
            if len(losses) - int(np.argmin(losses)) > _PATIENCE:
                break
    return losses
