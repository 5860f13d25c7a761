"""What every saved model must hold when it is served without TensorFlow: it answers the same."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tests.contracts.models import EVERY

from drrec.agents.config import AgentConfig
from drrec.agents.policy import Policy
from drrec.errors import InputError
from drrec.nn.actor_critic import reads_rewards
from drrec.registry import AGENTS, BASELINES, CONTENT_BASELINES, STATES
from drrec.scoring import openings
from drrec.serving.engine import Engine
from drrec.serving.loading import AGENTS_IN_NUMPY, AS_THEY_ARE, REWRITTEN
from drrec.serving.policy import NumPyPolicy
from drrec.serving.queries import Query

each = pytest.mark.parametrize("name", EVERY)
SAME = 1e-5
"""Relative to the largest score."""


@pytest.fixture(scope="module")
def data(catalogue):
    return catalogue


@pytest.fixture(scope="module")
def fitted(fitted_once):
    return fitted_once


@pytest.fixture(scope="module")
def engines(fitted, tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("served"), {}

    def engine(name):
        if name not in made:
            fitted(name).save(folder / f"{name}.drrec")
            made[name] = Engine.load(folder / f"{name}.drrec", "numpy")
        return made[name]

    return engine


def assert_close(found, expected):
    assert found.shape == expected.shape
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(found), finite)
    atol = SAME * np.abs(expected[finite]).max(initial=0)
    np.testing.assert_allclose(found[finite], expected[finite], rtol=SAME, atol=atol)


def assert_same_list(found, expected):
    """Items of nearly equal scores may change places."""
    items, scores = expected["item"].tolist(), expected["score"].to_numpy()
    assert len(found) == len(items)
    assert_close(np.array([each.score for each in found]), scores)
    by_item = dict(zip(items, scores, strict=True))
    last = scores[-1] if len(scores) else 0
    for item, _, score in found:
        assert by_item.get(item, last) == pytest.approx(score, rel=10 * SAME, abs=10 * SAME)


@each
def test_scores_are_those_of_the_model_itself(name, engines, fitted, data):
    model = fitted(name)
    users = np.arange(data.interactions.num_users, dtype=np.int32)
    histories = openings(model, data.interactions, model.history_length)
    served = engines(name).recommender
    assert served.reads_rewards == model.reads_rewards
    assert_close(served._scored(users, histories), model._scored(users, histories))
    assert_close(served.score(users, histories), model.score(users, histories))
    nothing = np.zeros_like(histories)
    assert_close(served.score(users, nothing), model.score(users, nothing))


@each
def test_lists_are_those_of_recommend(name, engines, fitted, data):
    model, users = fitted(name), [str(raw) for raw in data.interactions.users.raw[::4]]
    allow = data.interactions.items.raw[[4, 9, 30, 31, 50]].tolist()
    for options in ({}, {"filter_seen": False}, {"allow": allow, "block": allow[:1]}):
        found = engines(name).recommend([Query(user=user, **options) for user in users], k=7)
        expected = model.recommend(users, k=7, **options)
        for user, own in zip(users, found, strict=True):
            assert_same_list(own, expected[expected["user"] == user])
        assert all(one.title == f"title of {one.item}" for own in found for one in own)


@each
def test_somebody_new_is_answered_as_by_recommend_for(name, engines, fitted, data):
    model, items = fitted(name), data.interactions.items.raw[[5, 6, 7, 40, 11]].tolist()
    for liked, disliked in ((items[:3], items[3:]), (items[:1], []), ([], items[:2]), ([], [])):
        found = engines(name).recommend([Query(liked=liked, disliked=disliked)], k=6)[0]
        assert_same_list(found, model.recommend_for(liked, k=6, disliked=disliked))
        if not disliked:  # a session of likes says the same
            session = [(item, model.known.like) for item in liked]
            again = engines(name).recommend([Query(session=session)], k=6)[0]
            assert_same_list(again, model.recommend_for(liked, k=6))


@each
def test_similar_items_are_the_same(name, engines, fitted, data):
    item = str(data.interactions.items.raw[11])
    assert_same_list(engines(name).similar(item, 5), fitted(name).similar_items(item, 5))


def test_every_built_in_class_is_in_one_list():
    paths = {each.path_of(name) for each in (AGENTS, BASELINES, CONTENT_BASELINES) for name in each}
    built_in = {path for path in paths if path.startswith("drrec.")}
    lists = (AGENTS_IN_NUMPY, set(REWRITTEN), AS_THEY_ARE)
    assert built_in == set.union(*map(set, lists))
    assert sum(map(len, lists)) == len(built_in)


@pytest.mark.parametrize(
    ("state", "form", "length"),
    list(itertools.product(STATES, ("anchored", "plain"), (2, 6))),
)
def test_every_state_and_form_is_the_same_whatever_its_weights_are(
    state, form, length, tiny_interactions
):
    config = AgentConfig(state=state, form=form, dim_actor=16)
    generator = np.random.default_rng(3)
    user, item = (generator.normal(0, 0.7, (n, 9)).astype(np.float32) for n in (60, 81))
    item[0] = 0
    policy = Policy.build(config, user, item, length)
    shapes = {name: value.shape for name, value in policy.weights().items()}
    drawn = {
        name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()
    }
    policy.set_weights(drawn)
    served = NumPyPolicy.of(config, user, item, drawn)
    assert served.reads_rewards == reads_rewards(config)
    log = tiny_interactions.where(tiny_interactions.user < 50)  # ten users have no history
    histories = openings(policy, log, length)
    histories[3, : length // 2] = 0
    users = np.arange(60, dtype=np.int32)
    assert_close(served.actions(users, histories), policy.actions(users, histories))
    candidates = generator.integers(1, 81, (60, 5)).astype(np.int32)
    assert_close(
        served.score(users, histories, candidates), policy.score(users, histories, candidates)
    )


def test_bfloat16_is_served_through_keras_and_says_why(fitted, tmp_path):
    model = fitted("ddpg", products="bfloat16")
    model.save(tmp_path / "model.drrec")
    with pytest.raises(InputError, match="NumPy has no bfloat16"):
        Engine.load(tmp_path / "model.drrec", "numpy")
    engine = Engine.load(tmp_path / "model.drrec")
    assert engine.backend == "keras"
    user = model.users[4]
    found = engine.recommend([Query(user=user)], k=5)[0]
    assert_same_list(found, model.recommend([user], k=5))
    assert tf.executing_eagerly()
