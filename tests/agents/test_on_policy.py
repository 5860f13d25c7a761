"""PPO and A2C: the policy that plays, what a rollout says, and what is learned from it."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import (
    as_graph,
    assert_xla_takes,
    environment_over,
    put_back,
    random_vectors,
    rated_by_all,
    small,
    values_of,
)

from drrec.agents.config import A2CConfig, PPOConfig
from drrec.agents.on_policy import log_prob_of
from drrec.errors import InputError
from drrec.registry import AGENTS

BOTH = pytest.mark.parametrize("name", ["ppo", "a2c"])


def made(name, log, seed=0, **settings):
    return AGENTS[name].over(
        small(name, **settings), environment_over(log), *random_vectors(log), seed
    )


@pytest.fixture
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_in_python")
@BOTH
def test_a_rollout_tells_the_sessions_as_they_went(name, tiny_interactions):
    agent = made(name, tiny_interactions, num_envs=6, horizon=9)
    opening = agent._state()
    steps = agent.played_round()
    assert steps.item.shape == (9, 6)
    for session in range(6):
        shown = []
        np.testing.assert_array_equal(steps.history[0, session], opening.history[session])
        for step in range(9):
            item = int(steps.item[step, session])
            np.testing.assert_array_equal(
                steps.shown[step, session], shown + [0] * (4 - len(shown))
            )
            assert item not in shown
            shown.append(item)
            assert bool(steps.done[step, session]) == (len(shown) == 4)
            assert not steps.terminal[step, session]  # a time limit is not an end
            if len(shown) == 4:
                shown = []
            elif step < 8:
                np.testing.assert_array_equal(
                    steps.history[step + 1, session], steps.next_history[step, session]
                )
    assert int(agent.iteration) == 9


@pytest.mark.usefixtures("_in_python")
def test_items_are_drawn_by_the_softmax_of_what_may_be_shown():
    log = rated_by_all(40, 8)
    agent = made("ppo", log, num_envs=2000, horizon=1, inverse_temperature=2.0)
    state = agent._state()
    _, logits = agent._judge(state.user, state.history, state.shown)
    expected = tf.nn.softmax(logits).numpy()
    available = agent.environment.available(state.user, state.shown).numpy()
    assert (expected[~available] == 0).all()
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    drawn = np.eye(log.num_items)[agent.played_round().item[0].numpy()]
    # Each count is a sum of independent draws: its z-score is about normal.
    spread = np.sqrt((expected * (1 - expected)).sum(axis=0)[1:])
    z = (drawn - expected).sum(axis=0)[1:] / np.maximum(spread, 1e-9)
    assert np.abs(z[spread > 0]).max() < 4
    assert (spread > 0).sum() > 3


@pytest.mark.usefixtures("_in_python")
def test_the_training_batch_is_that_of_the_definitions(tiny_interactions):
    agent = made("ppo", tiny_interactions, discount=0.7, gae_lambda=0.6, horizon=6)
    agent.networks.value.perceptron.layers[-1].kernel.assign(
        tf.random.stateless_normal([8, 1], [0, 0])
    )
    steps = agent.played_round()
    batch = agent._training_batch(steps)
    value = batch.value.numpy()
    assert np.abs(value).max() > 0.01
    for session in range(4):
        for start in range(6):
            total, decay = 0.0, 1.0
            for step in range(start, 6):
                after = agent._value(steps.user[step], steps.next_history[step]).numpy()[session]
                paid = float(steps.reward[step, session])
                total += decay * (paid + 0.7 * after - value[step, session])
                decay *= 0.7 * 0.6
                if steps.done[step, session]:
                    break
            assert float(batch.advantage[start, session]) == pytest.approx(total, abs=1e-4)
    np.testing.assert_allclose(batch.target, batch.advantage + value, rtol=1e-5)
    flat = [column.numpy().reshape(-1, *column.shape[2:]) for column in steps]
    _, logits = agent._judge(*flat[:3])
    expected = log_prob_of(logits, flat[3]).numpy().reshape(6, 4)
    np.testing.assert_allclose(batch.log_prob, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_in_python")
def test_each_epoch_deals_every_row_out_once_in_an_order_of_its_own(tiny_interactions):
    agent = made("ppo", tiny_interactions, minibatches=4)
    epochs = [
        np.concatenate(
            [agent._rows(tf.constant(update), 16, 4) for update in range(start, start + 4)]
        )
        for start in (0, 4)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(16))
    assert (epochs[0] != epochs[1]).any()


@pytest.fixture(scope="module")
def traced():
    """Each agent at its start, where every second item pleases."""

    @functools.cache
    def begun(name):
        log = rated_by_all(30, 20)
        log = dataclasses.replace(log, rating=np.where(log.item % 2 == 0, 5, 1).astype(np.float32))
        agent = made(name, log, num_envs=8, lr_actor=1e-2, lr_critic=1e-2, horizon=8)
        return as_graph(agent), values_of(agent)

    def at_its_start(name):
        agent, start = begun(name)
        put_back(agent, start)
        return agent

    return at_its_start


@BOTH
def test_it_learns_which_items_please(name, traced):
    agent = traced(name)
    first = agent.run(tf.constant(5)).reward / 5
    agent.run(tf.constant(60))
    last = agent.run(tf.constant(5))
    assert first < 0.6
    assert last.reward / 5 > 0.9
    assert abs(last.value / 5 - 1) < 0.3
    assert last.critic_loss / 5 < 0.2


@BOTH
def test_xla_has_a_program_for_it(name, traced):
    assert_xla_takes(traced(name)._run, tf.constant(1))


@BOTH
def test_calls_carry_on_bit_for_bit(name, traced):
    agent = traced(name)
    start = values_of(agent)
    agent.run(tf.constant(5))
    expected = values_of(agent)
    put_back(agent, start)
    agent.run(tf.constant(2))
    assert any((value != expected[path]).any() for path, value in values_of(agent).items())
    agent.run(tf.constant(3))
    for path, value in values_of(agent).items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)


def test_a_rollout_that_minibatches_do_not_divide_is_refused():
    with pytest.raises(InputError, match="`minibatches` must divide the 15 steps"):
        PPOConfig(num_envs=5, horizon=3)
    A2CConfig(num_envs=5, horizon=3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"horizon": 0}, "`horizon` must be in .1, .*"),
        ({"gae_lambda": 1.1}, "`gae_lambda` must be in"),
        ({"clip": 0.0}, "`clip` must be above 0"),
        ({"inverse_temperature": 0.0}, "`inverse_temperature` must be above 0"),
        ({"entropy": -1.0}, "`entropy` must be at least 0"),
        ({"epochs": 0}, "`epochs` must be in .1, .*"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        PPOConfig(**settings)
