import keras
import numpy as np
import pytest
import tensorflow as tf
from tests.nn.modalities import modality, random_modalities

from drrec.embeddings import content as teaching
from drrec.embeddings.config import ContentConfig
from drrec.embeddings.content import encoded, fit_encoder
from drrec.embeddings.evidence import Evidence
from drrec.errors import InputError

ITEMS, D, WIDTHS = 301, 4, (6, 10)


def config(**settings):
    plain = {"modality": "video,audio", "dropout": 0.0, "lr_content": 1e-2}
    return ContentConfig(**(plain | settings))


def evidence_about(truth, noise=0.3, seed=0):
    """What 30 ratings of each item by random users, with noise, say of its vector."""
    rng = np.random.default_rng(seed)
    users = rng.normal(size=(len(truth), 30, truth.shape[1]))
    ratings = np.einsum("nud,nd->nu", users, truth) + noise * rng.normal(size=users.shape[:2])
    return Evidence(
        np.einsum("nud,nue->nde", users, users), np.einsum("nu,nud->nd", ratings, users)
    )


def without(evidence, items):
    """The same, with `items` never rated."""
    information, target = evidence.information.copy(), evidence.target.copy()
    information[items], target[items] = 0, 0
    return Evidence(information, target)


def planted(way, seed=0):
    """Modalities, and vectors that are linear in them: in all at once, or a share from each."""
    rng = np.random.default_rng(seed)
    modalities = random_modalities(ITEMS, WIDTHS, share=1.0)
    standard = [(m.features - 2) / 3 for m in modalities]
    if way == "concat":
        maps = [rng.normal(size=(width, D // 2)) / width**0.5 for width in WIDTHS]
        truth = np.concatenate([x @ m for x, m in zip(standard, maps, strict=True)], axis=1)
    else:
        maps = [rng.normal(size=(width, D)) / width**0.5 for width in WIDTHS]
        truth = sum(x @ m for x, m in zip(standard, maps, strict=True)) / 2
    return modalities, truth


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


NOTHING = np.zeros((ITEMS, D), np.float32)


@pytest.fixture
def _few_rounds(monkeypatch):
    """Of more steps each: what takes time is to judge each round."""
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 8)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 50)


@pytest.mark.usefixtures("_few_rounds")
@pytest.mark.parametrize(
    ("fusion", "way"),
    [("early", "mean"), ("late", "concat"), ("gated", None)],
)
def test_vectors_linear_in_the_features_are_found_for_items_without_ratings(fusion, way):
    modalities, truth = planted("concat" if (fusion, way) == ("late", "concat") else "mean")
    cold = np.arange(ITEMS) % 5 == 0
    evidence = without(evidence_about(truth), cold)
    found = fit_encoder(modalities, evidence, NOTHING, config(fusion=fusion, aggregation=way), 0)
    assert found.item.shape == (ITEMS, D)
    assert found.item.dtype == np.float32
    assert not found.item[0].any()
    cold[0] = False
    assert correlation(found.item[cold], truth[cold]) > 0.95
    assert np.abs(found.item[cold] - truth[cold]).mean() < 0.35 * np.abs(truth[cold]).mean()
    np.testing.assert_array_equal(found.item, encoded(found.encoder, modalities, NOTHING))


@pytest.fixture
def _quickly(monkeypatch):
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 1)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 1)
    tf.config.run_functions_eagerly(True)  # so few steps are not worth a trace
    yield
    tf.config.run_functions_eagerly(False)


def test_features_that_say_nothing_are_not_learned_by_heart():
    """More columns than items, and no truth in them: it stops where it says little."""
    noise = [modality(np.random.default_rng(1).normal(size=(ITEMS, 400)), np.full(ITEMS, True))]
    truth = np.random.default_rng(2).normal(size=(ITEMS, D))
    found = fit_encoder(
        noise, evidence_about(truth), NOTHING, config(modality="text", lr_content=3e-3), 0
    )
    assert np.abs(found.item).mean() < 0.3 * np.abs(truth).mean()


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_same_seed_same_weights_and_another_seed_others(dropout):
    modalities, truth = planted("mean")
    evidence = evidence_about(truth)
    weights, items = [], []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(len(weights) + 10)  # whatever was drawn before
        found = fit_encoder(modalities, evidence, NOTHING, config(dropout=dropout), seed)
        weights.append(found.encoder.get_weights())
        items.append(found.item)
    for one, again in zip(weights[0], weights[1], strict=True):
        np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(items[0], items[1])
    assert (items[0] != items[2]).any()


@pytest.mark.usefixtures("_few_rounds")
def test_features_are_dropped_while_it_is_trained_on():
    """Of a linear map of independent features, dropout leaves about 1 − p: it is a ridge."""
    modalities, truth = planted("mean")
    evidence = evidence_about(truth)
    whole, left = (
        fit_encoder(modalities, evidence, NOTHING, config(dropout=dropout), 0).item
        for dropout in (0.0, 0.75)
    )
    share = (whole * left).sum() / (whole**2).sum()
    assert 0.15 < share < 0.4


def test_padding_is_zero_whatever_stood_there():
    modalities, _ = planted("mean")
    encoder = teaching.new_encoder(D, config(), modalities)
    assert not encoded(encoder, modalities, NOTHING + 1)[0].any()


@pytest.mark.usefixtures("_quickly")
def test_items_that_were_not_rated_teach_nothing():
    modalities, truth = planted("mean")
    cold = np.arange(ITEMS) % 3 == 0
    evidence = without(evidence_about(truth), cold)
    rng = np.random.default_rng(8)
    other = [
        modality(np.where(cold[:, None], 40 * rng.normal(size=m.features.shape), m.features), p)
        for m, p in zip(modalities, (m.present for m in modalities), strict=True)
    ]
    one, two = (fit_encoder(each, evidence, NOTHING, config(), 0) for each in (modalities, other))
    for weight, same in zip(one.encoder.get_weights(), two.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    np.testing.assert_array_equal(one.item[~cold], two.item[~cold])
    assert (one.item[cold] != two.item[cold]).any(axis=1).sum() == cold.sum() - 1


@pytest.mark.usefixtures("_quickly")
def test_who_has_no_content_teaches_nothing_and_stays_known_by_id():
    modalities, truth = planted("mean")
    has_content = np.arange(ITEMS) % 4 > 0
    modalities = [modality(m.features, m.present & has_content) for m in modalities]
    identity = np.random.default_rng(3).normal(size=(ITEMS, D)).astype(np.float32)
    identity[0] = 0
    evidence = evidence_about(truth)
    one = fit_encoder(modalities, evidence, identity, config(), 0)
    np.testing.assert_array_equal(one.item[~has_content], identity[~has_content])
    evidence.target[~has_content] *= -3
    two = fit_encoder(modalities, evidence, identity, config(), 0)
    np.testing.assert_array_equal(one.item, two.item)


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("num_taught", [0, 4, 5])
def test_too_few_items_are_refused(num_taught):
    modalities, truth = planted("mean")
    evidence = without(evidence_about(truth), np.arange(ITEMS) > num_taught)
    if num_taught == 5:
        assert np.isfinite(fit_encoder(modalities, evidence, NOTHING, config(), 0).item).all()
        return
    said = f"at least 5 items that have ratings to train on. Received: of {num_taught}."
    with pytest.raises(InputError, match=said):
        fit_encoder(modalities, evidence, NOTHING, config(), 0)


def test_it_stops_when_what_it_was_not_taught_gets_worse(monkeypatch):
    """And the fit on all goes on for as many rounds as were best."""
    calls = []
    teach = teaching._train

    def spied(learner, average, batch, config, rounds, judged=None):
        losses = teach(learner, average, batch, config, rounds, judged)
        calls.append((len(batch.target), rounds, losses))
        return losses

    monkeypatch.setattr(teaching, "_train", spied)
    noise = [modality(np.random.default_rng(1).normal(size=(51, 60)), np.full(51, True))]
    truth = np.random.default_rng(2).normal(size=(51, D))
    fast = config(modality="text", lr_content=0.1)
    fit_encoder(noise, evidence_about(truth), np.zeros((51, D), np.float32), fast, 0)
    (first, most, losses), (everyone, rounds, unjudged) = calls
    assert (first, everyone, most, unjudged) == (40, 50, 60, [])
    assert rounds == np.argmin(losses) + 1
    assert len(losses) == rounds + 15 < 60
