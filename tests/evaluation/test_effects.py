"""Holm's correction and effect sizes: by hand, against SciPy, and how often Holm is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drrec.evaluation.effects import cohens_d_z, holm, superiority

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(np.array)


def test_holm_by_hand() -> None:
    # The worked example of Wikipedia's article on the Holm-Bonferroni method, in its order.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # R: p.adjust(c(.01, .02, .03, .04, .05), "holm")
    assert holm(np.array([0.01, 0.02, 0.03, 0.04, 0.05])) == pytest.approx(
        [0.05, 0.08, 0.09, 0.09, 0.09]
    )
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    with_none = holm(np.array([0.01, np.nan, 0.04]))
    assert with_none == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert holm(np.array([])).tolist() == []


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values: np.ndarray, level: float) -> None:
    corrected = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    is_rejected = np.zeros(len(p_values), bool)
    for step, index in enumerate(order):
        if p_values[index] * (len(p_values) - step) > level:
            break
        is_rejected[index] = True
    np.testing.assert_array_equal(corrected <= level, is_rejected)
    assert (corrected >= p_values).all()
    assert (corrected <= 1).all()
    # Between no correction and Bonferroni's; never below Benjamini and Hochberg's.
    assert (corrected <= np.minimum(p_values * len(p_values), 1) + 1e-12).all()
    assert (corrected >= stats.false_discovery_control(p_values) - 1e-12).all()


def test_holm_is_wrong_about_any_of_many_as_seldom_as_it_says() -> None:
    p_values = np.random.default_rng(0).random((2000, 6))
    assert (p_values.min(axis=1) < 0.05).mean() > 0.2
    wrong = np.mean([holm(row).min() < 0.05 for row in p_values])
    assert wrong == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("bad", [np.array([0.1, 1.1]), np.array([-0.1]), np.array([[0.1]])])
def test_what_is_no_p_value_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Expected p-values"):
        holm(bad)


def test_effect_sizes_by_hand() -> None:
    difference = np.array([[1.0, 2, 0.1, np.nan], [2, 2, 0.1, 3], [0, np.nan, 0.1, np.nan]])
    assert cohens_d_z(difference) == pytest.approx([1, *[np.nan] * 3], nan_ok=True)
    assert superiority(difference) == pytest.approx([2.5 / 3, 1, 1, 1])
    assert superiority(-difference) == pytest.approx([0.5 / 3, 0, 0, 0])
    assert np.isnan(superiority(np.full((2, 1), np.nan))).all()


@given(st.integers(0, 2**32), st.integers(3, 30))
def test_effect_sizes_are_those_of_t_and_wilcoxon_counts(seed: int, num_users: int) -> None:
    rng = np.random.default_rng(seed)
    difference = rng.normal(0.3, 1, (num_users, 2))
    difference[0, 1] = np.nan
    t = stats.ttest_1samp(difference, 0, nan_policy="omit").statistic
    count = np.array([num_users, num_users - 1])
    np.testing.assert_allclose(cohens_d_z(difference), t / np.sqrt(count))
    np.testing.assert_allclose(superiority(difference), (difference > 0).sum(axis=0) / count)
    assert superiority(np.round(difference)).max() <= 1


def test_a_normal_difference_is_as_superior_as_the_normal_distribution_says() -> None:
    difference = np.random.default_rng(0).normal(0.4, 1, (200_000, 1))
    assert cohens_d_z(difference).item() == pytest.approx(0.4, abs=0.01)
    assert superiority(difference).item() == pytest.approx(stats.norm.cdf(0.4), abs=0.005)


def test_a_wrong_rank_is_refused() -> None:
    for effect in (cohens_d_z, superiority):
        with pytest.raises(ValueError, match="Expected differences"):
            effect(np.zeros(3))
