"""Actor and critic, in the paper's form and anchored at matrix factorisation.

`plain` is the paper's: the actor is a tanh of a multilayer perceptron, the critic a perceptron
of state and action. `anchored` starts as matrix factorisation and learns what to add to it: both
networks' last layers start at zero.

    actor   a = z / ‖z‖,  z = u + δ(s)
    critic  Q(s, a) = V(s) + g u · a + Δ(s) · (a − c)

With Q linear in the action the best action on the sphere is the gradient's direction, so that
ranking items by i·a is ranking them by Q(s, i). The gain g is learned from ½, which turns ratings
into rewards (r − 3) / 2: what is shown later anyway is worth little now. The constant c, the mean
vector of the items shown, keeps what V gets wrong out of Δ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import ops

from drrec.registry import STATES

if TYPE_CHECKING:
    from drrec.agents.config import AgentConfig

Form = Literal["anchored", "plain"]
Products = Literal["float32", "bfloat16"]

LOG_STD_RANGE = (-10.0, 2.0)
"""Where a stochastic actor's log standard deviation is clipped."""
_ALMOST_ONE = 1 - 1e-6


class _Perceptron(keras.layers.Layer):
    """Two ReLU layers and a linear one, which starts at zero if asked.

    Weights are float32; `products` says what they are rounded to for multiplying.
    """

    def __init__(self, width: int, outputs: int, zero: bool, products: Products) -> None:
        super().__init__()
        policy = "mixed_bfloat16" if products == "bfloat16" else "float32"
        last = "zeros" if zero else keras.initializers.RandomUniform(-3e-3, 3e-3)
        self.layers = [
            keras.layers.Dense(width, "relu", dtype=policy),
            keras.layers.Dense(width, "relu", dtype=policy),
            keras.layers.Dense(outputs, kernel_initializer=last, dtype=policy),
        ]

    def build(self, shape: tuple[Any, ...]) -> None:
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any) -> Any:
        for layer in self.layers:
            inputs = layer(inputs)
        return ops.cast(inputs, "float32")


class _Network(keras.layers.Layer):
    """What actor and critic are constructed with."""

    def __init__(
        self,
        width: int,
        form: Form = "anchored",
        products: Products = "float32",
        **kwargs: Any,
    ) -> None:
        """`width` units in each hidden layer; matrix products in `products`."""
        super().__init__(**kwargs)
        self.width, self.form, self.products = width, form, products

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"width": self.width, "form": self.form, "products": self.products}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="drrec")
class Actor(_Network):
    """State [B, S] and user vector [B, D] -> action [B, D] in [−1, 1]."""

    def build(self, state_shape: tuple[Any, ...], user_shape: tuple[Any, ...]) -> None:
        """Build the perceptron for these shapes."""
        zero = self.form == "anchored"
        self.perceptron = _Perceptron(self.width, user_shape[-1], zero, self.products)
        self.perceptron.build(state_shape)

    def call(self, state: Any, user: Any) -> Any:
        """Act."""
        raw = self.perceptron(state)
        if self.form == "plain":
            return ops.tanh(raw)
        return ops.normalize(user + raw, axis=-1, epsilon=1e-6)

    def before_tanh(self, state: Any, user: Any) -> Any:
        """[B, D] what the action is the tanh of."""
        if self.form == "plain":
            return self.perceptron(state)
        return ops.arctanh(ops.clip(self(state, user), -_ALMOST_ONE, _ALMOST_ONE))


@keras.saving.register_keras_serializable(package="drrec")
class LogStd(_Network):
    """State [B, S] -> log standard deviation [B, D] of the action before its tanh."""

    def __init__(
        self, width: int, outputs: int, start: float, products: Products = "float32", **kwargs: Any
    ) -> None:
        """D `outputs`, for which σ = `start` before anything is learned."""
        super().__init__(width, products=products, **kwargs)
        self.outputs, self.start = outputs, start

    def build(self, state_shape: tuple[Any, ...]) -> None:
        """Build the perceptron for this shape."""
        self.perceptron = _Perceptron(self.width, self.outputs, True, self.products)
        self.perceptron.build(state_shape)

    def call(self, state: Any) -> Any:
        """Say how far actions may lie from the mean."""
        return ops.clip(math.log(self.start) + self.perceptron(state), *LOG_STD_RANGE)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        config = super().get_config() | {"outputs": self.outputs, "start": self.start}
        del config["form"]
        return config


@keras.saving.register_keras_serializable(package="drrec")
class Critic(_Network):
    """State [B, S], user vector [B, D] and action [B, D] -> Q [B]."""

    def build(
        self,
        state_shape: tuple[Any, ...],
        user_shape: tuple[Any, ...],
        action_shape: tuple[Any, ...],
    ) -> None:
        """Build the perceptron for these shapes."""
        anchored = self.form == "anchored"
        inputs = state_shape[-1] + (0 if anchored else action_shape[-1])
        outputs = user_shape[-1] + 1 if anchored else 1
        self.perceptron = _Perceptron(self.width, outputs, anchored, self.products)
        self.perceptron.build((None, inputs))
        if anchored:
            self.gain = self.add_weight(
                name="gain", shape=(), initializer=keras.initializers.Constant(0.5)
            )
            self.center = self.add_weight(
                name="center", shape=action_shape[-1:], initializer="zeros", trainable=False
            )

    def call(self, state: Any, user: Any, action: Any) -> Any:
        """Value."""
        if self.form == "plain":
            return self.perceptron(ops.concatenate([state, action], axis=1))[:, 0]
        learned = self.perceptron(state)  # [B, D + 1]
        advantage = self.gain * user * action + learned[:, :-1] * (action - self.center)
        return learned[:, -1] + ops.sum(advantage, axis=1)


@keras.saving.register_keras_serializable(package="drrec")
class Value(_Network):
    """State [B, S] -> V [B]; anchored, it starts at zero."""

    def build(self, state_shape: tuple[Any, ...]) -> None:
        """Build the perceptron for this shape."""
        self.perceptron = _Perceptron(self.width, 1, self.form == "anchored", self.products)
        self.perceptron.build(state_shape)

    def call(self, state: Any) -> Any:
        """Value."""
        return self.perceptron(state)[:, 0]


@keras.saving.register_keras_serializable(package="drrec")
class InverseTemperature(keras.layers.Layer):
    """Scores times a learned factor above zero, of any shape."""

    def __init__(self, start: float = 1.0, **kwargs: Any) -> None:
        """`start` is the factor before anything is learned."""
        super().__init__(**kwargs)
        self.start = start

    def build(self, shape: tuple[Any, ...]) -> None:
        """One weight, the factor's logarithm."""
        start = keras.initializers.Constant(math.log(self.start))
        self.log_factor = self.add_weight(name="log_factor", shape=(), initializer=start)

    def call(self, scores: Any) -> Any:
        """Sharpen."""
        return self.factor() * scores

    def factor(self) -> Any:
        """[] the factor."""
        return ops.exp(self.log_factor)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return super().get_config() | {"start": self.start}


def reads_rewards(config: AgentConfig) -> bool:
    """Whether the state module reads every item shown with its reward; else the liked ones."""
    return getattr(STATES[config.state], "reads_rewards", False)


def build_state_and_actor(
    config: AgentConfig, dim: int, state_size: int
) -> tuple[keras.layers.Layer, Actor, tuple[Any, ...]]:
    """A state module for vectors of width `dim` and histories of `state_size`, and an actor.

    Returns:
        Both, and the shape [B, S] of states.
    """
    vector, history = (None, dim), (None, state_size, dim + reads_rewards(config))
    state = STATES[config.state]()
    state.build(vector, history)
    encoded = state.compute_output_shape(vector, history)
    actor = Actor(config.dim_actor, config.form, config.products)
    actor.build(encoded, vector)
    return state, actor, encoded
