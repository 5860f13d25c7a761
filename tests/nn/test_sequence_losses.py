"""Losses of the next item against their definitions, and the sampled ones against the whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from drrec.nn.sequence_losses import cross_entropy, gbce, sampled_softmax

N, NUM_ITEMS = 6, 9
SCORE = np.random.default_rng(0).normal(0, 2, (N, NUM_ITEMS)).astype(np.float32)
TARGET = np.array([1, 8, 3, 3, 5, 2])
OWN = SCORE[np.arange(N), TARGET]
OTHER = np.where(np.arange(NUM_ITEMS) == TARGET[:, None], -np.inf, SCORE).astype(np.float32)


def test_cross_entropy_is_that_of_keras():
    expected = keras.losses.sparse_categorical_crossentropy(TARGET, SCORE, from_logits=True)
    np.testing.assert_allclose(cross_entropy(OWN, SCORE), expected, rtol=1e-5)


def test_what_is_no_item_takes_no_part():
    wider = np.pad(SCORE, ((0, 0), (0, 3)), constant_values=-np.inf)
    np.testing.assert_allclose(cross_entropy(OWN, wider), cross_entropy(OWN, SCORE))


def test_a_sample_of_the_whole_catalogue_is_cross_entropy():
    sampled = sampled_softmax(OWN, OTHER, np.zeros(NUM_ITEMS, np.float32))
    np.testing.assert_allclose(sampled, cross_entropy(OWN, SCORE), rtol=1e-5)
    twice = sampled_softmax(OWN, np.tile(OTHER, 2), np.full(2 * NUM_ITEMS, np.log(2), np.float32))
    np.testing.assert_allclose(twice, cross_entropy(OWN, SCORE), rtol=1e-5)


def test_the_correction_makes_the_sampled_sum_right_on_average():
    draws = np.random.default_rng(1)
    share = np.arange(1, NUM_ITEMS + 1) / np.arange(1, NUM_ITEMS + 1).sum()
    sample = draws.choice(NUM_ITEMS, size=(400, 50), p=share)
    sums = [
        np.exp(sampled_softmax(OWN, OTHER[:, s], np.log(50 * share[s]).astype(np.float32)))
        for s in sample
    ]
    # exp(loss) = Σ exp(score) / exp(own), and the sum is estimated without bias.
    error = np.std(sums, axis=0) / np.sqrt(len(sums))
    exact = np.exp(cross_entropy(OWN, SCORE))
    assert (np.abs(np.mean(sums, axis=0) - exact) < 4 * error).all()
    assert (error < 0.1 * exact).all()


@pytest.mark.parametrize("calibration", [0.0, 0.5, 1.0])
def test_gbce_of_the_whole_catalogue_is_binary_cross_entropy(calibration):
    others = np.stack([np.delete(row, t) for row, t in zip(SCORE, TARGET, strict=True)])
    label = np.concatenate([np.ones((N, 1)), np.zeros((N, NUM_ITEMS - 1))], axis=1)
    score = np.concatenate([OWN[:, None], others], axis=1)
    expected = keras.losses.binary_crossentropy(label, score, from_logits=True)
    np.testing.assert_allclose(gbce(OWN, others, NUM_ITEMS, calibration), expected, rtol=1e-5)
    # The target's own −inf adds nothing; it is one more to divide by.
    made = np.array(gbce(OWN, OTHER, NUM_ITEMS, calibration))
    np.testing.assert_allclose(made * (NUM_ITEMS + 1), np.array(expected) * NUM_ITEMS, rtol=1e-5)


def test_gbce_by_its_formula():
    others, calibration = SCORE[:, :2], 0.75
    alpha = 2 / (NUM_ITEMS - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    sigmoid = 1 / (1 + np.exp(-OWN))
    pushed = np.log(1 - 1 / (1 + np.exp(-others))).sum(axis=1)
    expected = -(np.log(sigmoid**beta) + pushed) / 3
    np.testing.assert_allclose(gbce(OWN, others, NUM_ITEMS, calibration), expected, rtol=1e-5)
    assert np.abs(gbce(OWN, others, NUM_ITEMS, 0.0) - expected).max() > 0.1


@pytest.mark.parametrize("name", ["sampled_softmax", "gbce"])
def test_gradients_are_finite_where_the_target_was_sampled(name):
    own, other = tf.Variable(OWN), tf.Variable(SCORE)
    with tf.GradientTape() as tape:
        hit = np.arange(NUM_ITEMS) == TARGET[:, None]
        score = tf.where(hit, -np.inf, other)
        losses = (
            sampled_softmax(own, score, np.zeros(NUM_ITEMS, np.float32))
            if name == "sampled_softmax"
            else gbce(own, score, NUM_ITEMS, 0.75)
        )
    by_own, by_other = tape.gradient(losses, [own, other])
    assert np.isfinite(by_own).all()
    assert np.isfinite(by_other).all()
    assert not by_other.numpy()[hit].any()
    assert (by_other.numpy()[~hit] > 0).all()
    assert (by_own.numpy() < 0).all()


def test_a_wrong_rank_is_refused():
    with pytest.raises(ValueError, match=r"Expected `own` of rank 1. Received: shape \(6, 1\)"):
        cross_entropy(OWN[:, None], SCORE)
    with pytest.raises(ValueError, match="Expected `own` of rank 1"):
        gbce(OWN[:, None], OTHER, NUM_ITEMS, 0.5)
    with pytest.raises(ValueError, match="Expected `log_expected` of rank 1"):
        sampled_softmax(OWN, OTHER, OTHER)
