import keras
import numpy as np
import pytest
from tests.nn.modalities import modality, random_modalities

from drrec.arrays import write_arrays
from drrec.embeddings.config import ContentConfig
from drrec.errors import InputError
from drrec.features.store import Modality
from drrec.nn.item_encoder import (
    ItemEncoder,
    encoder_inputs,
    load_encoder,
    new_encoder,
    save_encoder,
)

ITEMS, D = 40, 4
MODALITIES = random_modalities(ITEMS, share=0.5)


def identity():
    return np.random.default_rng(9).normal(size=(ITEMS, D)).astype(np.float32)


def config(**settings):
    return ContentConfig(**({"modality": "video,audio,text", "dropout": 0.0} | settings))


def taught(modalities=MODALITIES, known=None, **settings):
    """An encoder with random weights, standardised by the items `known` or by all."""
    encoder = new_encoder(D, config(**settings), modalities)
    rng = np.random.default_rng(1)
    for weight in encoder.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    encoder.standardise_by(modalities, np.full(ITEMS, True) if known is None else known)
    return encoder


def encode(encoder, modalities=MODALITIES, training=None):
    return np.array(encoder(*encoder_inputs(modalities), identity(), training=training))


@keras.saving.register_keras_serializable(package="drrec_tests")
class EncoderParent(keras.Model):
    """A subclassed model: an unbuilt child saves and loads here without an error."""

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def call(self, inputs):
        return self.encoder(inputs["features"], inputs["present"], inputs["identity"])

    def get_config(self):
        return super().get_config() | {"encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        return cls(encoder, **config)


@pytest.mark.parametrize("fusion", ["early", "late", "gated"])
def test_who_has_no_content_is_known_by_id(fusion):
    made = encode(taught(fusion=fusion))
    has_content = encoder_inputs(MODALITIES)[1].any(axis=1)
    assert 0 < has_content.sum() < ITEMS - 1
    np.testing.assert_array_equal(made[~has_content], identity()[~has_content])
    assert (made[has_content] != identity()[has_content]).all()


def test_features_are_standardised_before_they_are_fused():
    given = [MODALITIES[0]]
    encoder, known = taught(given), np.arange(ITEMS) % 2 == 0
    encoder.standardise_by(given, known)
    rows = given[0].features[given[0].present & known]
    kernel, bias = (np.array(weight) for weight in encoder.trainable_weights)
    standard = (given[0].features - rows.mean(axis=0)) / rows.std(axis=0)
    expected = np.where(given[0].present[:, None], standard @ kernel + bias, identity())
    np.testing.assert_allclose(encode(encoder, given), expected, rtol=1e-4, atol=1e-4)


def test_units_of_the_features_do_not_matter():
    other = [m._replace(features=m.present[:, None] * (7 + 100 * m.features)) for m in MODALITIES]
    one, two = encode(taught()), encode(taught(other), other)
    np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-3)


def test_only_known_items_that_have_a_modality_say_how_it_is_standardised():
    known = np.arange(ITEMS) < 25
    rng = np.random.default_rng(5)
    scrambled = [
        modality(np.where(known[:, None], m.features, 50 * rng.normal(size=m.features.shape)), p)
        for m, p in zip(MODALITIES, (m.present for m in MODALITIES), strict=True)
    ]
    one, other = taught(known=known), taught(scrambled, known=known)
    np.testing.assert_array_equal(encode(other, scrambled)[known], encode(one)[known])
    assert (encode(other, scrambled)[~known] != encode(one)[~known]).any()
    # Rows that are absent are zeros in the store: they are not looked at.
    full = [
        Modality(np.where(m.present[:, None], m.features, np.float32(9e9)), m.present, "")
        for m in MODALITIES
    ]
    np.testing.assert_array_equal(encode(taught(full), full), encode(taught()))


def test_what_is_the_same_in_all_items_makes_nothing_infinite():
    constant = [modality(np.full((ITEMS, 3), 5.0), np.full(ITEMS, True))]
    encoder = taught(constant)
    bias = np.array(encoder.trainable_weights[1])
    np.testing.assert_allclose(encode(encoder, constant)[1:], np.tile(bias, (ITEMS - 1, 1)))


def test_a_modality_that_nobody_has_is_left_as_it_is():
    nobody = [*MODALITIES[:2], modality(np.ones((ITEMS, 5)), np.full(ITEMS, False))]
    assert np.isfinite(encode(taught(nobody), nobody)).all()


def test_features_are_dropped_while_training_alone():
    encoder = taught(dropout=0.5)
    plain = encode(taught())
    np.testing.assert_array_equal(encode(encoder), plain)
    np.testing.assert_array_equal(encode(encoder, training=False), plain)
    features, present = encoder_inputs(MODALITIES)
    often = [np.tile(each, (400, 1)) for each in (*features, present, identity())]
    dropped = np.array(encoder(often[:-2], *often[-2:], training=True)).reshape(400, ITEMS, D)
    assert (dropped[0] != dropped[1]).any()
    # What is left is scaled up, so that the mean stays: early concat is linear.
    np.testing.assert_allclose(np.mean(dropped, axis=0), plain, atol=2.5)
    correlation = np.corrcoef(np.mean(dropped, axis=0).ravel(), plain.ravel())[0, 1]
    assert correlation > 0.98


def test_what_is_dropped_counts_as_the_mean():
    given = [modality(np.random.default_rng(0).normal(5, 1, (ITEMS, 1)), np.full(ITEMS, True))]
    encoder = taught(given, dropout=0.5)
    bias = np.array(encoder.trainable_weights[1])
    made = encode(encoder, given, training=True)[1:]
    is_bias = np.isclose(made, bias, rtol=1e-4).all(axis=1)
    assert 0.2 < is_bias.mean() < 0.8


@pytest.mark.parametrize("fusion", ["early", "late", "gated"])
def test_a_subclassed_parent_saves_and_loads_it(fusion, tmp_path):
    encoder = taught(fusion=fusion, dropout=0.3)
    features, present = encoder_inputs(MODALITIES)
    given = {"features": features, "present": present, "identity": identity()}
    parent = EncoderParent(encoder)
    before = np.array(parent(given))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(given), before)
    assert loaded.encoder.get_config() == encoder.get_config()
    assert loaded.encoder.get_config()["dropout"] == 0.3
    np.testing.assert_array_equal(before, encode(encoder))


def test_the_promised_shape_is_the_real_one():
    features, present = encoder_inputs(MODALITIES)
    promised = ItemEncoder(D).compute_output_shape(
        [x.shape for x in features], present.shape, identity().shape
    )
    assert promised == encode(taught()).shape == (ITEMS, D)


@pytest.mark.parametrize(
    "settings",
    [{"fusion": "early"}, {"fusion": "late", "aggregation": "mean"}, {"fusion": "gated"}],
)
def test_what_is_saved_loads_alike(settings, tmp_path):
    encoder = taught(known=np.arange(ITEMS) < 20, dropout=0.3, **settings)
    save_encoder(tmp_path / "deep" / "encoder.npz", encoder)
    loaded = load_encoder(
        tmp_path / "deep" / "encoder.npz", config(dropout=0.3, **settings), MODALITIES
    )
    np.testing.assert_array_equal(encode(loaded), encode(encoder))
    assert loaded.get_config() | {"name": ""} == encoder.get_config() | {"name": ""}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["encoder.npz"]


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut", None, "missing"])
def test_a_damaged_file_is_refused(content, tmp_path):
    path = tmp_path / "encoder.npz"
    save_encoder(path, taught())
    if content == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-60] if content is None else content)
    with pytest.raises(InputError, match=r"Expected an item encoder in .*encoder.npz.*run again"):
        load_encoder(path, config(), MODALITIES)


@pytest.mark.parametrize(
    ("settings", "modalities"),
    [
        ({"fusion": "late"}, MODALITIES),
        ({"fusion": "gated"}, MODALITIES),
        ({"aggregation": "mean"}, MODALITIES),
        ({}, MODALITIES[:2]),
        ({}, MODALITIES[::-1]),
    ],
)
def test_an_encoder_of_other_settings_is_refused(settings, modalities, tmp_path):
    save_encoder(tmp_path / "encoder.npz", taught())
    with pytest.raises(InputError, match="Expected an encoder of these modalities in"):
        load_encoder(tmp_path / "encoder.npz", config(**settings), modalities)


@pytest.mark.parametrize(
    "arrays",
    [{"item": np.zeros(3)}, {"width": np.zeros(3)}, {"width": np.array([4, 4])}, {"width": -1}],
)
def test_a_file_of_something_else_is_refused(arrays, tmp_path):
    write_arrays(tmp_path / "encoder.npz", arrays)
    with pytest.raises(InputError, match="Expected an encoder of these modalities in"):
        load_encoder(tmp_path / "encoder.npz", config(), MODALITIES)
