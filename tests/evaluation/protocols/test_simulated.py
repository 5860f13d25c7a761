"""Sessions whose users leave, against the same told in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.stubs import Stub, log
from tests.evaluation.worlds import random_truth, reward_of

import drrec
from drrec.errors import InputError
from drrec.evaluation.judges import JUDGES
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.simulated import (
    BOREDOM,
    SIMULATOR_METRICS,
    agreement,
    depths,
    simulator,
)
from drrec.worlds.world import Truth

NUM_USERS, NUM_ITEMS, STEPS, PATIENCE = 6, 12, 8, 2


def truth_of(seed: int) -> Truth:
    kinds = [i % 3 for i in range(NUM_ITEMS)]
    truth = random_truth(seed, num_users=NUM_USERS, kinds=kinds, num_kinds=3, window=2)
    return truth._replace(appeal=truth.appeal - 0.2)


@pytest.fixture(scope="module")
def judges() -> dict[str, Truth]:
    return {name: truth_of(seed) for seed, name in enumerate(JUDGES)}


@pytest.fixture(scope="module")
def train():
    """User u has rated the items 1 … 2u + 1, so that the last has one new item."""
    rows = [(u, i, 1 + (u + i) % 5) for u in range(NUM_USERS) for i in range(1, 2 * u + 2)]
    return log([*rows, (0, NUM_ITEMS, 4)])


def by_history(users, histories, items):
    """A score that no two histories share."""
    return np.sin(items * (1 + histories @ np.array([1.0, 3.0, 7.0]))[:, None] + users)


def told(truth: Truth, train, user: int) -> tuple[list[int], list[float]]:
    """What `user` is shown and what it pays, until nothing is new or patience is at its end."""
    seen = set(train.item[train.user == user].tolist())
    history = train.liked_histories(3)[user].tolist()
    shown: list[int] = []
    paid: list[float] = []
    while len(shown) < STEPS and not (len(paid) >= PATIENCE and max(paid[-PATIENCE:]) < 0):
        items = np.arange(NUM_ITEMS + 1)[None]
        scores = by_history(np.array([[user]]), np.array([history]), items)[0].astype(np.float32)
        left = [i for i in range(1, NUM_ITEMS + 1) if i not in seen and i not in shown]
        if not left:
            break
        shown.append(max(left, key=lambda item, scores=scores: scores[item]))
        paid.append(reward_of(truth, user, tuple(shown))[-1])
        if paid[-1] > 0:
            history = [*history[1:], shown[-1]]
    return shown, paid


def played(recommender, train, judges, **options):
    options = {"state_size": 3, "steps": STEPS, "patience": PATIENCE} | options
    return simulator(recommender, train, judges, **options)


def test_sessions_show_what_is_new_until_the_user_leaves(train, judges) -> None:
    stub = Stub(by_history, NUM_ITEMS + 1, uses_history=True)
    result = played(stub, train, judges)
    assert tuple(result.metrics) == SIMULATOR_METRICS
    lengths = set()
    for name, truth in judges.items():
        everything = set()
        for user in range(NUM_USERS):
            shown, paid = told(truth, train, user)
            values = {m: result.metrics[f"{m}_{name}"][user] for m in ("reward", "mean_reward")}
            assert values["reward"] == pytest.approx(sum(paid), abs=1e-5)
            assert values["mean_reward"] == pytest.approx(np.mean(paid), abs=1e-5)
            assert result.metrics[f"depth_{name}"][user] == len(shown)
            everything |= set(shown)
            lengths.add(len(shown))
        coverage = result.metrics[f"coverage_{name}"].mean()
        assert coverage == pytest.approx(len(everything) / NUM_ITEMS)
    assert len(lengths) > 3
    for measure in ("reward", "mean_reward", "depth", "coverage"):
        both = np.mean([result.metrics[f"{measure}_{name}"] for name in JUDGES], axis=0)
        np.testing.assert_allclose(result.metrics[measure], both)


def test_users_with_nothing_new_are_left_out(judges) -> None:
    rows = [(0, i, 5) for i in range(1, NUM_ITEMS + 1)] + [(u, 1, 5) for u in range(1, NUM_USERS)]
    stub = Stub(lambda u, h, i: i * 1.0, NUM_ITEMS + 1)
    assert played(stub, log(rows), judges).users.tolist() == [1, 2, 3, 4, 5]
    only = log([(0, i, 5) for i in range(1, NUM_ITEMS + 1)])
    with pytest.raises(InputError, match="at least one user"):
        played(stub, only, judges)


def test_ties_fall_by_the_seed(train, judges) -> None:
    equal = Stub(lambda u, h, i: i * 0.0, NUM_ITEMS + 1)
    first, again, other = (
        played(equal, train, judges, seed=seed).metrics["reward"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(paid=st.lists(st.sampled_from([-0.5, 0.0, 0.5]), min_size=1, max_size=12), data=st.data())
def test_patience_ends_after_so_many_dislikes_in_a_row(paid, data) -> None:
    patience = data.draw(st.integers(1, 4))
    streak, depth = 0, 0
    for reward in paid:
        depth += 1
        streak = streak + 1 if reward < 0 else 0
        if streak == patience:
            break
    assert depths(np.array([paid]), patience).tolist() == [depth]


def test_no_patience_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 0"):
        depths(np.zeros((1, 3)), 0)


def test_agreement_over_methods_and_over_users() -> None:
    first = [[1.0, 2, 3], [2, 3, 4], [5, 5, 5]]
    same = agreement(np.array(first), np.array(first))
    assert same == pytest.approx((1, 1))
    second = [[6.0, 4, 2], [5, 6, 7], [9, 9, 9]]  # means 4, 6, 9; users reversed, alike, constant
    assert agreement(np.array(first), np.array(second)) == pytest.approx((1, 0), abs=1e-12)
    # One pair of the three methods stands the other way round: (2 - 1) / 3.
    swapped = agreement(np.array(first), np.array([first[1], first[0], first[2]]))
    assert swapped.kendall_tau == pytest.approx(1 / 3)
    tied = agreement(np.array(first), np.array([first[0], first[0], first[2]]))
    assert tied.kendall_tau == pytest.approx(2 / np.sqrt(3 * 2))  # tau-b, one tie


def test_tiring_users_are_the_simulators_with_boredom() -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, int(rng.integers(1, 6))) for u in range(12) for i in rng.permutation(20)[:14]]
    ratings = drrec.Dataset("tiny", log(rows), np.full(21, ""))
    _, test = ratings.split("temporal")
    plain, tiring = (protocol_of(name) for name in ("simulator", "tiring"))
    (judges, _), (bored, _) = plain.asked(test), tiring.asked(test)
    for name in JUDGES:
        np.testing.assert_array_equal(bored[name].appeal, judges[name].appeal)
        taken = bored[name].boredom[:-1, :-1]
        np.testing.assert_array_equal(taken, np.float32(BOREDOM.amount) * np.eye(len(taken)))
        assert not judges[name].boredom.any()
    assert tiring.metrics == plain.metrics
