"""What every fusion in the registry must hold, with each of its ways of pooling."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from drrec.errors import InputError
from drrec.registry import FUSIONS

WAYS = [(name, way) for name, fusion in FUSIONS.items() for way in fusion.aggregations]
B, WIDTHS, D = 6, (3, 5, 2), 4
ALL = (0, 1, 2)
SUBSETS = [chosen for size in (1, 2, 3) for chosen in itertools.combinations(ALL, size)]

each_way = pytest.mark.parametrize(("name", "way"), WAYS)


@keras.saving.register_keras_serializable(package="drrec_tests")
class FusionParent(keras.Model):
    """A subclassed model: an unbuilt child saves and loads here without an error."""

    def __init__(self, fusion, **kwargs):
        super().__init__(**kwargs)
        self.fusion = fusion

    def call(self, inputs):
        return self.fusion(inputs["features"], inputs["present"])

    def get_config(self):
        return super().get_config() | {"fusion": keras.saving.serialize_keras_object(self.fusion)}

    @classmethod
    def from_config(cls, config):
        fusion = keras.saving.deserialize_keras_object(config.pop("fusion"))
        return cls(fusion, **config)


def inputs(chosen=ALL):
    """Of the modalities `chosen`; row 0 has all, row 1 none, the others some."""
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(B, width)).astype(np.float32) for width in WIDTHS]
    present = rng.random((B, len(WIDTHS))) < 0.6
    present[0], present[1] = True, False
    present = present[:, list(chosen)]
    features = [features[m] for m in chosen]
    return [x * has[:, None] for x, has in zip(features, present.T, strict=True)], present


def moved(fusion, chosen=ALL):
    """Built, and with weights that are not those of the start."""
    fusion(*inputs(chosen))
    for number, weight in enumerate(fusion.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    return fusion


@each_way
@pytest.mark.parametrize("chosen", SUBSETS)
def test_any_subset_of_modalities_makes_the_promised_shape(name, way, chosen):
    fusion, (features, present) = moved(FUSIONS[name](D, way), chosen), inputs(chosen)
    made = fusion(features, present)
    promised = fusion.compute_output_shape([x.shape for x in features], present.shape)
    assert tuple(made.shape) == promised == (B, D)
    assert np.isfinite(made).all()
    assert len(np.unique(np.array(made), axis=0)) >= min(3, len(np.unique(present, axis=0)))


@each_way
def test_its_shapes_alone_build_it(name, way):
    fusion = FUSIONS[name](D, way)
    fusion.build([(None, width) for width in WIDTHS], (None, len(WIDTHS)))
    built = [weight.shape for weight in fusion.weights]
    fusion(*inputs())
    assert [weight.shape for weight in fusion.weights] == built
    assert built


@each_way
def test_config_round_trip(name, way):
    fusion = FUSIONS[name](D, way, name="given")
    again = type(fusion).from_config(fusion.get_config())
    assert again.get_config() == fusion.get_config()
    assert (again.width, again.aggregation, again.name) == (D, way, "given")
    moved(again)
    fusion(*inputs())
    fusion.set_weights(again.get_weights())
    np.testing.assert_array_equal(again(*inputs()), fusion(*inputs()))


@each_way
def test_a_subclassed_parent_saves_and_loads_it(name, way, tmp_path):
    parent = FusionParent(moved(FUSIONS[name](D, way)))
    given = dict(zip(("features", "present"), inputs(), strict=True))
    before = np.array(parent(given))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(given), before)


@each_way
def test_rows_do_not_see_each_other(name, way):
    fusion, (features, present) = moved(FUSIONS[name](D, way)), inputs()
    whole = np.array(fusion(features, present))
    for row in range(B):
        one = fusion([x[row : row + 1] for x in features], present[row : row + 1])
        np.testing.assert_allclose(one, whole[row : row + 1], rtol=1e-5, atol=1e-6)


@each_way
def test_a_gradient_reaches_every_weight(name, way):
    fusion, (features, present) = moved(FUSIONS[name](D, way)), inputs()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fusion(features, present) ** 2)
    weights = [weight.value for weight in fusion.trainable_variables]
    assert weights
    for gradient in tape.gradient(loss, weights):
        assert gradient is not None
        assert np.all(gradient.numpy() != 0)
        assert np.isfinite(gradient).all()


@each_way
def test_each_modality_that_is_present_counts(name, way):
    fusion, (features, present) = moved(FUSIONS[name](D, way)), inputs()
    before = np.array(fusion(features, present))
    for number, x in enumerate(features):
        other = [*features[:number], x + 1, *features[number + 1 :]]
        differs = (np.array(fusion(other, present)) != before).any(axis=1)
        np.testing.assert_array_equal(differs, present[:, number])


@each_way
def test_what_stands_where_a_modality_is_absent_moves_nothing(name, way):
    fusion, (features, present) = moved(FUSIONS[name](D, way)), inputs()
    rng = np.random.default_rng(1)
    full = [
        np.where(has[:, None], x, 3e38 * np.sign(rng.normal(size=x.shape))).astype(np.float32)
        for x, has in zip(features, present.T, strict=True)
    ]
    assert any((one != other).any() for one, other in zip(full, features, strict=True))
    weights = [weight.value for weight in fusion.trainable_variables]
    made = []
    for given in (features, full):
        with tf.GradientTape() as tape:
            fused = fusion(given, present)
            loss = tf.reduce_sum(fused**2)
        made.append([np.array(fused), *(g.numpy() for g in tape.gradient(loss, weights))])
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


@each_way
def test_an_untaught_one_says_next_to_nothing(name, way):
    features, present = inputs()
    made = np.array(FUSIONS[name](D, way)(features, present))
    assert np.abs(made).max() < 0.05
    assert np.abs(made[0]).max() > 0


@pytest.mark.parametrize("name", FUSIONS)
def test_each_way_of_pooling_is_another(name):
    made = [np.array(moved(FUSIONS[name](D, way))(*inputs())) for way in FUSIONS[name].aggregations]
    for one, other in itertools.combinations(made, 2):
        assert not np.allclose(one[0], other[0], rtol=1e-3)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("way", ["concat", "mean", "max"])
def test_only_its_own_ways_of_pooling_are_taken(name, way):
    fusion = FUSIONS[name]
    assert fusion(D).aggregation == fusion(D, None).aggregation == fusion.aggregations[0]
    if way in fusion.aggregations:
        assert fusion(D, way).aggregation == way
        return
    said = f"{' or '.join(fusion.aggregations)} in {fusion.__name__}. Received: '{way}'"
    with pytest.raises(InputError, match=said):
        fusion(D, way)
