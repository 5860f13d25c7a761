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


@contextlib.contextmanager
def few_kernels() -> Iterator[None]:
    """Adam is one kernel a variable, and seeding throws none away, until the end of the body.

    `keras.utils.set_random_seed`, which each agent calls, has TensorFlow forget all kernels for the
    sake of random operations with a state. Agents have none; `fit_contrast` does.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.optimizers.Adam, "_backend_update_step", _update)
        patch.setattr(context.Context, "_set_global_seed", _seeded)
        yield


def _seeded(self: Any, seed: int) -> None:
    self._seed, self._rng = seed, random.Random(seed)


_in_parts = keras.optimizers.Adam._backend_update_step


def _update(self: Any, gradients: list[Any], variables: list[Any], rate: Any) -> None:
    """Keras's twenty kernels a variable in one; what is compiled has Keras's own."""
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
