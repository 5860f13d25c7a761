"""Rollout workers: what they play is learned from as if the learner had played it itself."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from tests.agents.tiny import Lender, environment_over, random_vectors, small, values_of

from drrec.agents import ddpg
from drrec.agents.checkpoint import restore_latest, save_checkpoint
from drrec.agents.rollout_workers import RolloutWorker, WithWorkers, acting_variables
from drrec.agents.settings import Settings
from drrec.agents.shards import Shard
from drrec.envs.config import LoggedConfig, RewardConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.rewards import Rewards
from drrec.envs.sessions import Sessions
from drrec.registry import AGENTS

N = 4
FAST = {"lr_actor": 1e-2, "lr_critic": 1e-2, "discount": 0.5}


@pytest.fixture(scope="module", autouse=True)
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(autouse=True)
def _short_rounds(monkeypatch):
    monkeypatch.setattr(ddpg, "_ROUND", 2 * N)


def built(name, environment, shard=None):
    config = small(name, **FAST, **({"horizon": 2} if name in ("ppo", "a2c") else {}))
    agent = AGENTS[name].of(Settings(seed=3, environment=environment.config, agent=config))
    agent.shard = shard or Shard()
    agent.set_up(environment, *random_vectors(environment.log))
    return agent


class Together:
    """Workers in this process; each call is put down, and they play when they are waited for."""

    def __init__(self, made, name, count):
        shards = [Shard(rank, count) for rank in range(count)]
        self.workers = [RolloutWorker(made(name, shard)) for shard in shards]
        self.begun, self.played = [], []

    def __call__(self, weights, asks):
        weights = [value.copy() for value in weights]
        self.begun.append((weights, asks))

        def waited():
            played = [each(weights, ask) for each, ask in zip(self.workers, asks, strict=True)]
            self.played.append(played)
            return played

        return waited


@pytest.fixture(scope="module")
def lender(tiny_interactions):
    environment = environment_over(tiny_interactions)
    return Lender(lambda name, shard=None: built(name, environment, shard))


@pytest.fixture
def made(lender):
    """Gives an agent by its name and, if it is a worker's, its shard."""
    yield lender
    lender.take_back()


def assert_equal(values, expected):
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("name", ["ddpg", "td3", "sac", "ppo", "a2c"])
def test_one_worker_that_is_not_ahead_is_the_agent_itself(name, made, monkeypatch):
    monkeypatch.setattr(ddpg, "_ROUND", N)
    monkeypatch.setattr(AGENTS[name], "lag", 0)
    alone = made(name)
    sums = alone.run(tf.constant(2))
    led = WithWorkers(made(name), Together(made, name, 1), 1)
    learned = led.run(tf.constant(2))
    assert_equal(values_of(led), values_of(alone))
    assert led.steps == alone.steps == 2 * N * alone.steps_each
    np.testing.assert_array_equal([*learned], [*sums])


def test_each_round_is_played_with_the_weights_of_the_round_before_the_last(made):
    play = Together(made, "ddpg", 2)
    led = WithWorkers(made("ddpg"), play, 2)
    after = [[value.numpy() for value in acting_variables(led.agent)]]
    for _ in range(3):
        led.run(tf.constant(1))
        after.append([value.numpy() for value in acting_variables(led.agent)])
    assert any((a != b).any() for a, b in zip(after[1], after[2], strict=True))
    expected = [after[0], *after[:3]]  # rounds 0 and 1 with those of the start
    assert len(play.begun) == len(expected)
    for (weights, _), known in zip(play.begun, expected, strict=True):
        for weight, value in zip(weights, known, strict=True):
            np.testing.assert_array_equal(weight, value)
    assert [[ask.iteration for ask in asks] for _, asks in play.begun] == [
        [2 * number] * 2 for number in range(4)
    ]


def test_an_agent_that_has_to_play_its_own_policy_does(made):
    play = Together(made, "ppo", 2)
    led = WithWorkers(made("ppo"), play, 2)
    for _ in range(2):
        now = [value.numpy() for value in acting_variables(led.agent)]
        led.run(tf.constant(1))
        for weight, value in zip(play.begun[-1][0], now, strict=True):
            np.testing.assert_array_equal(weight, value)
    assert len(play.begun) == 2


def test_all_that_is_played_is_learned_from_once_and_in_order(made):
    play = Together(made, "ddpg", 2)
    led = WithWorkers(made("ddpg"), play, 2)
    led.run(tf.constant(2))
    replay = led.agent.replay
    assert int(replay.written) == led.steps == 2 * 2 * N
    for name in ("user", "item", "reward", "action", "next_history"):
        rounds = [[getattr(each.steps, name) for each in played] for played in play.played[:2]]
        expected = np.concatenate([np.concatenate(parts, axis=1) for parts in rounds])
        written = getattr(replay.columns, name).numpy()[: int(replay.written)]
        np.testing.assert_array_equal(written, expected.reshape(written.shape), err_msg=name)


def test_sessions_go_on_from_round_to_round(made):
    play = Together(made, "ddpg", 2)
    led = WithWorkers(made("ddpg"), play, 2)
    first = [variable.numpy() for variable in led.agent.sessions]
    led.run(tf.constant(2))
    given = zip(*(ask.sessions for ask in play.begun[0][1]), strict=True)
    for column, parts in zip(first, given, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), column)
    for played, (_, asks) in zip(play.played, play.begun[1:], strict=False):
        for before, ask in zip(played, asks, strict=True):
            for given, left in zip(ask.sessions, before.sessions, strict=True):
                np.testing.assert_array_equal(given, left)


def test_no_two_workers_draw_the_same(made):
    """From the same sessions, weights and moment on they play otherwise."""
    play = Together(made, "ddpg", 2)
    led = WithWorkers(made("ddpg"), play, 2)
    led.run(tf.constant(1))
    weights, asks = play.begun[0]
    one, other, again = (play.workers[rank](weights, asks[0]).steps.action for rank in (0, 1, 0))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any(axis=-1).all()


@pytest.mark.parametrize("name", ["ddpg", "ppo"])
def test_a_worker_that_is_begun_anew_plays_the_same(name, made):
    """A round depends on what is asked alone, not on the rounds that a worker has played."""
    play, fresh = (Together(made, name, 2) for _ in range(2))
    led = WithWorkers(made(name), play, 2)
    led.run(tf.constant(2))
    weights, asks = play.begun[-1]
    for rank, ask in enumerate(asks):
        expected, found = play.played[-1][rank], fresh.workers[rank](weights, ask)
        for column, value in zip(expected.steps, found.steps, strict=True):
            np.testing.assert_array_equal(value, column)
        for part, value in zip(expected.sessions, found.sessions, strict=True):
            np.testing.assert_array_equal(value, part)


@pytest.mark.parametrize("name", ["ddpg", "ppo"])
def test_a_checkpoint_carries_on_as_if_nothing_had_been(name, made, tmp_path):
    play = Together(made, name, 2)
    whole, killed, resumed = (WithWorkers(made(name), play, 2) for _ in range(3))
    whole.run(tf.constant(2))
    killed.run(tf.constant(1))
    save_checkpoint(tmp_path, killed.learner, killed.steps)
    assert restore_latest(tmp_path, resumed.learner) == resumed.steps == 2 * N
    resumed.run(tf.constant(1))
    assert_equal(values_of(resumed), values_of(whole))


def test_terms_of_the_reward_are_those_of_the_steps_learned_from(tiny_interactions):
    past, future = tiny_interactions.past_and_future(0.5)
    rewards = RewardConfig(reward_rating=0.5, reward_novelty=2.0)
    config = LoggedConfig(unlogged="never", state_size=3, episode_length=4, rewards=rewards)
    vectors = random_vectors(tiny_interactions)
    environment = LoggedEnvironment(
        config,
        tiny_interactions,
        Sessions.over(past, future, 3),
        rewards=Rewards.over(rewards, tiny_interactions, vectors[1]),
    )

    def here(name, shard=None):
        return built(name, environment, shard)

    led = WithWorkers(here("ddpg"), Together(here, "ddpg", 2), 2)
    for rounds in (1, 2):
        paid = float(led.run(tf.constant(rounds)).reward) / rounds
        terms = led.reward_terms(rounds)
        assert list(terms) == ["reward_rating", "reward_novelty"]
        assert 0 < terms["reward_novelty"] < 1
        expected = 0.5 * terms["reward_rating"] + 2 * terms["reward_novelty"]
        assert paid == pytest.approx(expected, abs=1e-5)


@hypothesis.given(strategies.integers(1, 64), strategies.integers(1, 20))
def test_shards_are_all_of_it_and_no_row_is_in_two(count, size):
    rows = [np.arange(count * size)[Shard(r, count).rows(count * size)] for r in range(count)]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(count * size))
    assert {len(each) for each in rows} == {Shard(0, count).size(count * size)}
