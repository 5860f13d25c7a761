"""The proof that nothing which learns sees the test ratings: change them, and no bit moves."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config
from tests.brief import brief_pmf
from tests.nn.modalities import modality, random_content

from drrec.agents.checkpoint import named_variables
from drrec.data.cold import ColdConfig, cold_split
from drrec.data.interactions import Interactions
from drrec.data.split import SplitConfig, split_interactions
from drrec.data.strategies import SPLITS, TEST
from drrec.embeddings import content as teaching
from drrec.embeddings.pretrain import Content, pretrain
from drrec.experiment.train import build_agent
from drrec.registry import BASELINES

SCRAMBLED = ["ratings", "items", "both"]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    # A leak needs no long training.
    brief_pmf(monkeypatch)
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 1)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 1)


def scrambled(
    log: Interactions, is_test: np.ndarray, what: str, *, same_items: bool = False
) -> Interactions:
    """The same log with the test rows’ ratings, items or both changed.

    With `same_items` their items change places, so that which items are in test stays.
    """
    generator = np.random.default_rng(0)
    rating, item = log.rating.copy(), log.item.copy()
    if what in ("ratings", "both"):
        rating[is_test] = 6 - rating[is_test]
    if what in ("items", "both"):
        if same_items:
            item[is_test] = generator.permutation(item[is_test])
        else:
            item[is_test] = generator.integers(1, log.num_items, is_test.sum())
    return dataclasses.replace(log, rating=rating, item=item)


def both(log, what, strategy="temporal"):
    """`train` as it is, and as it is after what is in test was changed."""
    split = split_interactions(log, SplitConfig(strategy=strategy)).final()
    is_test = split.part == TEST
    changed = scrambled(log, is_test, what, same_items=strategy == "item")
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


def learned(train, embedding="variational", held_out=0.4, content=None):
    """Everything that embedding, item encoder and agent learn."""
    config = small_config("log.csv")
    vectors = dataclasses.replace(config.vectors, embedding=embedding, held_out=held_out)
    config = dataclasses.replace(config, vectors=vectors)
    judged = types.SimpleNamespace(train=train, train_data=train, truth=None)
    # So few steps are not worth a compilation; of Keras' own epochs TensorFlow would warn.
    tf.config.run_functions_eagerly(embedding != "pmf")
    try:
        tables = pretrain(train, vectors, 0, content)
        tf.config.run_functions_eagerly(True)
        agent = build_agent(config, judged, tables.prefix, content)
        agent.run(tf.constant(2))
    finally:
        tf.config.run_functions_eagerly(False)
    policy = agent.policy(tables.final.table.user, tables.final.table.item)
    users = np.arange(train.num_users)
    return {
        **{name: variable.numpy() for name, variable in named_variables(agent.learner)},
        **{
            f"{kind}/{part}": getattr(vectors.table, part)
            for kind, vectors in tables._asdict().items()
            for part in ("user", "item", "mean")
        },
        **{
            f"{kind}/encoder/{number}": weight
            for kind, vectors in tables._asdict().items()
            if vectors.encoder
            for number, weight in enumerate(vectors.encoder.get_weights())
        },
        "policy/item": policy.item,
        "scores": policy.score(users, train.liked_histories(3)),
    }


# From here on ratings and items are changed at once: what sees either moves.
@pytest.mark.parametrize(("embedding", "held_out"), [("variational", 0.4), ("pmf", 0.0)])
def test_embeddings_and_agent_do_not_see_the_test_ratings(tiny_interactions, embedding, held_out):
    one, other = both(tiny_interactions, "both")
    assert_equal(learned(other, embedding, held_out), learned(one, embedding, held_out))


@pytest.mark.parametrize(
    ("fusion", "identity", "encoder"),
    [
        ("early", "prior", "finetuned"),
        ("late", "half", "frozen"),
        ("gated", "none", "frozen"),
    ],
)
def test_nothing_sees_the_test_ratings_or_what_cold_items_look_like(
    tiny_interactions, fusion, identity, encoder
):
    """Every test rating is changed, cold items' ratings and all that is known of them, too."""
    cold = ColdConfig(items=0.15, users=0.1)
    content = random_content(
        tiny_interactions.num_items, fusion=fusion, identity=identity, encoder=encoder, dropout=0.4
    )
    split = split_interactions(tiny_interactions, SplitConfig()).final()
    kept = cold_split(tiny_interactions, split, cold, "test")
    changed = scrambled(tiny_interactions, split.part == TEST, "both")
    is_cold = (kept.item_group[changed.item] == TEST) | (kept.user_group[changed.user] == TEST)
    changed = dataclasses.replace(
        changed, rating=np.where(is_cold, 6 - changed.rating, changed.rating)
    )
    other = cold_split(changed, split_interactions(changed, SplitConfig()).final(), cold, "test")
    assert other.train.fingerprint == kept.train.fingerprint
    before = learned(kept.train, content=content)
    is_warm = ~np.isin(np.arange(changed.num_items), kept.candidates)
    assert 5 < (~is_warm).sum() < 20
    after = learned(other.train, content=redrawn(content, ~is_warm))
    assert after.keys() == before.keys()
    for name, value in after.items():
        if name in PER_ITEM:
            assert (value[..., ~is_warm] if name == "scores" else value[~is_warm]).any()
            rows = (..., is_warm) if name == "scores" else (is_warm,)
            np.testing.assert_array_equal(value[rows], before[name][rows], err_msg=name)
            assert (value != before[name]).any()
        else:
            np.testing.assert_array_equal(value, before[name], err_msg=name)


PER_ITEM = ("prefix/item", "final/item", "policy/item", "scores")


def redrawn(content: Content, items: np.ndarray) -> Content:
    """The same, with other features of `items [I]` bool, and others of them present."""
    rng = np.random.default_rng(5)
    features = {}
    for name, made in content.features.items():
        other = 30 * rng.normal(size=made.features.shape)
        present = np.where(items, rng.random(len(items)) < 0.7, made.present)
        features[name] = modality(np.where(items[:, None], other, made.features), present)
    return content._replace(features=features)


@pytest.mark.usefixtures("brief_training")
@pytest.mark.parametrize("name", BASELINES)
def test_baselines_do_not_see_the_test_ratings(tiny_interactions, name):
    scores = []
    for train in both(tiny_interactions, "both"):
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
    for part in ("prefix/item", "final/item", "scores", "/networks/critic/0"):
        assert (moved[part] != expected[part]).any(), part
