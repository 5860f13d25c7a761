"""Logs of a simulator: what is drawn, what it pays, and how likely it was."""

import numpy as np
import pytest
import scipy.stats
from tests.evaluation.offpolicy import worlds
from tests.evaluation.worlds import reward_of

from drrec.evaluation.offpolicy.played import drawn, tabular

NUM_SESSIONS = 300


@pytest.fixture(scope="module")
def log():
    return worlds.logged(0, NUM_SESSIONS)


def test_each_step_is_logged_as_it_was(log) -> None:
    for n in range(NUM_SESSIONS):
        user, items = log.user[n], tuple(log.item[n].tolist())
        paid = reward_of(worlds.TRUTH, user, items)
        assert log.reward[n] == pytest.approx(paid, abs=1e-6)
        assert log.is_step[n].tolist() == [True, paid[0] >= 0]
        assert log.history[n].tolist() == [[0, 0, 0], [0, 0, items[0] if paid[0] > 0 else 0]]
        for t, item in enumerate(items):
            left = [i for i in range(1, worlds.NUM_ITEMS + 1) if i not in items[:t]]
            likes = sum(p > 0 for p in paid[:t])
            chance = worlds.chances(worlds.BEHAVIOUR, user, likes, left)[left.index(item)]
            assert log.probability[n, t] == pytest.approx(chance, rel=1e-5)
    assert log.is_step[:, 1].any()
    assert not log.is_step[:, 1].all()


def test_without_patience_everybody_stays() -> None:
    assert worlds.logged(0, 20, patience=None).is_step.all()


def test_evidence_asks_another_policy_about_the_same_steps(log) -> None:
    evidence, features = worlds.evidence(0, NUM_SESSIONS)
    np.testing.assert_array_equal(evidence.behaviour, log.probability)
    np.testing.assert_array_equal(evidence.is_step, log.is_step)
    for n in range(0, NUM_SESSIONS, 30):
        user, (first, second) = log.user[n], log.item[n].tolist()
        left = [i for i in range(1, worlds.NUM_ITEMS + 1) if i != first]
        chances = worlds.chances(worlds.TARGET, user, int(log.reward[n, 0] > 0), left)
        assert evidence.target[n, 1] == pytest.approx(chances[left.index(second)], rel=1e-5)
        state = user * (worlds.NUM_ITEMS + 1) + first
        place = state * (worlds.NUM_ITEMS + 1)
        assert np.flatnonzero(features.logged[n, 1]).tolist() == [place + second]
        expected = dict(zip(np.array(left) + place, chances, strict=True))
        assert np.flatnonzero(features.target[n, 1]).tolist() == sorted(expected)
        assert features.target[n, 1, sorted(expected)] == pytest.approx(
            [expected[k] for k in sorted(expected)], rel=1e-5
        )


def test_items_are_drawn_as_often_as_told_and_those_without_a_chance_never() -> None:
    chances = np.array([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    count = np.bincount(drawn(np.tile(chances, (5000, 1)), np.random.default_rng(0)), minlength=6)
    assert count[[0, 2, 5]].tolist() == [0, 0, 0]
    kept = [1, 3, 4]
    assert scipy.stats.chisquare(count[kept], 5000 * chances[kept]).pvalue > 0.01


def test_a_table_has_a_place_for_each_state_and_item() -> None:
    found = tabular(np.array([1, 0]), 2, 3)
    assert found.argmax(axis=2).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert (found.sum(axis=2) == 1).all()
