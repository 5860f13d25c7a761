import numpy as np
import pytest

from drrec.nn.fusion.gated import GatedFusion
from drrec.nn.fusion.late import LateFusion

B, WIDTHS, D = 5, (2, 3, 4), 3


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(B, width)).astype(np.float32) for width in WIDTHS]
    present = rng.random((B, 3)) < 0.6
    present[0], present[1], present[2] = True, False, [False, True, True]
    return [x * has[:, None] for x, has in zip(features, present.T, strict=True)], present


def random_weights(layer, seed=1):
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def built(given):
    fusion = GatedFusion(D)
    fusion(*given)
    return random_weights(fusion)


def test_at_the_start_it_is_late_with_mean(given):
    fusion, late = GatedFusion(D), LateFusion(D, "mean")
    fusion(*given)
    late(*given)
    random_weights(late)
    for ours, theirs in zip(fusion.sources, late.layers, strict=True):
        ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(fusion(*given), late(*given), rtol=1e-5, atol=1e-6)


def test_attention_is_shared_out_among_those_present(given):
    attention, present = np.array(built(given).attention(*given)), given[1]
    np.testing.assert_array_equal(attention > 0, present)
    np.testing.assert_allclose(attention.sum(axis=1), present.any(axis=1), rtol=1e-6)
    assert attention[0].std() > 0.01


def test_the_query_says_whom_to_listen_to(given):
    fusion = built(given)
    for number, source in enumerate(fusion.sources):
        source.kernel.assign(np.zeros(source.kernel.shape))
        source.bias.assign(np.eye(3)[number])
    fusion.key.set_weights([np.eye(3), np.zeros(3)])
    fusion.query.set_weights([np.array([[0.0], [0.0], [5.0]])])
    attention = np.array(fusion.attention(*given))
    # tanh(1) · 5 for the third, 0 for the others.
    loud = np.exp(5 * np.tanh(1))
    np.testing.assert_allclose(attention[0], np.array([1, 1, loud]) / (2 + loud), rtol=1e-5)
    np.testing.assert_allclose(attention[2], np.array([0, 1, loud]) / (1 + loud), rtol=1e-5)


def test_it_is_the_formula(given):
    fusion = built(given)
    features, present = given
    *sources, key, key_bias, query, gate, gate_bias = fusion.get_weights()
    vectors = np.stack(
        [x @ w + b for x, w, b in zip(features, sources[::2], sources[1::2], strict=True)], axis=1
    )
    score = (np.tanh(vectors @ key + key_bias) @ query)[:, :, 0]
    weight = np.exp(score) * present
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    fused = (weight[:, :, None] * vectors).sum(axis=1)
    expected = 2 / (1 + np.exp(-(fused @ gate + gate_bias))) * fused
    np.testing.assert_allclose(fusion(*given), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(fusion(*given)[1], np.zeros(D))
