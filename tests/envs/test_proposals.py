"""What is offered where another method proposes, and sessions that show nothing else."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.worlds import log_of_all, random_truth

from drrec.envs.config import LoggedConfig, ProposalConfig
from drrec.envs.living import LivingEnvironment
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.proposals import with_logged
from drrec.envs.sessions import Sessions
from drrec.errors import InputError

L, T, K = 3, 4, 6


def drawn_proposals(log, known, seed, count=K):
    """[U, K] items that each user has not got in `known`, at random; the last is missing."""
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(log.num_users):
        theirs = known.item[known.user == user]
        unseen = np.setdiff1d(np.arange(1, log.num_items), theirs)
        rows.append(generator.permutation(unseen)[:count])
        rows[-1][-1] = 0
    return np.array(rows, np.int32)


@pytest.fixture(scope="module")
def parted(tiny_interactions):
    return tiny_interactions.past_and_future(0.2)


@pytest.fixture(scope="module")
def sessions(parted):
    return Sessions.over(*parted, L)


def expected_of(log, proposals, sessions, user):
    rated = set(log.item.tolist())
    offered = {item for item in proposals[user].tolist() if item in rated}
    return (offered | set(sessions.candidates[user].tolist())) - {0}


def test_proposals_and_logged_items_each_once_and_none_that_nobody_has(
    tiny_interactions, parted, sessions
):
    log = tiny_interactions.where(tiny_interactions.item != 70)
    proposals = drawn_proposals(tiny_interactions, parted[0], 0)
    assert (proposals == 70).any()
    without = Sessions(
        sessions.playing,
        sessions.history,
        np.where(sessions.candidates == 70, 0, sessions.candidates),
        sessions.known,
    )
    offered = with_logged(proposals, without, log)
    assert offered.dtype == np.int32
    for user, row in enumerate(offered):
        there = row[row > 0].tolist()
        assert there == sorted(expected_of(log, proposals, without, user))
        assert row[: len(there)].tolist() == there  # padding comes last
    assert (offered > 0).sum(axis=1).max() == offered.shape[1]


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_a_session_shows_the_best_of_what_is_offered_and_nothing_else(
    tiny_interactions, parted, sessions, seed
):
    generator = np.random.default_rng(seed)
    proposals = drawn_proposals(tiny_interactions, parted[0], seed)
    offered = with_logged(proposals, sessions, tiny_interactions)
    config = LoggedConfig(unlogged="constant", state_size=L, episode_length=T)
    env = LoggedEnvironment(config, tiny_interactions, sessions, offered=offered)
    users = generator.choice(sessions.playing, 3)
    state = env.start(tf.constant(users))
    left = [expected_of(tiny_interactions, proposals, sessions, user) for user in users]
    for _ in range(T):
        scores = generator.normal(size=(3, tiny_interactions.num_items)).astype(np.float32)
        available = env.available(state.user, state.shown).numpy()
        assert [set(np.flatnonzero(row)) for row in available] == left
        item = env.choose(tf.constant(scores), state.user, state.shown)
        best = [max(row, key=lambda i, r=r: scores[r, i]) for r, row in enumerate(left)]
        assert item.numpy().tolist() == best
        left = [row - {i} for row, i in zip(left, best, strict=True)]
        state, outcome = env.step(state, item)
        assert outcome.terminal.numpy().tolist() == [not row for row in left]


def test_living_sessions_show_proposals_alone_and_to_those_who_have_any():
    truth = random_truth(5, num_users=4, kinds=[i % 3 for i in range(9)], num_kinds=3, window=2)
    offered = np.array([[3, 1], [0, 0], [7, 0], [2, 9]], np.int32)
    config = LoggedConfig(sessions="living", state_size=L, episode_length=T)
    env = LivingEnvironment(config, log_of_all(4, 9), truth, offered=offered)
    drawn = env.draw_users(200, tf.constant([1, 2])).numpy()
    assert set(drawn.tolist()) == {0, 2, 3}
    state = env.start(tf.constant([0, 2]))
    available = env.available(state.user, state.shown).numpy()
    assert [np.flatnonzero(row).tolist() for row in available] == [[1, 3], [7]]
    _, outcome = env.step(state, tf.constant([3, 7]))
    assert outcome.terminal.numpy().tolist() == [False, True]


def test_proposals_that_sessions_may_not_show_are_refused():
    proposals = ProposalConfig(propose="item_knn")
    with pytest.raises(InputError, match=r"--unlogged constant or model with --propose"):
        LoggedConfig(proposals=proposals)
    assert LoggedConfig(proposals=proposals, sessions="living").proposals is proposals
    with pytest.raises(InputError, match="`propose_k` must be in"):
        ProposalConfig(propose_k=0)
