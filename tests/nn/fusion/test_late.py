import numpy as np
import pytest

from drrec.errors import InputError
from drrec.nn.fusion.late import LateFusion

B, WIDTHS = 4, (2, 3, 4)


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(B, width)).astype(np.float32) for width in WIDTHS]
    present = np.array(
        [[True, True, True], [True, False, True], [False, True, False], [False, False, False]]
    )
    return [x * has[:, None] for x, has in zip(features, present.T, strict=True)], present


def built(way, width, given):
    """A layer with random weights, and what each modality says in it, M of [B, ...]."""
    features, present = given
    fusion = LateFusion(width, way)
    fusion(features, present)
    rng = np.random.default_rng(1)
    fusion.set_weights([rng.normal(size=weight.shape) for weight in fusion.weights])
    kernels, biases = fusion.get_weights()[::2], fusion.get_weights()[1::2]
    said = [x @ w + b for x, w, b in zip(features, kernels, biases, strict=True)]
    return fusion, said


@pytest.mark.parametrize(
    ("width", "shares"), [(3, [1, 1, 1]), (7, [3, 2, 2]), (8, [3, 3, 2]), (9, [3, 3, 3])]
)
def test_concat_shares_the_width_out_and_leaves_the_absent_zero(given, width, shares):
    fusion, said = built("concat", width, given)
    assert [part.shape[1] for part in said] == shares
    present = given[1]
    expected = [part * has[:, None] for part, has in zip(said, present.T, strict=True)]
    np.testing.assert_allclose(
        fusion(*given), np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6
    )


def test_mean_is_over_those_present(given):
    fusion, (one, two, three) = built("mean", 5, given)
    expected = np.stack(
        [(one[0] + two[0] + three[0]) / 3, (one[1] + three[1]) / 2, two[2], np.zeros(5)]
    )
    np.testing.assert_allclose(fusion(*given), expected, rtol=1e-5, atol=1e-6)


def test_concat_needs_a_coordinate_for_each_modality(given):
    with pytest.raises(InputError, match="at least 3 coordinates to share out among 3 modalities"):
        LateFusion(2, "concat")(*given)
