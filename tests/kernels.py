"""Training in Python is half as dear without what Keras and TensorFlow do for others."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

if TYPE_CHECKING:
    from collections.abc import Iterator


def keep_kernels() -> None:
    """Let seeding throw kernels away only where a random operation with a state was made.

    `keras.utils.set_random_seed`, which each agent calls, has TensorFlow forget all its kernels,
    for such an operation would go on from its state. Making them anew takes half of a short
    training.
    """
    forget, drawn = context.Context._set_global_seed, context.Context._internal_operation_seed

    def seeded(self: Any, seed: int) -> None:
        if vars(self).pop("has_drawn", True):
            forget(self, seed)
        self._seed, self._rng, self.has_drawn = seed, random.Random(seed), False

    def operation_seed(self: Any) -> int:
        self.has_drawn = True
        return drawn(self)

    context.Context._set_global_seed = seeded
    context.Context._internal_operation_seed = operation_seed


@contextlib.contextmanager
def adam_of_one_kernel() -> Iterator[None]:
    """Adam is one kernel a variable until the end of the body; what is compiled has Keras's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.optimizers.Adam, "_backend_update_step", _update)
        yield


_in_parts = keras.optimizers.Adam._backend_update_step


def _update(self: Any, gradients: list[Any], variables: list[Any], rate: Any) -> None:
    if not tf.executing_eagerly() or self.amsgrad or self.weight_decay:
        return _in_parts(self, gradients, variables, rate)
    time = float(self.iterations) + 1.0
    for gradient, variable in zip(gradients, variables, strict=True):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=(variable.value if isinstance(variable, keras.Variable) else variable).handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**time,
            beta2_power=self.beta_2**time,
            lr=tf.cast(rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
