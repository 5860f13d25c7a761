"""SAC: the policy's density, its temperature, its targets, and what is random in it."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tests.agents.test_ddpg import two_kinds_of_user
from tests.agents.tiny import (
    as_graph,
    assert_xla_takes,
    environment_over,
    random_vectors,
    small,
    values_of,
)

from drrec.agents.config import SACConfig
from drrec.agents.sac import SAC
from drrec.agents.streams import Stream
from drrec.errors import InputError
from drrec.nn.actor_critic import LOG_STD_RANGE, LogStd
from drrec.nn.losses import temperature_loss
from drrec.nn.squashed import squashed_sample

SETTINGS = {"discount": 0.75, "lr_actor": 1e-2, "lr_critic": 1e-2}
DIM = 4


@pytest.fixture
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def made(log, seed=0, sac=None, **settings):
    config = small("sac", **(SETTINGS | settings | (sac or {})))
    return SAC.over(config, environment_over(log), *random_vectors(log, DIM), seed)


def run(agent, iterations=1):
    return agent.run(tf.constant(iterations))


def batch_of(agent):
    """A batch, its users' vectors, and its states as the actor reads them."""
    batch = agent.replay.sample(16, tf.constant(0.0), tf.constant([0, 1])).transitions
    user = tf.gather(agent.user, batch.user)
    return batch, user, agent.networks.state(user, history_of(agent, batch.history))


def history_of(agent, items):
    return tf.gather(agent.networks.items.table(), items)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.8, 0.3), (-2.5, 0.7), (0.3, 3.0)])
def test_the_density_is_that_of_the_squashed_gaussian(mean, std):
    noise = np.linspace(-6, 6, 24001, dtype=np.float32)[:, None]  # [N, 1]
    action, log_prob = squashed_sample(
        tf.fill(noise.shape, mean), tf.fill(noise.shape, math.log(std)), tf.constant(noise)
    )
    # In double precision, since the grid's steps near ±1 are smaller than float32 can tell.
    exact = np.tanh(mean + std * noise[:, 0].astype(np.float64))
    np.testing.assert_allclose(action[:, 0], exact, atol=1e-6)
    density = np.exp(log_prob.numpy().astype(np.float64))
    slices = np.diff(exact) * (density[1:] + density[:-1]) / 2
    assert slices.sum() == pytest.approx(1, abs=1e-3)
    below = np.cumsum(slices)  # P(a ≤ x), which is Φ of the noise that leads there
    expected = [(1 + math.erf(each / math.sqrt(2))) / 2 for each in noise[1:, 0]]
    np.testing.assert_allclose(below, expected, atol=1e-3)


def test_log_densities_of_coordinates_add_up_and_stay_finite_far_out():
    mean, log_std = tf.constant([[0.5, -1.0]]), tf.constant([[-1.0, 0.2]])
    noise = tf.constant([[0.3, -2.0]])
    _, both = squashed_sample(mean, log_std, noise)
    each = [
        squashed_sample(mean[:, i : i + 1], log_std[:, i : i + 1], noise[:, i : i + 1])[1]
        for i in range(2)
    ]
    assert float(both[0]) == pytest.approx(float(each[0][0] + each[1][0]), abs=1e-5)
    action, far = squashed_sample(tf.constant([[40.0]]), tf.zeros([1, 1]), tf.zeros([1, 1]))
    assert float(action[0, 0]) == 1
    # log (1 − tanh² 40) = log 4 − 80, where 1 − a² is 0 in float32.
    expected = -0.5 * math.log(2 * math.pi) - math.log(4) + 80
    assert float(far[0]) == pytest.approx(expected, rel=1e-5)


def test_the_sample_is_differentiated_through():
    mean, log_std, noise = tf.constant([[0.4]]), tf.constant([[-0.7]]), tf.constant([[1.3]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([mean, log_std])
        action, log_prob = squashed_sample(mean, log_std, noise)
    std, value = math.exp(-0.7), float(action[0, 0])
    slope = 1 - value**2
    for of, by, expected in (
        (action, mean, slope),
        (action, log_std, slope * std * 1.3),
        (log_prob, mean, 2 * value),
        (log_prob, log_std, 2 * value * std * 1.3 - 1),
    ):
        assert float(tape.gradient(of, by)[0, 0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("entropy", "sign"), [(-5.0, -1), (-3.0, 1)])
def test_the_temperature_rises_where_entropy_is_below_its_target(entropy, sign):
    log_alpha = tf.Variable(math.log(0.2))
    with tf.GradientTape() as tape:
        loss = temperature_loss(tf.exp(log_alpha), tf.fill([6], -entropy), -4.0)
    assert float(tape.gradient(loss, log_alpha)) == pytest.approx(sign * 0.2, rel=1e-5)


class Quadratic(keras.layers.Layer):
    """A bandit that pays −½ k ‖a‖² in any state, with k = 40."""

    def call(self, state, user, action):
        return -20 * tf.reduce_sum(tf.square(action), axis=1)


@pytest.mark.usefixtures("_in_python")
@pytest.mark.parametrize(("form", "target"), [("anchored", -0.5), ("plain", -1.5)])
def test_in_a_bandit_the_entropy_settles_at_its_target(form, target, tiny_interactions):
    sac = {"target_entropy": target, "lr_temperature": 0.02, "initial_std": 0.4}
    agent = made(tiny_interactions, sac=sac, form=form)
    run(agent, 4)
    parts = dict.fromkeys(("critic", "twin", "target_critic", "target_twin"), Quadratic())
    agent.networks = dataclasses.replace(agent.networks, **parts)
    batch, user, state = batch_of(agent)
    agent.iteration.assign(0)
    tf.config.run_functions_eagerly(False)

    @tf.function
    def updates(count):
        total = tf.constant(0.0)
        for _ in tf.range(count):
            total += agent._update_actor(state, user, batch)["entropy"]
            agent.iteration.assign_add(1)
        return total / tf.cast(count, tf.float32)

    first = float(updates(tf.constant(5)))
    updates(tf.constant(1000))
    assert abs(first - target * DIM) > 1
    assert float(updates(tf.constant(300))) == pytest.approx(target * DIM, abs=0.15)
    if form == "plain":  # around 0, where tanh is straight: ∂/∂σ (α log σ − ½ k σ²) = 0
        std = float(tf.exp(tf.reduce_mean(agent.networks.log_std(state))))
        assert float(agent.networks.temperature.factor()) == pytest.approx(40 * std**2, rel=0.25)


@pytest.mark.usefixtures("_in_python")
def test_a_temperature_without_learning_rate_stays(tiny_interactions):
    agent = made(tiny_interactions, sac={"lr_temperature": 0.0, "temperature": 0.25})
    run(agent, 2)
    assert float(agent.networks.temperature.factor()) == pytest.approx(0.25)


@pytest.mark.usefixtures("_in_python")
@pytest.mark.parametrize("critic_action", ["item", "proto"])
def test_the_target_is_the_lesser_value_and_the_entropy_of_what_comes_next(
    critic_action, tiny_interactions
):
    agent = made(tiny_interactions, sac={"temperature": 0.5}, critic_action=critic_action)
    run(agent, 4)
    nets = agent.networks
    for number, critic in enumerate(nets.target_critics()):
        kernel = critic.perceptron.layers[-1].kernel
        kernel.assign(tf.random.stateless_normal(kernel.shape, [0, number]))
    for number, layer in enumerate((nets.target_state, nets.log_std)):
        for weight in layer.trainable_variables:
            weight.assign(weight + 0.3 * tf.random.stateless_normal(weight.shape, [1, number]))
    batch, user, _ = batch_of(agent)
    history = history_of(agent, batch.next_history)
    action, log_prob = agent._sampled(nets.state(user, history), user, Stream.NEXT_ACTION)
    if critic_action == "item":
        table = nets.items.table()
        shown = agent._shown_by(action, table, batch.user, batch.next_shown)
        action = tf.gather(table, shown)
    state = nets.target_state(user, history)
    values = [critic(state, user, action).numpy() for critic in nets.target_critics()]
    assert 0 < (values[0] < values[1]).mean() < 1
    alpha = float(nets.temperature.factor())
    expected = batch.reward + batch.discount * (np.minimum(*values) - alpha * log_prob)
    np.testing.assert_allclose(agent._target(batch, user), expected, rtol=1e-4, atol=1e-4)
    assert alpha * np.abs(log_prob).min() > 1e-3


@pytest.mark.usefixtures("_in_python")
def test_the_actor_follows_the_lesser_critic_at_what_it_samples(tiny_interactions):
    agent = made(tiny_interactions, sac={"temperature": 0.5, "initial_std": 0.4})
    run(agent, 4)
    nets = agent.networks
    for number, critic in enumerate(nets.critics()):
        kernel = critic.perceptron.layers[-1].kernel
        kernel.assign(tf.random.stateless_normal(kernel.shape, [0, number]))
    batch, user, state = batch_of(agent)
    action, log_prob = agent._sampled(state, user, Stream.ACTION)
    values = [critic(state, user, action).numpy() for critic in nets.critics()]
    assert 0 < (values[0] < values[1]).mean() < 1
    alpha = float(nets.temperature.factor())
    expected = np.mean(alpha * log_prob - np.minimum(*values))
    found = agent._update_actor(state, user, batch)
    assert float(found["actor_loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(found["alpha"]) == pytest.approx(alpha)
    assert float(found["entropy"]) == pytest.approx(-float(tf.reduce_mean(log_prob)), rel=1e-5)


def test_it_finds_that_reward_one_for_ever_is_worth_what_the_sum_says():
    log = two_kinds_of_user()  # the log of the first eight does not run out in a session
    user, item = random_vectors(log)
    user[:, 0] = np.where(np.arange(16) < 8, 1.0, -1.0)
    settings = SETTINGS | {
        "form": "anchored",
        "critic_action": "item",
        "tau": 0.25,
        "dim_critic": 32,
        "lr_actor": 1e-4,
        "lr_critic": 1e-2,
        "critic_l2": 0.0,
        "memory_size": 512,
        "batch_size": 64,
        "num_envs": 16,
    }
    own = {"temperature": 1e-8, "lr_temperature": 0.0, "initial_std": 1.0}
    config = small("sac", **(settings | own))
    agent = as_graph(SAC.over(config, environment_over(log), user, item, seed=0))
    run(agent, 400)
    assert_xla_takes(agent._run, tf.constant(1))
    columns = agent.replay.columns
    vectors = tf.gather(agent.user, columns.user)
    encoded = agent.networks.state(vectors, history_of(agent, columns.history))
    action = history_of(agent, columns.item)
    endless = columns.user.numpy() < 8
    for critic in agent.networks.critics():
        q = critic(encoded, vectors, action).numpy()
        assert abs(np.median(q[endless]) - 1 / (1 - 0.75)) < 0.2


@pytest.mark.usefixtures("_in_python")
def test_what_it_plays_is_random_and_what_it_recommends_is_not(tiny_interactions):
    agent = made(tiny_interactions, sac={"initial_std": 0.3})
    run(agent, 2)
    state, items = agent._state(), agent.networks.items.table()
    first = agent._behaviour(state, items).numpy()
    np.testing.assert_array_equal(agent._behaviour(state, items), first)
    clean = agent.act(state.user, state.history).numpy()
    agent.iteration.assign_add(1)
    second = agent._behaviour(state, items).numpy()
    assert (first != second).all()
    assert (np.abs(first) < 1).all()
    raw = np.arctanh(first) - np.arctanh(clean)  # [N, D]
    assert raw.std(axis=0).min() > 0.05  # drawn for each row and coordinate by itself
    assert raw.std(axis=1).min() > 0.05
    assert np.abs(raw).max() < 4 * 0.3
    np.testing.assert_array_equal(agent.act(state.user, state.history), clean)
    policies = [
        agent.policy(agent.user.numpy(), items.numpy()).actions(
            state.user.numpy(), state.history.numpy()
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*policies)
    np.testing.assert_allclose(policies[0], clean, rtol=1e-6)


@pytest.mark.usefixtures("_in_python")
@pytest.mark.parametrize("form", ["anchored", "plain"])
def test_without_spread_it_plays_its_actor(form, tiny_interactions):
    agent = made(tiny_interactions, sac={"initial_std": 1e-4}, form=form)
    run(agent, 3)
    state, items = agent._state(), agent.networks.items.table()
    expected = agent.act(state.user, state.history)
    np.testing.assert_allclose(agent._behaviour(state, items), expected, atol=5e-4)


def test_log_deviations_are_clipped_and_the_layer_is_made_again_from_its_config():
    layer = LogStd(8, 3, 0.2)
    again = LogStd.from_config(layer.get_config())
    for each in (layer, again):
        each.build((None, 5))
        np.testing.assert_allclose(each(tf.ones([2, 5])), np.full((2, 3), np.log(0.2)), rtol=1e-6)
    for lift, end in ((100, LOG_STD_RANGE[1]), (-100, LOG_STD_RANGE[0])):
        again.perceptron.layers[-1].bias.assign(tf.fill([3], float(lift)))
        np.testing.assert_array_equal(again(tf.ones([2, 5])), np.full((2, 3), end))


@pytest.mark.usefixtures("_in_python")
def test_each_loss_trains_its_own(tiny_interactions):
    agent = made(tiny_interactions)
    run(agent, 4)
    critic_trains = {"state", "critic", "twin", "critic_optimizer"}
    for frozen, still in (
        ("critic_optimizer", critic_trains - {"critic_optimizer"}),
        ("actor_optimizer", {"actor", "log_std"}),
        ("temperature_optimizer", {"temperature"}),
    ):
        optimizer = getattr(agent.networks, frozen)
        rate = float(optimizer.learning_rate)
        optimizer.learning_rate.assign(0.0)
        before = values_of(agent)
        run(agent, 2)
        after = values_of(agent)
        for part in ("state", "critic", "twin", "actor", "log_std", "temperature"):
            paths = [path for path in after if f"/networks/{part}/" in path]
            went = any((after[path] != before[path]).any() for path in paths)
            assert went == (part not in still), (frozen, part)
        optimizer.learning_rate.assign(rate)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_entropy": 0.7}, "at most log 2"),
        ({"target_entropy": float("nan")}, "at most log 2"),
        ({"temperature": 0.0}, "`temperature` must be"),
        ({"lr_temperature": -1.0}, "`lr_temperature` must be"),
        ({"initial_std": 0.0}, "`initial_std` must be"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        SACConfig(**settings)
