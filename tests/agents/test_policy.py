import numpy as np
import pytest
from tests.agents.tiny import small

from drrec.agents import policy as policy_module
from drrec.agents.policy import Policy
from drrec.errors import InputError

U, I, D, L = 9, 12, 4, 3  # noqa: E741
CONFIG = small(state="drr_p", form="plain")


@pytest.fixture
def policy() -> Policy:
    generator = np.random.default_rng(0)
    user = generator.normal(size=(U, D)).astype(np.float32)
    item = generator.normal(size=(I, D)).astype(np.float32)
    item[0] = 0
    made = Policy.build(CONFIG, user, item, L)
    weights = {name: generator.normal(size=w.shape) for name, w in made.weights().items()}
    made.set_weights(weights)
    return made


USERS = np.array([8, 0, 3, 3], np.int32)
HISTORIES = np.array([[0, 0, 0], [0, 2, 11], [4, 5, 6], [6, 5, 4]], np.int32)


def test_scores_are_the_actions_dot_products(policy):
    action = policy.actions(USERS, HISTORIES)
    state = policy.state(policy.user[USERS], policy.item[HISTORIES])
    np.testing.assert_allclose(action, policy.actor(state, policy.user[USERS]), rtol=1e-6)
    scores = policy.score(USERS, HISTORIES)
    assert scores.shape == (4, I)
    np.testing.assert_allclose(scores, action @ policy.item.T, rtol=1e-5, atol=1e-6)


def test_the_history_decides(policy):
    scores = policy.score(USERS, HISTORIES)
    assert policy.uses_history
    assert np.abs(scores[2] - scores[3]).max() > 1e-3


def test_candidates_are_scored_as_in_the_whole_catalogue(policy):
    candidates = np.random.default_rng(1).integers(0, I, (4, 5))
    np.testing.assert_allclose(
        policy.score(USERS, HISTORIES, candidates),
        np.take_along_axis(policy.score(USERS, HISTORIES), candidates, axis=1),
        rtol=1e-5,
        atol=1e-6,
    )


def test_many_users_are_scored_in_parts(policy, monkeypatch):
    whole = policy.score(USERS, HISTORIES)
    monkeypatch.setattr(policy_module, "_USERS_AT_ONCE", 3)
    np.testing.assert_allclose(policy.score(USERS, HISTORIES), whole, rtol=1e-5, atol=1e-6)


def test_weights_make_the_same_policy(policy):
    other = Policy.build(CONFIG, policy.user, policy.item, L)
    assert np.abs(other.score(USERS, HISTORIES) - policy.score(USERS, HISTORIES)).max() > 1e-3
    other.set_weights(policy.weights())
    np.testing.assert_array_equal(other.score(USERS, HISTORIES), policy.score(USERS, HISTORIES))


def test_weights_of_another_shape_are_refused_and_leave_the_policy(policy):
    before = policy.score(USERS, HISTORIES)
    wider = small(dim_actor=9, state="drr_p", form="plain")
    weights = Policy.build(wider, policy.user, policy.item, L).weights()
    with pytest.raises(InputError, match="not of one run"):
        policy.set_weights(weights)
    few = dict(list(policy.weights().items())[1:])
    with pytest.raises(InputError, match="not of one run"):
        policy.set_weights(few)
    np.testing.assert_array_equal(policy.score(USERS, HISTORIES), before)
