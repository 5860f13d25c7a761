"""Logs without propensities: states as they were, and silence where the sample is too thin."""

import dataclasses

import numpy as np
import pytest
from tests.evaluation.stubs import Stub

from drrec.baselines.collaborative import ItemCF
from drrec.baselines.popularity import Popularity
from drrec.data.histories import items_of, rewards_of
from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.evaluation.offpolicy import PopularityPolicy, SoftmaxPolicy, indicative
from drrec.evaluation.offpolicy.estimators import snips
from drrec.evaluation.offpolicy.indication import (
    histories_before,
    logged_steps,
    some_users,
    unrated_before,
)


@pytest.fixture(scope="module")
def halves(tiny_interactions: Interactions) -> tuple[Interactions, Interactions]:
    is_test = tiny_interactions.position_from_end() < 12
    is_test &= tiny_interactions.user != 7  # who has no test row
    return tiny_interactions.where(~is_test), tiny_interactions.where(is_test)


def test_each_row_is_met_in_the_state_in_which_it_was_logged(halves) -> None:
    train, test = halves
    histories = histories_before(train, test, 4)
    rows = np.arange(len(test))[5:]
    is_new = unrated_before(train, test, rows)
    for row in range(5, len(test)):
        user = test.user[row]
        mine = train.where(train.user == user)
        seen, likes = mine.item.tolist(), mine.item[mine.liked].tolist()
        for earlier in range(row):
            if test.user[earlier] == user:
                seen.append(test.item[earlier])
                likes += [test.item[earlier]] * bool(test.liked[earlier])
        assert histories[row].tolist() == ([0] * 4 + likes)[-4:]
        assert np.flatnonzero(~is_new[row - 5]).tolist() == sorted([0, *seen])


def test_who_reads_rewards_meets_each_row_after_all_that_was_rated(halves) -> None:
    train, test = halves
    histories = histories_before(train, test, 4, with_rewards=True)
    for row in range(0, len(test), 7):
        user = test.user[row]
        is_earlier = (test.user == user) & (np.arange(len(test)) < row)
        items = [*train.item[train.user == user], *test.item[is_earlier]][-4:]
        ratings = np.array([*train.rating[train.user == user], *test.rating[is_earlier]][-4:])
        assert items_of(histories)[row].tolist() == items
        assert rewards_of(histories)[row].tolist() == ((ratings - 3) / 2).tolist()


def test_a_step_knows_both_chances_and_what_the_target_would_have_shown(halves) -> None:
    train, test = halves
    behaviour = PopularityPolicy().fit(train)
    target = SoftmaxPolicy(Stub(lambda u, h, i: np.sin(i + h[:, -1:]), 81, uses_history=True))
    evidence, features = logged_steps(behaviour, target, train, test, 4)
    np.testing.assert_array_equal(evidence.unit, test.user)
    np.testing.assert_allclose(evidence.reward[:, 0], (test.rating - 3) / 2)
    histories = histories_before(train, test, 4)
    predicted = (ItemCF().fit(train).score(np.arange(60), histories[:60]) - 3) / 2
    count = np.log1p(np.bincount(train.item, minlength=81))
    popular = (count - count[1:].mean()) / count[1:].std()
    for row in range(0, len(test), 97):
        one = np.array([row])
        asked = (test.user[one], histories[one], unrated_before(train, test, one))
        chances = target.probabilities(*asked)[0]
        item, user = test.item[row], test.user[row]
        assert evidence.target[row, 0] == pytest.approx(chances[item])
        assert evidence.behaviour[row, 0] == pytest.approx(behaviour.probabilities(*asked)[0, item])
        logged = [1, popular[item], predicted[user, item]]
        assert features.logged[row, 0] == pytest.approx(logged, rel=1e-5)
        mean = [1, chances @ popular, chances @ predicted[user]]
        assert features.target[row, 0] == pytest.approx(mean, rel=1e-4)


def test_the_log_s_own_policy_earned_what_was_logged(halves) -> None:
    train, test = halves
    behaviour = PopularityPolicy().fit(train)
    evidence, _ = logged_steps(behaviour, behaviour, train, test, 4)
    assert evidence.effective_sample == pytest.approx(len(test))
    value = snips(evidence, np.ones((1, len(test))), 1.0)[0]
    assert value == pytest.approx(((test.rating - 3) / 2).mean())


def test_nothing_is_said_where_the_sample_is_too_thin(halves, monkeypatch) -> None:
    train, test = halves
    fitted = Popularity().fit(train)
    few = indicative(fitted, train, test)
    assert few.estimates is None
    assert few.verdict == f"too thin: effective sample {few.effective_sample:.0f} < 1,000"
    module = "drrec.evaluation.offpolicy.indication"
    monkeypatch.setattr(f"{module}.LEAST_SAMPLE", 100)
    said = indicative(fitted, train, test, seed=1)
    assert said.verdict == "indicative"
    assert said.estimates is not None
    assert said.estimates.overlap == said.overlap >= 0.8
    assert said.estimates.snips.low < said.estimates.snips.value < said.estimates.snips.high
    sharp = indicative(fitted, train, test, temperature=0.01)
    assert sharp.estimates is None
    assert sharp.verdict.endswith(f"overlap {sharp.overlap:.2f} < 0.8")
    alike = dataclasses.replace(test, rating=np.full(len(test), 5, np.float32))
    assert indicative(fitted, train, alike).verdict == "too thin: all ratings are alike"


def test_better_scores_earn_more(halves, monkeypatch) -> None:
    monkeypatch.setattr("drrec.evaluation.offpolicy.indication.LEAST_SAMPLE", 50)
    monkeypatch.setattr("drrec.evaluation.offpolicy.indication.LEAST_OVERLAP", 0.0)
    train, test = halves
    model = ItemCF().fit(train)
    worse = Stub(lambda u, h, i: -model.score(u[:, 0], h), 81)
    good, bad = (indicative(each, train, test).estimates for each in (model, worse))
    for name in ("snips", "doubly_robust", "fitted_q"):
        assert getattr(good, name).low > getattr(bad, name).high


def test_no_test_rows_are_refused(halves) -> None:
    train, test = halves
    with pytest.raises(InputError, match="Expected test ratings"):
        indicative(Popularity().fit(train), train, test.where(test.user < 0))


def test_of_a_large_test_whole_users_are_drawn(halves) -> None:
    _, test = halves
    some = some_users(test, 300, seed=0)
    assert 250 < len(some) <= 300
    drawn = np.unique(some.user)
    assert len(some) == test.counts()[drawn].sum()
    assert np.array_equal(np.unique(some_users(test, len(some), seed=0).user), drawn)
    assert not np.array_equal(drawn, np.unique(some_users(test, 300, seed=1).user))
    assert some_users(test, len(test), seed=0) is test
