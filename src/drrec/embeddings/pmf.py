"""Probabilistic matrix factorisation with biases, by gradient (Salakhutdinov and Mnih 2007).

rating(u, i) ≈ mean + b_u + b_i + p_u·q_i. As `Embeddings` the item's vector is [q_i, b_i] and the
user's [p_u, 1], so that a dot product ranks as the model does; b_u moves no ranking.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import scipy.linalg
from keras import ops
from tqdm import tqdm

from drrec.embeddings.table import Embeddings

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

_MOST_EPOCHS = 100
_STOPPING_SHARE = 0.1
_PATIENCE = 5


@keras.saving.register_keras_serializable(package="drrec")
class MatrixFactorisation(keras.Model):
    """(user [B], item [B]) -> rating [B], with a Gaussian prior on every vector and bias."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        num_factors: int,
        mean: float,
        l2: float,
        **kwargs: Any,
    ) -> None:
        """`l2` weighs ‖p‖² + ‖q‖² against the mean squared error."""
        super().__init__(**kwargs)
        self.sizes = {"num_users": num_users, "num_items": num_items, "num_factors": num_factors}
        self.mean, self.l2 = mean, l2
        self.user = _vectors(num_users, num_factors, l2)
        self.item = _vectors(num_items, num_factors, l2)
        self.user_bias = _vectors(num_users, 1, l2 / 3)
        self.item_bias = _vectors(num_items, 1, l2 / 3)

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Predict ratings."""
        user, item = inputs
        biases = self.user_bias(user)[:, 0] + self.item_bias(item)[:, 0]
        return self.mean + biases + ops.sum(self.user(user) * self.item(item), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | self.sizes | {"mean": self.mean, "l2": self.l2}

    def embeddings(self, fingerprint: str) -> Embeddings:
        """The vectors, row 0 of the items zero."""
        layers = (self.user, self.item, self.item_bias)
        p, q, item_bias = (np.array(layer.embeddings, np.float32) for layer in layers)
        item = np.concatenate([q, item_bias], axis=1)  # [I, D]
        item[0] = 0
        user = np.concatenate([p, np.ones((len(p), 1), np.float32)], axis=1)
        return Embeddings(item, user, self.mean, fingerprint)


def _vectors(size: int, dim: int, l2: float) -> keras.layers.Embedding:
    start = keras.initializers.RandomNormal(stddev=0.05) if dim > 1 else "zeros"
    return keras.layers.Embedding(
        size, dim, start, embeddings_regularizer=keras.regularizers.L2(l2)
    )


def fit_pmf(
    train: Interactions,
    *,
    dim: int,
    learning_rate: float = 0.005,
    l2: float = 14.0,
    batch_size: int = 1024,
    seed: int = 0,
    start: Embeddings | None = None,
) -> Embeddings:
    """Fit twice: on the past to see when to stop, then on all of `train` for as many epochs.

    Args:
        train: the ratings to learn from; the latest tenth of each user's says when to stop.
        dim: D: D − 1 factors and the item's bias.
        learning_rate: of Adam.
        l2: λ, ratio of the noise's variance to the prior's (Salakhutdinov and Mnih, equation 4).
        batch_size: ratings in an update.
        seed: of start and order.
        start: an earlier fit whose axes the factors are turned onto; dot products stay.
    """
    past, future = train.past_and_future(_STOPPING_SHARE)

    def fitted(
        ratings: Interactions, epochs: int, judged: Interactions | None
    ) -> tuple[MatrixFactorisation, list[float]]:
        keras.utils.set_random_seed(seed)
        mean = float(ratings.rating.mean(dtype=np.float64))
        sizes = (ratings.num_users, ratings.num_items, dim - 1)
        model = MatrixFactorisation(*sizes, mean, l2 / len(ratings))
        model.compile(keras.optimizers.Adam(learning_rate), "mse", jit_compile=False)  # tables only
        # Not tqdm's own callback: its bars warn in notebooks that have no ipywidgets.
        bar = tqdm(total=epochs, desc="PMF", unit="epoch", leave=False)
        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: bar.update())]
        if judged:
            callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=_PATIENCE))
        with bar:
            history = model.fit(
                (ratings.user, ratings.item),
                ratings.rating,
                batch_size=batch_size,
                epochs=epochs,
                validation_data=judged and ((judged.user, judged.item), judged.rating),
                validation_batch_size=65536,
                callbacks=callbacks,
                verbose=0,
            )
        return model, history.history.get("val_loss", [])

    epochs = _MOST_EPOCHS
    if len(future):
        _, errors = fitted(past, _MOST_EPOCHS, future)
        epochs = int(np.argmin(errors)) + 1
    embeddings = fitted(train, epochs, None)[0].embeddings(train.fingerprint)
    # The prior's mean: a start that has not quite decayed would rank what nobody rated.
    embeddings.item[np.bincount(train.item, minlength=train.num_items) == 0] = 0
    embeddings.user[train.counts() == 0, :-1] = 0
    return _turned(embeddings, start) if start else embeddings


def _turned(embeddings: Embeddings, onto: Embeddings) -> Embeddings:
    """The L2 penalty leaves the factors free to rotate; the bias's coordinate has its place."""
    rotation = np.eye(embeddings.dim, dtype=np.float32)
    rotation[:-1, :-1], _ = scipy.linalg.orthogonal_procrustes(
        embeddings.item[:, :-1], onto.item[:, :-1]
    )
    return dataclasses.replace(
        embeddings, item=embeddings.item @ rotation, user=embeddings.user @ rotation
    )
