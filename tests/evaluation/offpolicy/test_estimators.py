"""Estimates against the true value of a tiny world, their definitions, and what makes them fail."""

import dataclasses

import numpy as np
import pytest
from tests.evaluation.offpolicy import worlds

from drrec.evaluation.offpolicy import Features, LoggedSteps, estimates
from drrec.evaluation.offpolicy.estimators import doubly_robust_terms, fitted_q, snips

NAMES = ("snips", "doubly_robust", "fitted_q")
TRUE = float(np.mean([worlds.value(worlds.TARGET, user, patience=1) for user in (0, 1)]))
LOGGED = float(np.mean([worlds.value(worlds.BEHAVIOUR, user, patience=1) for user in (0, 1)]))


@pytest.fixture(scope="module")
def case() -> tuple[LoggedSteps, Features]:
    return worlds.evidence(0, 400)


def ones(evidence: LoggedSteps) -> np.ndarray:
    return np.ones((1, len(evidence.unit)))


def test_intervals_cover_the_true_value() -> None:
    covered = np.zeros(3)
    values = []
    for seed in range(40):
        found = estimates(*worlds.evidence(seed, 250), seed=seed, num_resamples=200)
        each = [getattr(found, name) for name in NAMES]
        covered += [e.low <= TRUE <= e.high for e in each]
        values.append([e.value for e in each])
    assert (covered >= 0.85 * 40).all(), covered
    error = (np.mean(values, axis=0) - TRUE) / (np.std(values, axis=0) / 40**0.5)
    assert np.abs(error).max() < 3, error
    # What was logged earned something else, so that to cover is not to repeat it.
    assert abs(TRUE - LOGGED) > 5 * np.std(values, axis=0).max()


def test_snips_is_its_definition(case) -> None:
    evidence, _ = case
    total = 0.0
    for t in range(worlds.STEPS):
        paid, weights = 0.0, 0.0
        for n in range(len(evidence.unit)):
            weight = 1.0
            for k in range(t + 1):
                if evidence.is_step[n, k]:
                    weight *= evidence.target[n, k] / evidence.behaviour[n, k]
            weights += weight
            paid += weight * evidence.reward[n, t] * evidence.is_step[n, t]
        total += 0.9**t * paid / weights
    assert snips(evidence, ones(evidence), 0.9) == pytest.approx([total])


def test_a_policy_asked_about_itself_earned_what_was_logged(case) -> None:
    evidence, features = case
    same = dataclasses.replace(evidence, target=evidence.behaviour)
    mean = np.where(evidence.is_step, evidence.reward, 0).sum(axis=1).mean()
    assert snips(same, ones(same), 1.0) == pytest.approx([mean])
    found = estimates(same, features, num_resamples=5)
    assert (found.effective_sample, found.mean_weight) == pytest.approx((400, 1))


def test_a_full_table_of_sure_rewards_holds_the_true_value_of_each_user(case) -> None:
    evidence, features = case
    users = worlds.logged(0, 400).user
    for user in (0, 1):
        counts = (users == user)[None].astype(float)
        found = fitted_q(evidence, features, counts, 1.0)[0, 0]
        assert found == pytest.approx(worlds.value(worlds.TARGET, user, 1), abs=1e-3)


def test_a_right_regression_makes_up_for_wrong_propensities(case) -> None:
    evidence, features = case
    users = worlds.logged(0, 400).user
    wrong = dataclasses.replace(evidence, behaviour=evidence.behaviour**0.5)
    terms = doubly_robust_terms(wrong, features, 1.0, np.arange(400) % 2)
    expected = np.array([worlds.value(worlds.TARGET, u, 1) for u in (0, 1)])[users]
    # A fold may lack a rare step that the other has.
    assert np.quantile(np.abs(terms - expected), 0.99) < 0.05
    assert abs(snips(wrong, ones(wrong), 1.0)[0] - expected.mean()) > 0.02


def test_right_propensities_make_up_for_a_wrong_regression(case) -> None:
    evidence, features = case
    nothing = Features(np.zeros_like(features.logged), np.zeros_like(features.target))
    terms = doubly_robust_terms(evidence, nothing, 0.9, np.arange(400) % 2)
    reward = np.where(evidence.is_step, evidence.reward, 0.0)
    np.testing.assert_allclose(terms, (evidence.weight * reward) @ [1, 0.9])
    assert terms.std() > 0.1


def test_a_session_is_judged_by_a_regression_on_others(case) -> None:
    evidence, features = case
    fold = np.arange(400) % 2
    first = doubly_robust_terms(evidence, features, 1.0, fold)
    reward = evidence.reward + (fold == 0)[:, None]
    other = doubly_robust_terms(dataclasses.replace(evidence, reward=reward), features, 1.0, fold)
    moved = other - first
    # Of those in fold 0 only the own reward moved; of the others only the regression.
    own = np.where(evidence.is_step, evidence.weight, 0.0).sum(axis=1)
    np.testing.assert_allclose(moved[fold == 0], own[fold == 0], atol=1e-9)
    assert np.abs(moved[fold == 1]).mean() > 0.01


def test_discounting_the_last_step_fully_leaves_the_first(case) -> None:
    evidence, features = case
    first = dataclasses.replace(evidence, is_step=evidence.is_step & [True, False])
    now, alone = (
        estimates(e, features, discount=d, num_resamples=20)
        for e, d in ((evidence, 0.0), (first, 1.0))
    )
    for name in NAMES:
        assert getattr(now, name) == pytest.approx(getattr(alone, name), abs=1e-9)
    half = estimates(evidence, features, discount=0.5, num_resamples=20)
    whole = estimates(evidence, features, num_resamples=20)
    middle = (now.fitted_q.value + whole.fitted_q.value) / 2
    assert half.fitted_q.value == pytest.approx(middle, abs=1e-3)


def test_sessions_of_one_user_tell_as_much_as_one(case) -> None:
    evidence, features = case
    fields = [f.name for f in dataclasses.fields(evidence)]
    thrice = LoggedSteps(**{f: np.concatenate([getattr(evidence, f)] * 3) for f in fields})
    wide = Features(*(np.concatenate([f] * 3) for f in features))
    once, together = estimates(evidence, features), estimates(thrice, wide)
    assert together.snips == pytest.approx(once.snips)
    assert together.fitted_q == pytest.approx(once.fitted_q, abs=1e-3)
    apart = dataclasses.replace(thrice, unit=np.arange(1200))
    width = estimates(apart, wide).snips
    assert width.high - width.low < 0.7 * (once.snips.high - once.snips.low)


def test_intervals_widen_with_confidence_and_repeat_with_the_seed(case) -> None:
    low, high = (estimates(*case, confidence=c) for c in (0.5, 0.99))
    for name in NAMES:
        a, b = getattr(low, name), getattr(high, name)
        assert b.low < a.low < a.value < a.high < b.high
    assert estimates(*case, seed=3, num_resamples=20) == estimates(*case, seed=3, num_resamples=20)
    assert estimates(*case, seed=3, num_resamples=20) != estimates(*case, seed=4, num_resamples=20)


def test_blocks_of_resamples_are_all_taken(case, monkeypatch) -> None:
    whole = estimates(*case, num_resamples=30)
    monkeypatch.setattr("drrec.evaluation.offpolicy.estimators.MAX_WEIGHTS", 400 * 7)
    assert estimates(*case, num_resamples=30).snips == pytest.approx(whole.snips)


def test_a_target_that_the_log_never_followed_has_no_snips(case) -> None:
    evidence, features = case
    none = dataclasses.replace(evidence, target=np.zeros_like(evidence.target))
    assert np.isnan(estimates(none, features, num_resamples=5).snips).all()


@pytest.mark.parametrize("options", [{"discount": 1.5}, {"confidence": 1.0}, {"num_resamples": 0}])
def test_numbers_out_of_range_are_refused(case, options) -> None:
    with pytest.raises(ValueError, match="Expected `discount`"):
        estimates(*case, **options)
