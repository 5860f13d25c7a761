"""The proof that nothing which learns sees the test ratings: change them, and no bit moves."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config

from drrec.baselines import BASELINES
from drrec.checkpoint import named_variables
from drrec.data.interactions import Interactions
from drrec.data.split import SplitConfig, split_interactions
from drrec.data.strategies import SPLITS, TEST
from drrec.experiment import build_agent
from drrec.models import pmf
from drrec.models.pretrain import pretrain

SCRAMBLED = ["ratings", "items", "both"]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(pmf, "_MOST_EPOCHS", 2)  # a leak needs no long training


def scrambled(log: Interactions, is_test: np.ndarray, what: str) -> Interactions:
    """The same log with the test rows’ ratings, items or both changed."""
    generator = np.random.default_rng(0)
    rating, item = log.rating.copy(), log.item.copy()
    if what in ("ratings", "both"):
        rating[is_test] = 6 - rating[is_test]
    if what in ("items", "both"):
        item[is_test] = generator.integers(1, log.num_items, is_test.sum())
    return dataclasses.replace(log, rating=rating, item=item)


def both(log, what, strategy="temporal"):
    """`train` as it is, and as it is after what is in test was changed."""
    split = split_interactions(log, SplitConfig(strategy=strategy)).final()
    is_test = split.part == TEST
    changed = scrambled(log, is_test, what)
    assert changed.fingerprint != log.fingerprint
    other = split_interactions(changed, SplitConfig(strategy=strategy)).final()
    assert (other.test.rating != split.test.rating).any() or (
        other.test.item != split.test.item
    ).any()
    return split.train, other.train


def assert_equal(values, expected):
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("what", SCRAMBLED)
@pytest.mark.parametrize("strategy", SPLITS)
def test_no_split_hands_a_test_rating_on(tiny_interactions, strategy, what):
    one, other = both(tiny_interactions, what, strategy)
    assert one.fingerprint == other.fingerprint


def learned(train, embedding="variational", held_out=0.4):
    """Everything that embedding and agent learn."""
    config = small_config("log.csv")
    vectors = dataclasses.replace(config.vectors, embedding=embedding, held_out=held_out)
    config = dataclasses.replace(config, vectors=vectors)
    tables = pretrain(train, vectors, seed=0)
    agent = build_agent(config, train, tables.rehearsal)
    tf.config.run_functions_eagerly(True)  # three iterations are not worth a compilation
    try:
        agent.run(tf.constant(3))
    finally:
        tf.config.run_functions_eagerly(False)
    policy = agent.policy(tables.deployed.user, tables.deployed.item)
    users = np.arange(train.num_users)
    return {
        **{name: variable.numpy() for name, variable in named_variables(agent.learner)},
        **{
            f"{kind}/{part}": getattr(table, part)
            for kind, table in tables._asdict().items()
            for part in ("user", "item", "mean")
        },
        "scores": policy.score(users, train.liked_histories(3)),
    }


@pytest.mark.parametrize("what", SCRAMBLED)
@pytest.mark.parametrize(
    ("embedding", "held_out"), [("variational", 0.4), ("variational", 0.0), ("pmf", 0.4)]
)
def test_embeddings_and_agent_do_not_see_the_test_ratings(
    tiny_interactions, what, embedding, held_out
):
    one, other = both(tiny_interactions, what)
    assert_equal(learned(other, embedding, held_out), learned(one, embedding, held_out))


@pytest.mark.parametrize("what", ["ratings", "items"])
@pytest.mark.parametrize("name", BASELINES)
def test_baselines_do_not_see_the_test_ratings(tiny_interactions, name, what):
    scores = []
    for train in both(tiny_interactions, what):
        users = np.arange(train.num_users)
        fitted = BASELINES[name]().fit(train)
        scores.append(fitted.score(users, train.liked_histories(3), None))
    np.testing.assert_array_equal(*scores)


def test_the_proof_can_fail(tiny_interactions):
    """Were test handed on, everything would move: that the tests above would see."""
    one, other = both(tiny_interactions, "ratings")
    leaked = split_interactions(tiny_interactions).test
    rating = other.rating.copy()
    rating[other.user == leaked.user[0]] = leaked.rating[0]
    moved = learned(dataclasses.replace(other, rating=rating))
    expected = learned(one)
    for part in ("rehearsal/item", "deployed/item", "scores", "/networks/critic/0"):
        assert (moved[part] != expected[part]).any(), part
