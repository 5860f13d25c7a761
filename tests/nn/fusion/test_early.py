import numpy as np
import pytest

from drrec.nn.fusion.early import EarlyFusion

B, WIDTHS, D = 4, (2, 3), 3


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    present = np.array([[True, True], [True, False], [False, True], [False, False]])
    features = [rng.normal(size=(B, width)).astype(np.float32) for width in WIDTHS]
    return [x * has[:, None] for x, has in zip(features, present.T, strict=True)], present


def weights(*shapes):
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def test_concat_is_one_matrix_over_all_that_there_is(given):
    features, present = given
    fusion = EarlyFusion(D, "concat")
    fusion(features, present)
    kernel, bias = weights((5, D), (D,))
    fusion.set_weights([kernel, bias])
    expected = np.concatenate(features, axis=1) @ kernel + bias
    np.testing.assert_allclose(fusion(features, present), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fusion(features, present)[3], bias, rtol=1e-6)


def test_mean_averages_the_projections_of_those_present(given):
    features, present = given
    fusion = EarlyFusion(D, "mean")
    fusion(features, present)
    shapes = [tuple(weight.shape) for weight in fusion.weights]
    assert shapes == [(2, D), (D,), (3, D), (D,), (D, D), (D,)]
    first, first_bias, second, second_bias, kernel, bias = weights(*shapes)
    fusion.set_weights([first, first_bias, second, second_bias, kernel, bias])
    one, other = features[0] @ first + first_bias, features[1] @ second + second_bias
    pooled = np.stack([(one[0] + other[0]) / 2, one[1], other[2], np.zeros(D)])
    expected = pooled @ kernel + bias
    np.testing.assert_allclose(fusion(features, present), expected, rtol=1e-5, atol=1e-6)
