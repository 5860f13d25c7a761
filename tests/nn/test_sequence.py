"""What every encoder of a sequence must hold, and the model of the next item around it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drrec.nn.sequence import ENCODERS, NextItem

pytestmark = pytest.mark.parametrize("encoder", ENCODERS)

L, D, NUM_ITEMS = 6, 8, 20
ITEMS = np.array([[0, 0, 0, 4, 5, 6], [7, 1, 2, 19, 3, 2], [0, 0, 0, 0, 0, 0]])


def made(encoder, **settings):
    """Built, and with weights that are not those of the start."""
    model = NextItem(NUM_ITEMS, D, encoder, {"num_layers": 2, **settings})
    model.build((None, L))
    for number, weight in enumerate(model.trainable_weights):
        start = np.random.default_rng(number).normal(size=weight.shape) / 2
        weight.assign(start + ("gamma" in weight.path))
    return model


@keras.saving.register_keras_serializable(package="drrec_tests")
class NextItemParent(keras.Model):
    """A subclassed model: an unbuilt child saves and loads here without an error."""

    def __init__(self, child, **kwargs):
        super().__init__(**kwargs)
        self.child = child

    def call(self, items):
        return self.child(items)

    def get_config(self):
        return super().get_config() | {"child": keras.saving.serialize_keras_object(self.child)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("child")), **config)


@pytest.mark.parametrize("position", range(L))
def test_what_comes_later_moves_nothing_before_it(encoder, position):
    model, changed = made(encoder), ITEMS.copy()
    changed[1, position:] = 11
    one, other = np.array(model(ITEMS)), np.array(model(changed))
    np.testing.assert_array_equal(one[1, :position], other[1, :position])
    assert (one[1, position:] != other[1, position:]).any(axis=1).all()


def test_what_padding_is_looked_up_as_moves_nothing(encoder):
    model = made(encoder)
    before = np.array(model(ITEMS))
    table = np.array(model.table)
    table[0] = 99
    model.table.assign(table)
    np.testing.assert_array_equal(model(ITEMS), before)


def test_an_empty_sequence_is_the_same_wherever_it_ends(encoder):
    encoded = np.array(made(encoder)(ITEMS))
    assert np.isfinite(encoded).all()
    np.testing.assert_allclose(encoded[2], np.tile(encoded[2, :1], (L, 1)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(encoded[0, :3], encoded[2, :3], rtol=1e-5, atol=1e-5)


def test_the_order_of_items_matters(encoder):
    model = made(encoder)
    other = ITEMS.copy()
    other[1, :5] = ITEMS[1, 4::-1]
    assert np.abs(np.array(model(ITEMS) - model(other)))[1, -1].max() > 1e-3


def test_a_gradient_reaches_every_weight(encoder):
    model = made(encoder)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(ITEMS)[:2, -1] ** 3)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    for gradient in gradients:
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-6


def test_a_subclassed_parent_saves_and_loads_it(encoder, tmp_path):
    parent = NextItemParent(made(encoder, dropout=0.3))
    before = np.array(parent(ITEMS))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(ITEMS), before)
    assert loaded.child.get_config() == parent.child.get_config()
    assert parent.child.get_config()["settings"] == {"num_layers": 2, "dropout": 0.3}


def test_something_is_dropped_while_training_alone(encoder):
    plain, model = made(encoder), made(encoder, dropout=0.5)
    np.testing.assert_array_equal(model(ITEMS), plain(ITEMS))
    assert np.abs(np.array(model(ITEMS, training=True) - plain(ITEMS))).max() > 0.1


def test_the_encoder_alone_keeps_its_config_and_its_shape(encoder):
    layer = ENCODERS[encoder](num_layers=3, dropout=0.25)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.get_config().items() >= {"num_layers": 3, "dropout": 0.25}.items()
    given = np.zeros((2, L, D), np.float32)
    assert layer.compute_output_shape(given.shape) == layer(given, ITEMS[:2] > 0).shape
