"""What tests put in place of slow parts of Keras says the same."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf


@functools.partial(tf.function, jit_compile=True)
def compiled(optimizer, gradients):
    optimizer.apply(gradients)


@pytest.mark.usefixtures("adam_of_one_kernel")
def test_adam_by_one_kernel_is_kerass_own():
    generator = np.random.default_rng(0)
    start = [generator.normal(size=size).astype(np.float32) for size in ((3, 4), (5,))]
    found = []
    for apply in (lambda optimizer, gradients: optimizer.apply(gradients), compiled):
        weights = [keras.Variable(value) for value in start]
        optimizer = keras.optimizers.Adam(0.01, beta_2=0.98)
        optimizer.build(weights)
        for step in range(5):
            apply(optimizer, [tf.sin(weight * (step + 1)) for weight in weights])
        found.append([variable.numpy() for variable in (*optimizer.variables, *weights)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_seeding_gives_the_same_draws_though_kernels_are_kept():
    """Of operations with a state: these would go on where they were."""

    def drawn():
        keras.utils.set_random_seed(1)
        return tf.random.uniform([8]).numpy(), tf.nn.dropout(tf.ones([8]), 0.5).numpy()

    for one, other in zip(drawn(), drawn(), strict=True):
        np.testing.assert_array_equal(one, other)
