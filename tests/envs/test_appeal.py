"""What is predicted for single pairs is what a table of all would hold."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from drrec.data.interactions import Interactions
from drrec.envs import simulator
from drrec.envs.appeal import PredictedAppeal, score_scale
from drrec.envs.config import LoggedConfig
from drrec.envs.living import LivingEnvironment
from drrec.envs.simulator import Boredom, training_truth
from drrec.evaluation.judges import simulators
from drrec.evaluation.optimum import bored_appeal, bored_reward
from drrec.evaluation.protocols import simulated


@pytest.fixture(params=["ratings", "clicks"])
def log(request, tiny_interactions: Interactions) -> Interactions:
    if request.param == "ratings":
        return tiny_interactions
    alike = np.full(len(tiny_interactions), 5, np.float32)
    return dataclasses.replace(tiny_interactions, rating=alike)


def both(make, monkeypatch):
    """With a table of all pairs, and without one."""
    table = make()
    monkeypatch.setattr(simulator, "MAX_APPEALS", 0)
    return table, make()


def test_judges_predict_what_their_tables_hold(log, monkeypatch):
    tables, judges = both(lambda: simulators(log, boredom=Boredom(0.3)), monkeypatch)
    users, items = np.array([7, 0, 31, 7]), np.array([4, 0, 66, 80])
    for name, truth in judges.items():
        assert isinstance(truth.appeal, PredictedAppeal)
        whole = tables[name].appeal
        assert isinstance(whole, np.ndarray)
        np.testing.assert_allclose(truth.appeal[users], whole[users], atol=1e-5)
        np.testing.assert_allclose(truth.appeal[users, items], whole[users, items], atol=1e-5)
        assert whole.std() > 0.1


def test_a_scale_is_of_items_and_not_of_padding(tiny_interactions):
    log = tiny_interactions
    scores = np.random.default_rng(0).normal(size=(log.num_users, log.num_items))
    scores[log.user, log.item] += 5  # what is had is liked better
    scores[:, 0] = 1000
    scale = score_scale(lambda users: scores[users], log)
    for user in (0, 7, log.num_users - 1):
        had = log.item[log.user == user]
        others = np.delete(scores[user], [0, *had])
        assert scale.low[user] == pytest.approx(others.mean())
        assert scale.low[user] + scale.width[user] == pytest.approx(scores[user, had].mean())


def test_sessions_pay_what_the_table_holds(log, monkeypatch):
    truths = both(lambda: training_truth(log, boredom=Boredom(0.4)), monkeypatch)
    config = LoggedConfig(sessions="simulated", state_size=3, episode_length=4)
    paid = []
    for truth in truths:
        environment = LivingEnvironment(config, log, truth)
        state = environment.start(tf.constant([3, 8, 11]))
        for step in range(4):
            state, outcome = environment.step(state, tf.constant([step + 1, 9 + step, 40 - step]))
            paid.append(outcome.reward.numpy())
    np.testing.assert_allclose(paid[:4], paid[4:], atol=1e-5)
    assert np.std(paid) > 0.1


def test_an_item_alone_pays_what_it_pays_among_all(tiny_interactions):
    truth = training_truth(tiny_interactions, boredom=Boredom(0.4, 2))
    users, items = np.array([3, 8, 3]), np.array([5, 60, 2])
    shown = np.array([[1, 2, 3], [9, 60, 61], [5, 5, 2]])
    for t in range(4):
        every = bored_appeal(truth, users, shown[:, :t])
        alone = bored_reward(truth, users, shown[:, :t], items)
        np.testing.assert_array_equal(alone, every[np.arange(3), items])


class Even:
    """Likes even items."""

    uses_history = False

    def score(self, users, histories, candidates=None):
        """Score."""
        return np.tile((np.arange(81) % 2 == 0) - np.arange(81) / 1000, (len(users), 1))


def test_of_many_users_some_play(tiny_interactions, monkeypatch):
    judges = simulators(tiny_interactions)
    whole = simulated.simulator(Even(), tiny_interactions, judges, steps=4)
    monkeypatch.setattr(simulated, "MOST_PLAYED", 25)
    some = simulated.simulator(Even(), tiny_interactions, judges, steps=4)
    assert len(whole.users) == 60
    assert len(some.users) == 25
    place = np.searchsorted(whole.users, some.users)
    np.testing.assert_array_equal(whole.users[place], some.users)
    for name in ("reward", "depth", "reward_factors"):
        np.testing.assert_allclose(some.metrics[name], whole.metrics[name][place], rtol=1e-6)
    again = simulated.simulator(Even(), tiny_interactions, judges, steps=4)
    np.testing.assert_array_equal(again.users, some.users)
    other = simulated.simulator(Even(), tiny_interactions, judges, steps=4, seed=1)
    assert other.users.tolist() != some.users.tolist()
