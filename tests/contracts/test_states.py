"""What every state module in the registry must hold; a newcomer is tested without being listed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drrec.registry import STATES

pytestmark = pytest.mark.parametrize("name", STATES)

B, L, D = 5, 4, 3


@keras.saving.register_keras_serializable(package="drrec_tests")
class Parent(keras.Model):
    """A subclassed model: an unbuilt child saves and loads here without an error."""

    def __init__(self, state, **kwargs):
        super().__init__(**kwargs)
        self.state = state

    def call(self, inputs):
        return self.state(inputs["user"], inputs["history"])

    def get_config(self):
        return super().get_config() | {"state": keras.saving.serialize_keras_object(self.state)}

    @classmethod
    def from_config(cls, config):
        state = keras.saving.deserialize_keras_object(config.pop("state"))
        return cls(state, **config)


def inputs(name):
    """A user vector and a history, with rewards beside the items where the module reads them."""
    generator = np.random.default_rng(0)
    columns = D + getattr(STATES[name], "reads_rewards", False)
    return (
        generator.normal(size=(B, D)).astype(np.float32),
        generator.normal(size=(B, L, columns)).astype(np.float32),
    )


def moved(module, name):
    """Built, and with weights that are not those of the start."""
    module(*inputs(name))
    for number, weight in enumerate(module.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    return module


def test_the_promised_shape_is_the_real_one(name):
    module, (user, history) = STATES[name](), inputs(name)
    promised = module.compute_output_shape(user.shape, history.shape)
    assert tuple(module(user, history).shape) == promised
    assert module.compute_output_shape((None, D), (None, *history.shape[1:])) == (None, promised[1])


def test_config_round_trip(name):
    module = STATES[name](name="given")
    again = type(module).from_config(module.get_config())
    assert again.get_config() == module.get_config()
    again(*inputs(name))
    again.set_weights(moved(module, name).get_weights())
    np.testing.assert_array_equal(again(*inputs(name)), module(*inputs(name)))


def test_a_subclassed_parent_saves_and_loads_it(name, tmp_path):
    parent = Parent(moved(STATES[name](), name))
    user, history = inputs(name)
    before = np.array(parent({"user": user, "history": history}))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded({"user": user, "history": history}), before)


def test_rows_do_not_see_each_other(name):
    module, (user, history) = moved(STATES[name](), name), inputs(name)
    whole = np.array(module(user, history))
    one = np.array(module(user[2:3], history[2:3]))
    np.testing.assert_allclose(whole[2:3], one, rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_every_weight_at_every_position(name):
    module, (user, history) = moved(STATES[name](), name), inputs(name)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(user, history) ** 2)
    weights = [weight.value for weight in module.trainable_variables]
    assert weights
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None
        # A unit behind a ReLU may be at rest; a position may not.
        reached = (gradient.numpy() != 0).reshape(len(gradient), -1).any(axis=1)
        assert reached.all() if weight.shape[0] == L else reached.any()


def test_padding_moves_nothing(name):
    module, (user, history) = moved(STATES[name](), name), inputs(name)
    history[:, 0] = 0
    once = np.array(module(user, history))
    for weight in module.weights:
        if weight.shape[0] == L:
            weight.assign(tf.concat([weight[:1] + 9.0, weight[1:]], axis=0))
    np.testing.assert_array_equal(module(user, history), once)


def test_an_empty_history_is_a_state_too(name):
    user, history = inputs(name)
    assert np.isfinite(moved(STATES[name](), name)(user, np.zeros_like(history))).all()
