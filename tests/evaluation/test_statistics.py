"""Intervals and tests against SciPy, and how often they are right on data of a known kind."""

import numpy as np
import pytest
from scipy import stats

from drrec.evaluation import statistics
from drrec.evaluation.statistics import (
    mean_interval,
    paired_p_value,
    ratio_interval,
    spread,
    two_level_interval,
)


def test_interval_equals_scipys_bootstrap() -> None:
    values = np.random.default_rng(3).random((50, 2))
    ours = mean_interval(values, seed=1, num_resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, axis=0, method="percentile", n_resamples=20_000, rng=2
    ).confidence_interval
    np.testing.assert_allclose(ours.mean, values.mean(axis=0))
    np.testing.assert_allclose(ours.low, theirs.low, atol=0.003)
    np.testing.assert_allclose(ours.high, theirs.high, atol=0.003)


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    # 600 experiments at once, as columns: Beta(2, 3) has mean .4.
    values = np.random.default_rng(0).beta(2, 3, (150, 600))
    for confidence in (0.8, 0.95):
        interval = mean_interval(values, confidence=confidence)
        covered = ((interval.low <= 0.4) & (interval.high >= 0.4)).mean()
        assert covered == pytest.approx(confidence, abs=0.035)


def test_interval_leaves_missing_users_out() -> None:
    values = np.random.default_rng(0).random((80, 1))
    values[60:] = np.nan
    ours, without = mean_interval(values), mean_interval(values[:60])
    assert ours.mean == pytest.approx(without.mean)
    assert ours.low == pytest.approx(without.low, abs=0.01)
    nothing = mean_interval(np.full((5, 1), np.nan))
    assert np.isnan(nothing).all()


def test_seeds_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.random.default_rng(0).random((2, 40, 3))
    interval, p_value = mean_interval(first), paired_p_value(first, second)
    assert (mean_interval(first, seed=1).low != interval.low).all()
    assert (paired_p_value(first, second, seed=1) != p_value).any()
    monkeypatch.setattr(statistics, "MAX_WEIGHTS", 40 * 64)
    np.testing.assert_allclose(mean_interval(first), interval, rtol=1e-12)
    assert paired_p_value(first, second).shape == (3,)


def test_p_value_equals_scipys_permutation_test() -> None:
    rng = np.random.default_rng(5)
    first = rng.random((9, 4))  # 2⁹ flips: SciPy counts them all
    second = first + rng.normal([0, 0.1, 0.2, 0.4], 0.3, (9, 4))
    theirs = stats.permutation_test(
        (first - second,), np.mean, permutation_type="samples", axis=0, n_resamples=9999
    )
    np.testing.assert_allclose(paired_p_value(first, second), theirs.pvalue, atol=0.02)


def test_p_is_uniform_without_a_difference_and_small_with_one() -> None:
    rng = np.random.default_rng(0)
    first = rng.random((60, 400))
    second = rng.permuted(np.stack([first, rng.random((60, 400))]), axis=0)
    null = paired_p_value(second[0], second[1], num_permutations=999)
    assert stats.kstest(null, "uniform").pvalue > 0.01
    shifted = paired_p_value(first, first + rng.normal(0.1, 0.1, first.shape))
    assert (shifted < 0.01).all()


def test_p_is_one_for_equals_and_never_zero() -> None:
    first = np.random.default_rng(0).random((30, 1))
    assert paired_p_value(first, first).item() == 1
    assert paired_p_value(first, first + 1, num_permutations=99).item() == pytest.approx(0.01)
    assert np.isnan(paired_p_value(first * np.nan, first)).all()


def test_p_holds_for_one_user_whose_flips_all_tie() -> None:
    assert paired_p_value(np.array([[0.3]]), np.array([[0.1]])).item() == 1


def test_spread_is_that_of_the_seeds() -> None:
    assert spread(np.array([[0.1, 0.5], [0.3, 0.5]])) == pytest.approx([np.sqrt(0.02), 0])
    assert np.isnan(spread(np.array([[0.1, 0.5]]))).all()


@pytest.mark.parametrize("shape", [(5,), (0, 2), (2, 2, 2)])
def test_a_wrong_rank_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        mean_interval(np.zeros(shape))
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        paired_p_value(np.zeros(shape), np.zeros(shape))


def test_pairs_of_other_users_and_silly_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="the same users"):
        paired_p_value(np.zeros((3, 1)), np.zeros((4, 1)))
    for bad in ({"confidence": 1.0}, {"num_resamples": 0}):
        with pytest.raises(ValueError, match="Expected `confidence`"):
            mean_interval(np.zeros((3, 1)), **bad)


def test_one_seed_has_no_second_level() -> None:
    values = np.random.default_rng(0).random((40, 3))
    np.testing.assert_array_equal(two_level_interval(values[None]), mean_interval(values))
    alike = two_level_interval(np.stack([values] * 4))
    np.testing.assert_allclose(alike.mean, values.mean(axis=0))
    np.testing.assert_allclose(alike.low, mean_interval(values).low, atol=0.01)


def test_the_interval_over_both_covers_other_seeds_and_users() -> None:
    # 300 experiments at once: the mean of all users and all seeds is 0 in truth.
    rng = np.random.default_rng(0)
    by_seed, by_user = rng.normal(0, 0.2, (20, 1, 300)), rng.normal(0, 1, (1, 100, 300))
    values = by_seed + by_user + rng.normal(0, 0.5, (20, 100, 300))
    for interval, least, most in (
        (two_level_interval(values), 0.91, 0.98),
        (mean_interval(values.mean(axis=0)), 0.0, 0.96),
    ):
        covered = ((interval.low <= 0) & (interval.high >= 0)).mean()
        assert least < covered < most
    seeds_alone = np.broadcast_to(by_seed, (20, 100, 300))
    wide = two_level_interval(seeds_alone)
    assert ((wide.low <= 0) & (wide.high >= 0)).mean() == pytest.approx(0.93, abs=0.04)
    assert (np.ptp(mean_interval(seeds_alone.mean(axis=0)), axis=0) < 1e-9).all()


def test_a_ratio_is_that_of_the_sums() -> None:
    rng = np.random.default_rng(0)
    count = rng.integers(0, 30, (1, 200, 1)).astype(float)
    total = count * rng.normal(2, 0.3, count.shape)
    ours = ratio_interval(total, count, num_resamples=20_000)
    theirs = stats.bootstrap(
        (total[0, :, 0], count[0, :, 0]),
        lambda t, c, axis: t.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=2,
    ).confidence_interval
    assert ours.mean.item() == pytest.approx(total.sum() / count.sum())
    assert ours.low.item() == pytest.approx(theirs.low, abs=0.003)
    assert ours.high.item() == pytest.approx(theirs.high, abs=0.003)


@pytest.mark.parametrize("shape", [(5, 2), (0, 2, 1), (2, 0, 1)])
def test_values_without_a_seed_or_a_user_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected values \[S, U, M\]"):
        two_level_interval(np.zeros(shape))


def test_of_few_values_among_many_users_there_is_an_interval() -> None:
    """Of 100 users 2 have a value: every seventh resample or so has none of them."""
    values = np.full((100, 2), np.nan)
    values[[3, 50], 0] = 1.0, 2.0
    found = mean_interval(values)
    assert (found.low[0], found.mean[0], found.high[0]) == (1.0, 1.5, 2.0)
    assert np.isnan([found.low[1], found.mean[1], found.high[1]]).all()
