"""Sessions of the protocol against the same told in plain Python."""

import numpy as np
import pytest
from tests.evaluation.stubs import Stub
from tests.evaluation.worlds import log_of_all, random_truth, reward_of

from drrec.data.histories import items_of, opening, rewards_of
from drrec.errors import InputError
from drrec.evaluation.optimum import best_rewards, greedy_rewards
from drrec.evaluation.protocols.session import bounds, session
from drrec.worlds.world import Truth

NUM_USERS, NUM_ITEMS, STEPS = 5, 12, 6


@pytest.fixture(scope="module")
def truth() -> Truth:
    kinds = [i % 3 for i in range(NUM_ITEMS)]
    return random_truth(1, num_users=NUM_USERS, kinds=kinds, num_kinds=3, window=2)


@pytest.fixture(scope="module")
def train():
    return log_of_all(NUM_USERS, NUM_ITEMS)


@pytest.fixture(scope="module")
def best(truth) -> np.ndarray:
    return best_rewards(truth, np.arange(NUM_USERS), STEPS)


def played(recommender, train, truth, best, **options):
    return session(recommender, train, truth, best=best, state_size=3, steps=STEPS, **options)


def by_history(users, histories, items):
    """A score that no two histories share."""
    weight = np.array([1.0, 3.0, 7.0])
    return np.sin(items * (1 + histories @ weight)[:, None] + users)


def test_a_positive_reward_moves_the_history_and_nothing_is_shown_twice(truth, train, best):
    stub = Stub(by_history, NUM_ITEMS + 1, uses_history=True)
    result = played(stub, train, truth, best)
    openings = train.liked_histories(3)
    for user in range(NUM_USERS):
        history, shown = openings[user].tolist(), ()
        for _ in range(STEPS):
            items = np.arange(NUM_ITEMS + 1)[None]
            scores = by_history(np.array([[user]]), np.array([history]), items)[0]
            scores = scores.astype(np.float32)
            left = [i for i in range(1, NUM_ITEMS + 1) if i not in shown]
            shown += (max(left, key=lambda item, scores=scores: scores[item]),)
            if reward_of(truth, user, shown)[-1] > 0:
                history = [*history[1:], shown[-1]]
        total = sum(reward_of(truth, user, shown))
        assert result.metrics["reward"][user] == pytest.approx(total, abs=1e-5)
        assert result.metrics["mean_reward"][user] == pytest.approx(total / STEPS, abs=1e-5)
        assert result.metrics["regret"][user] == pytest.approx(best[user] - total, abs=1e-5)
        assert result.metrics["share"][user] == pytest.approx(total / best[user], abs=1e-5)


def test_who_reads_rewards_is_told_what_each_item_paid(truth, train, best):
    stub = Stub(lambda u, h, i: -i * 1.0, NUM_ITEMS + 1, uses_history=True, reads_rewards=True)
    played(stub, train, truth, best)
    (_, first, _), *_, (_, last, _) = stub.calls
    np.testing.assert_array_equal(first, opening(train, 3, with_rewards=True))
    for user in range(NUM_USERS):
        rewards = reward_of(truth, user, tuple(range(1, STEPS)))  # after the last, nobody asks
        assert items_of(last)[user].tolist() == list(range(STEPS - 3, STEPS))
        assert rewards_of(last)[user] == pytest.approx(rewards[-3:], abs=1e-5)


def test_who_does_not_use_the_history_is_asked_once(truth, train, best):
    stub = Stub(lambda u, h, i: -i * 1.0, NUM_ITEMS + 1)
    result = played(stub, train, truth, best)
    assert len(stub.calls) == 1
    expected = [sum(reward_of(truth, u, (1, 2, 3, 4, 5, 6))) for u in range(NUM_USERS)]
    assert result.metrics["reward"] == pytest.approx(expected, abs=1e-5)


def test_ties_fall_by_the_seed_and_not_by_item_id(truth, train, best):
    equal = Stub(lambda u, h, i: i * 0.0, NUM_ITEMS + 1)
    first, again, other = (
        played(equal, train, truth, best, seed=seed).metrics["reward"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nobody_passes_the_bounds(truth, train, best):
    rows = bounds(truth, best, STEPS)
    assert rows["optimum"].metrics["regret"].tolist() == [0.0] * NUM_USERS
    greedy = greedy_rewards(truth, np.arange(NUM_USERS), STEPS)
    np.testing.assert_allclose(rows["greedy_truth"].metrics["reward"], greedy)
    assert (rows["bayesian"].metrics["regret"] >= -1e-5).all()
    knowing = Stub(lambda u, h, i: truth.appeal[u, i], NUM_ITEMS + 1)
    assert (played(knowing, train, truth, best).metrics["regret"] >= -1e-5).all()


def test_a_score_that_is_not_finite_is_refused(truth, train, best):
    broken = Stub(lambda u, h, i: np.where(i == 3, np.nan, 1.0), NUM_ITEMS + 1)
    with pytest.raises(InputError, match="Expected finite scores"):
        played(broken, train, truth, best)
