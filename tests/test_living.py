"""Runs on a made-up world: trained in living sessions, judged by them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config, write_csv
from tests.brief import brief_figures, eagerly

from drrec.agents.sessions import build_environment
from drrec.embeddings.pretrain import pretrain
from drrec.envs.config import LoggedConfig
from drrec.envs.living import LivingEnvironment
from drrec.envs.simulator import Boredom, training_truth
from drrec.errors import InputError
from drrec.experiment.evaluating import evaluate_run, report_run
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import build_agent, train_run
from drrec.worlds.demo import make_demo

LIVING = LoggedConfig(sessions="living", state_size=3, episode_length=4)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    brief_figures(monkeypatch)
    with eagerly():
        yield


def test_a_run_on_a_world_is_paid_by_it_and_judged_by_sessions(tmp_path):
    make_demo(tmp_path / "data" / "demo", num_films=60, num_users=30, with_media=False)
    config = small_config("demo", steps=8, environment=LIVING, baselines="popularity")
    judged = Task.load(config, tmp_path / "data")
    table = pretrain(judged.train, config.vectors, 0).prefix.table
    environment = build_environment(config, judged.train, table, judged.truth)
    assert isinstance(environment, LivingEnvironment)
    state = environment.start(tf.constant([2]))
    assert environment.paid(state, tf.constant([5])).numpy()[0] == judged.truth.appeal[2, 5]
    past, future = judged.train.past_and_future(config.vectors.held_out)
    is_new = environment.is_new()
    np.testing.assert_array_equal(judged.train.item[is_new], future.item)
    np.testing.assert_array_equal(judged.train.item[~is_new], past.item)
    assert len(future)

    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged)
    content = evaluate_run(run, config, judged)
    assert set(content["protocols"]) == {"rated", "session"}
    sessions = content["protocols"]["session"]
    assert set(sessions) == {"popularity", "ddpg", "greedy_truth", "bayesian", "optimum"}
    assert sessions["optimum"]["reward"]["mean"] == pytest.approx(np.mean(judged.best))
    assert sessions["optimum"]["regret"]["mean"] == 0
    assert sessions["ddpg"]["reward"]["versus"] == "popularity"
    means = {name: cells["reward"]["mean"] for name, cells in sessions.items()}
    assert max(means, key=means.get) == "optimum"
    assert "greedy_truth" in report_run(run, config, content)


def test_living_sessions_without_a_world_are_refused(tmp_path, tiny_interactions):
    log = write_csv(tiny_interactions, tmp_path / "log.csv")
    config = small_config(log, environment=LIVING)
    with pytest.raises(InputError, match=r"Expected a data set with a hidden world.*--sessions"):
        Task.load(config, tmp_path)
    logged = dataclasses.replace(config, environment=dataclasses.replace(LIVING, sessions="logged"))
    assert Task.load(logged, tmp_path).truth is None


@pytest.mark.parametrize(("boredom", "by"), [(0.0, "factors"), (0.4, "both")])
def test_users_made_up_from_the_training_ratings_play(tmp_path, tiny_interactions, boredom, by):
    log = write_csv(tiny_interactions, tmp_path / "log.csv")
    made_up = dataclasses.replace(LIVING, sessions="simulated", boredom=boredom, simulated_by=by)
    config = small_config(log, steps=8, environment=made_up)
    judged = Task.load(config, tmp_path / "data")
    table = pretrain(judged.train, config.vectors, 0).prefix
    agent = build_agent(config, judged, table)
    bores = Boredom(boredom) if boredom else None
    expected = training_truth(judged.train, boredom=bores, by=by)
    assert (expected.boredom.max() > 0) == bool(boredom)
    state = agent.environment.start(tf.constant([2, 3]))
    paid = agent.environment.paid(state, tf.constant([5, 6]))
    np.testing.assert_allclose(paid, expected.appeal[[2, 3], [5, 6]], rtol=1e-5)
    # Where a kind has been shown, the next of it pays less, if anybody is ever bored.
    kind = expected.kind[1:]
    first, second = np.flatnonzero(kind == np.bincount(kind).argmax())[:2] + 1
    moved, _ = agent.environment.step(state, tf.constant([first, first]))
    after = agent.environment.paid(moved, tf.constant([second, second])).numpy()
    np.testing.assert_allclose(expected.appeal[[2, 3], second] - after, boredom, atol=1e-5)
    agent.run(tf.constant(2))
    assert agent.steps == 8

    with pytest.raises(InputError, match="`boredom` must be at least 0"):
        dataclasses.replace(made_up, boredom=-1.0)
