"""The causal block: what later items and padding may not move, and Keras's attention as oracle."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drrec.nn.transformer import CausalBlock, CausalTransformer

B, L, D = 4, 7, 8
IS_ITEM = np.arange(L) >= np.array([0, 2, 5, 7])[:, None]
LAYERS = {
    "block": lambda **settings: CausalBlock(**settings),
    "transformer": lambda **settings: CausalTransformer(num_layers=2, **settings),
}


def vectors(seed=0, shape=(B, L, D)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def moved(layer, length=L):
    """Built, and with weights that are not those of the start."""
    layer.build((None, length, D), (None, length))
    for number, weight in enumerate(layer.trainable_weights):
        start = np.random.default_rng(number).normal(size=weight.shape) / 2
        weight.assign(start + ("gamma" in weight.path))
    return layer


@keras.saving.register_keras_serializable(package="drrec_tests")
class SequenceParent(keras.Model):
    """A subclassed model: an unbuilt child saves and loads here without an error."""

    def __init__(self, child, **kwargs):
        super().__init__(**kwargs)
        self.child = child

    def call(self, inputs):
        return self.child(inputs["sequence"], inputs["is_item"])

    def get_config(self):
        return super().get_config() | {"child": keras.saving.serialize_keras_object(self.child)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("child")), **config)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("position", range(L))
def test_what_comes_later_moves_nothing_before_it(name, position):
    layer, given = moved(LAYERS[name]()), vectors()
    changed = given.copy()
    changed[:, position:] = vectors(1)[:, position:]
    one, other = np.array(layer(given, IS_ITEM)), np.array(layer(changed, IS_ITEM))
    np.testing.assert_array_equal(one[:, :position], other[:, :position])
    assert (one[0, position:] != other[0, position:]).all()


@pytest.mark.parametrize("name", LAYERS)
def test_padding_moves_nothing_but_itself(name):
    layer, given = moved(LAYERS[name]()), vectors()
    changed = np.where(IS_ITEM[..., None], given, 50 * vectors(1))
    one, other = np.array(layer(given, IS_ITEM)), np.array(layer(changed, IS_ITEM))
    np.testing.assert_array_equal(one[IS_ITEM], other[IS_ITEM])
    assert np.isfinite(other).all()


def test_a_block_does_not_know_how_much_padding_there_is():
    block, given = moved(CausalBlock()), vectors()
    longer = np.pad(given, ((0, 0), (5, 0), (0, 0)), constant_values=3)
    is_item = np.pad(IS_ITEM, ((0, 0), (5, 0)))
    one, other = np.array(block(given, IS_ITEM)), np.array(block(longer, is_item))[:, 5:]
    np.testing.assert_allclose(one[IS_ITEM], other[IS_ITEM], rtol=1e-5, atol=1e-5)


def test_an_empty_sequence_is_the_same_wherever_it_ends():
    layer = moved(CausalTransformer())
    encoded = np.array(layer(np.zeros((1, L, D)), np.zeros((1, L), bool)))[0]
    np.testing.assert_allclose(encoded, np.tile(encoded[:1], (L, 1)), rtol=1e-6, atol=1e-6)


def test_positions_count_from_the_end():
    layer, given = moved(CausalTransformer()), vectors(shape=(1, L, D))
    whole = np.array(layer(given, np.ones((1, L), bool)))
    turned = np.array(layer(given[:, ::-1], np.ones((1, L), bool)))
    assert np.abs(whole[:, -1] - turned[:, -1]).max() > 0.1
    same = np.tile(given[:, :1], (1, L, 1))
    assert np.ptp(np.array(layer(same, np.ones((1, L), bool))), axis=1).max() > 0.1


def test_attention_is_that_of_keras():
    heads = 2
    block = moved(CausalBlock(num_heads=heads))
    given = vectors()
    oracle = keras.layers.MultiHeadAttention(heads, D // heads)
    oracle.build((B, L, D), (B, L, D))
    parts = np.split(np.array(block.read.kernel), 3, axis=1)
    zero = np.zeros((heads, D // heads))
    inward = [w for part in parts for w in (part.reshape(D, heads, D // heads), zero)]
    kernel, bias = (np.array(weight) for weight in block.write.weights)
    oracle.set_weights([*inward, kernel.reshape(heads, D // heads, D), bias])
    normed = np.array(block.attention_norm(given))
    may_read = IS_ITEM[:, None, :] & np.ones((B, L, 1), bool)
    expected = np.array(oracle(normed, normed, attention_mask=may_read, use_causal_mask=True))
    read = np.array(block._attend(normed, IS_ITEM, training=False))
    np.testing.assert_allclose(read[IS_ITEM], expected[IS_ITEM], rtol=1e-4, atol=1e-5)
    after = given + read
    hidden = np.maximum(np.array(block.widen(block.forward_norm(after))), 0)
    whole = np.array(block(given, IS_ITEM))
    np.testing.assert_allclose(whole, after + np.array(block.narrow(hidden)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_something_is_dropped_while_training_alone(name):
    plain, layer = moved(LAYERS[name]()), moved(LAYERS[name](dropout=0.5))
    given = vectors()
    np.testing.assert_array_equal(layer(given, IS_ITEM), plain(given, IS_ITEM))
    assert np.abs(layer(given, IS_ITEM, training=True) - plain(given, IS_ITEM)).max() > 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_a_gradient_reaches_every_weight(name):
    layer = moved(LAYERS[name]())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(vectors(), IS_ITEM)[:3, -1] ** 3)
    for gradient in tape.gradient(loss, [w.value for w in layer.trainable_weights]):
        assert np.abs(gradient.numpy()).max() > 1e-6


@pytest.mark.parametrize("name", LAYERS)
def test_a_subclassed_parent_saves_and_loads_it(name, tmp_path):
    settings = {"num_heads": 4, "expansion": 2, "dropout": 0.3}
    parent = SequenceParent(moved(LAYERS[name](**settings)))
    given = {"sequence": vectors(), "is_item": IS_ITEM}
    before = np.array(parent(given))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(given), before)
    assert loaded.child.get_config() == parent.child.get_config()
    assert parent.child.get_config().items() >= settings.items()


@pytest.mark.parametrize("name", LAYERS)
def test_the_promised_shape_is_the_real_one(name):
    layer = LAYERS[name]()
    shape = layer.compute_output_shape((B, L, D), (B, L))
    assert tuple(layer(vectors(), IS_ITEM).shape) == shape


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"3 heads divide\. Received: 8"):
        CausalBlock(num_heads=3).build((None, L, D))
    with pytest.raises(ValueError, match=r"1 or more\. Received: 0 and 1"):
        CausalBlock(num_heads=0)
