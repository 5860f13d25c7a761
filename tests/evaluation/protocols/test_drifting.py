"""Regret in the drifting world: none for the best, the expected for chance, told for the rest."""

import numpy as np
import pytest
from tests.evaluation.stubs import Stub

from drrec.evaluation.protocols.drifting import drifting, most_rewards, world_bounds
from drrec.evaluation.protocols.session import SESSION_METRICS
from drrec.worlds.drifting import DriftingWorld, best_sessions, chance_rewards, earned

NUM_USERS, NUM_ITEMS, STEPS = 300, 12, 5
WORLD = DriftingWorld.drawn(
    np.random.default_rng(0), num_users=NUM_USERS, num_items=NUM_ITEMS, dim=4, steps=STEPS, turn=0.6
)
LOG = WORLD.log(np.random.default_rng(1), 8)
BEST = most_rewards(WORLD)


class Follows:
    """Scores first what is next in a list of its own: knows the time by being asked."""

    uses_history = True

    def __init__(self, items: np.ndarray) -> None:
        self.items, self.step = items, 0

    def fit(self, train):
        return self

    def score(self, users, histories, candidates=None):
        found = np.zeros((len(users), NUM_ITEMS + 1), np.float32)
        found[np.arange(len(users)), self.items[users, self.step]] = 1
        self.step += 1
        return found


def test_whoever_shows_the_best_session_regrets_nothing() -> None:
    best = best_sessions(WORLD, np.arange(NUM_USERS))
    found = drifting(Follows(best), LOG, WORLD, best=BEST)
    assert tuple(found.metrics) == SESSION_METRICS
    np.testing.assert_allclose(found.metrics["regret"], 0, atol=1e-12)
    np.testing.assert_allclose(found.metrics["share"][BEST > 0], 1)
    other = best[:, ::-1]
    late = drifting(Follows(other), LOG, WORLD, best=BEST)
    np.testing.assert_allclose(late.metrics["reward"], earned(WORLD, np.arange(NUM_USERS), other))
    assert late.metrics["regret"].mean() > 0.1


def test_equal_scores_earn_what_chance_is_expected_to() -> None:
    """One shuffle serves all users, whose tastes lie evenly: the mean over seeds is what counts."""
    equal = Stub(lambda u, h, i: i * 0.0, NUM_ITEMS + 1)
    totals = [
        drifting(equal, LOG, WORLD, best=BEST, seed=seed).metrics["reward"].mean()
        for seed in range(200)
    ]
    expected = chance_rewards(WORLD, np.arange(NUM_USERS)).mean()
    assert np.mean(totals) == pytest.approx(expected, abs=4 * np.std(totals) / 200**0.5)


def test_greed_lies_between_chance_and_the_best() -> None:
    rows = world_bounds(WORLD, BEST)
    assert rows["optimum"].metrics["regret"].tolist() == [0.0] * NUM_USERS
    greedy = rows["greedy_truth"].metrics
    assert (greedy["regret"] >= -1e-6).all()
    assert greedy["regret"].mean() > 0.02
    for user in range(0, NUM_USERS, 50):
        shown: list[int] = []
        for step in range(STEPS):
            pays = WORLD.user[user, step] @ WORLD.item.T
            left = [i for i in range(1, NUM_ITEMS + 1) if i not in shown]
            shown.append(max(left, key=lambda item, pays=pays: pays[item]))
        total = earned(WORLD, np.array([user]), np.array([shown]))[0]
        assert greedy["reward"][user] == pytest.approx(total)
    assert greedy["reward"].mean() > chance_rewards(WORLD, np.arange(NUM_USERS)).mean() + 1


def test_a_positive_reward_moves_the_history() -> None:
    stub = Stub(lambda u, h, i: -i * 1.0, NUM_ITEMS + 1, uses_history=True)
    drifting(stub, LOG, WORLD, best=BEST, state_size=3)
    first, second = stub.calls[0][1], stub.calls[1][1]
    liked = WORLD.pays(np.arange(NUM_USERS), np.zeros((NUM_USERS, 0), int))[:, 1] > 0
    np.testing.assert_array_equal(first, LOG.liked_histories(3))
    np.testing.assert_array_equal(second[liked, -1], 1)
    np.testing.assert_array_equal(second[~liked], first[~liked])
