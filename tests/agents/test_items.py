import numpy as np
import pytest
import tensorflow as tf
from tests.nn.modalities import random_modalities

from drrec.agents.items import START_DEVIATION, ItemTable, LearnedItemTable, TunedItemTable
from drrec.embeddings.config import ContentConfig
from drrec.embeddings.content import encoded
from drrec.nn.item_encoder import new_encoder

ITEMS, D, WIDTH = 30, 6, 4
MODALITIES = random_modalities(ITEMS, (3, 4), share=0.5)
HAS_CONTENT = np.any([m.present for m in MODALITIES], axis=0)


def vectors(seed=0):
    item = np.random.default_rng(seed).normal(size=(ITEMS, D)).astype(np.float32)
    item[0] = 0
    return item


def randomised(encoder, seed=1):
    rng = np.random.default_rng(seed)
    for weight in encoder.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return encoder


def encoder_of(fusion="early", dropout=0.5):
    config = ContentConfig(modality="video,audio", fusion=fusion, dropout=dropout)
    encoder = new_encoder(WIDTH, config, MODALITIES)
    encoder.standardise_by(MODALITIES, np.full(ITEMS, True))
    return randomised(encoder)


def encodings(encoder):
    return encoded(encoder, MODALITIES, np.zeros((ITEMS, WIDTH), np.float32))


@pytest.fixture(params=["early", "late", "gated"])
def tuned(request):
    return TunedItemTable(vectors(), encoder_of(request.param), MODALITIES)


def test_a_frozen_table_has_nothing_that_learns():
    table = ItemTable(vectors())
    np.testing.assert_array_equal(table.table(), vectors())
    assert table.moved(vectors(1)) is not None
    np.testing.assert_array_equal(table.moved(vectors(1)), vectors(1))
    assert table.variables == []


def test_what_is_learned_lies_beside_and_padding_and_the_unshown_have_nothing_of_their_own():
    table = LearnedItemTable(ItemTable(vectors()), 3, seed=5)
    again = LearnedItemTable(ItemTable(vectors()), 3, seed=5)
    np.testing.assert_array_equal(table.table(), again.table())
    np.testing.assert_array_equal(table.table()[:, :D], vectors())
    assert np.std(table.table()[1:, D:]) == pytest.approx(START_DEVIATION, rel=0.3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(table.table() * np.arange(ITEMS, dtype=np.float32)[:, None])
    gradient = tape.gradient(loss, table.learned.value).numpy()
    assert not gradient[0].any()
    assert gradient[1:].all()
    shown = np.arange(ITEMS) % 3 == 1
    table.learned.assign(table.learned.value + shown[:, None] * 2.0)
    moved = table.moved(vectors(1))
    np.testing.assert_array_equal(moved[:, :D], vectors(1))
    assert not moved[0].any()
    np.testing.assert_array_equal(moved[shown, D:], table.table().numpy()[shown, D:])
    mean = moved[shown, D:].mean(axis=0)
    for item in np.flatnonzero(~shown)[1:]:
        np.testing.assert_allclose(moved[item, D:], mean, rtol=1e-5)


def test_at_the_start_it_is_the_frozen_table(tuned):
    np.testing.assert_array_equal(tuned.table(), vectors())
    np.testing.assert_array_equal(tuned.moved(vectors(1)), vectors(1))
    assert 5 < HAS_CONTENT.sum() < ITEMS - 5


def test_only_what_its_encoder_says_moves_and_in_the_last_columns_alone(tuned):
    before = encodings(tuned.encoder)
    randomised(tuned.encoder, seed=2)
    way = encodings(tuned.encoder) - before
    assert way[HAS_CONTENT].any(axis=1).all()
    assert not way[~HAS_CONTENT].any()
    for start, found in ((vectors(), tuned.table()), (vectors(1), tuned.moved(vectors(1)))):
        moved = np.array(found) - start
        np.testing.assert_allclose(moved[:, D - WIDTH :], way, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(np.array(found)[:, : D - WIDTH], start[:, : D - WIDTH])
        np.testing.assert_array_equal(np.array(found)[~HAS_CONTENT], start[~HAS_CONTENT])
        assert np.array(found).dtype == np.float32


def test_an_encoder_as_wide_as_the_table_moves_all_of_it():
    item = vectors()[:, :WIDTH]
    table = TunedItemTable(item, encoder_of(), MODALITIES)
    np.testing.assert_array_equal(table.table(), item)
    randomised(table.encoder, seed=2)
    assert (np.array(table.table()) != item)[HAS_CONTENT].all()


def test_padding_stays_zero_even_if_it_is_said_to_have_features():
    said = [m._replace(present=m.present | (np.arange(ITEMS) == 0)) for m in MODALITIES]
    table = TunedItemTable(vectors(), encoder_of(), said)
    assert not np.array(table.table())[0].any()
    randomised(table.encoder, seed=2)
    assert not np.array(table.table())[0].any()


def test_it_has_an_encoder_of_its_own():
    encoder = encoder_of()
    before = [np.array(weight) for weight in encoder.weights]
    one, other = (TunedItemTable(vectors(), encoder, MODALITIES) for _ in range(2))
    randomised(one.encoder, seed=2)
    for weight, old in zip(encoder.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    np.testing.assert_array_equal(other.table(), vectors())
    assert (np.array(one.table()) != vectors()).any()


def test_gradients_of_a_few_items_reach_all_that_its_fusion_learns(tuned):
    randomised(tuned.encoder, seed=2)
    with tf.GradientTape() as tape:
        some = tf.gather(tuned.table(), np.flatnonzero(HAS_CONTENT)[:8])
        loss = tf.reduce_sum(some**2)
    fusion = tuned.encoder.fusion
    assert {w.path for w in tuned.trainable_variables} == {w.path for w in fusion.weights}
    for gradient in tape.gradient(loss, [w.value for w in tuned.trainable_variables]):
        assert gradient is not None
        assert gradient.numpy().any()


def test_nothing_in_it_is_left_to_chance():
    """No dropout, and no generator for it: two made alike are alike in all that is saved."""
    tables = [TunedItemTable(vectors(), encoder_of(dropout=0.5), MODALITIES) for _ in range(2)]
    for one, other in zip(*(table.variables for table in tables), strict=True):
        np.testing.assert_array_equal(one, other)
    first = tables[0].table()
    np.testing.assert_array_equal(tables[0].table(), first)
