"""TD3: what it does beyond DDPG, whose tests hold for what they share."""

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import environment_over, random_vectors, small, values_of

from drrec.agents.config import TD3Config
from drrec.agents.td3 import TD3
from drrec.errors import InputError

SETTINGS = {"discount": 0.75, "lr_actor": 1e-2, "lr_critic": 1e-2}


@pytest.fixture(autouse=True)
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def made(log, seed=0, **td3):
    return TD3.over(
        small("td3", **SETTINGS, **td3), environment_over(log), *random_vectors(log), seed
    )


def run(agent, iterations=1):
    agent.run(tf.constant(iterations))


def moved(agent, before, part):
    after = values_of(agent)
    paths = [path for path in after if f"/networks/{part}/" in path]
    assert paths
    return any((after[path] != before[path]).any() for path in paths)


def test_actor_and_targets_rest_between_every_third_update(tiny_interactions):
    agent = made(tiny_interactions, policy_delay=3)
    went = {}
    for _ in range(6):
        before = values_of(agent)
        run(agent)
        for part in ("critic", "twin", "actor", "target_critic", "target_twin"):
            went.setdefault(part, []).append(moved(agent, before, part))
    assert went["critic"] == went["twin"] == [True] * 6
    # What starts at its target is drawn to it from the second sync on.
    assert went["actor"] == [True, False, False] * 2
    assert (
        went["target_critic"][1:] == went["target_twin"][1:] == [False, False, True, False, False]
    )


def test_the_two_critics_start_apart_and_have_targets_of_their_own(tiny_interactions):
    networks = made(tiny_interactions).networks
    one, other = (critic.get_weights() for critic in networks.critics())
    assert any((a != b).any() for a, b in zip(one, other, strict=True))
    for critic, target in zip(networks.critics(), networks.target_critics(), strict=True):
        for weight, copy in zip(critic.get_weights(), target.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, copy)


def lift(critic, by):
    """Every value of an anchored critic goes up: V is the last output of its perceptron."""
    bias = critic.perceptron.layers[-1].bias
    bias.assign(bias + by * np.eye(bias.shape[0])[-1])


def test_the_lesser_of_both_values_is_believed(tiny_interactions):
    agent = made(tiny_interactions, smoothing=0.0)
    run(agent, 4)
    batch = agent.replay.sample(16, tf.constant(0.0), tf.constant([0, 1])).transitions
    user = tf.gather(agent.user, batch.user)
    for number, critic in enumerate(agent.networks.target_critics()):
        kernel = critic.perceptron.layers[-1].kernel
        kernel.assign(tf.random.stateless_normal(kernel.shape, [0, number]))
    before, alone = agent._target(batch, user).numpy(), []
    for critic in agent.networks.target_critics():
        lift(critic, 100.0)
        alone.append(agent._target(batch, user).numpy())  # the other is the lesser everywhere
        lift(critic, -100.0)
    np.testing.assert_allclose(np.minimum(*alone), before, rtol=1e-3, atol=1e-3)
    assert np.max(alone) < np.max(before) + 37
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    for critic in agent.networks.target_critics():
        lift(critic, 100.0)
    np.testing.assert_allclose(agent._target(batch, user), before + 75, rtol=1e-3)


def test_the_next_action_is_smoothed_for_each_row_by_itself_and_not_far(tiny_interactions):
    agent = made(tiny_interactions, smoothing=0.5, smoothing_clip=0.2)
    noise = agent._next_proto(tf.zeros([200, 4])).numpy()
    assert np.abs(noise).max() == pytest.approx(0.2)
    assert len(np.unique(noise[:, 0])) > 50
    assert abs(noise.mean()) < 0.02
    assert np.abs(agent._next_proto(tf.ones([5, 4])).numpy()).max() <= 1
    still = made(tiny_interactions, smoothing=0.0)
    np.testing.assert_array_equal(still._next_proto(tf.fill([3, 4], 0.25)), np.full((3, 4), 0.25))


def test_cloning_weighs_the_distance_to_what_was_shown_against_a_q_of_size_one(tiny_interactions):
    agent, plain = made(tiny_interactions, cloning=3.0), made(tiny_interactions)
    run(agent, 4)
    batch = agent.replay.sample(16, tf.constant(0.0), tf.constant([0, 1])).transitions
    nets, user = agent.networks, tf.gather(agent.user, batch.user)
    items = nets.items.table().numpy()
    state = nets.state(user, tf.gather(items, batch.history))
    action = nets.actor(state, user).numpy()
    q = nets.critic(state, user, action).numpy()
    shown = items[batch.item] / np.linalg.norm(items[batch.item], axis=1, keepdims=True)
    expected = 3 * np.sum((action - shown) ** 2, axis=1).mean() - q.mean() / np.abs(q).mean()
    assert float(agent._actor_loss(state, user, batch)) == pytest.approx(expected, rel=1e-4)
    state = plain.networks.state(user, tf.gather(items, batch.history))
    q = plain.networks.critic(state, user, plain.networks.actor(state, user))
    expected = -float(tf.reduce_mean(q))
    assert float(plain._actor_loss(state, user, batch)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"policy_delay": 0}, {"smoothing": -1.0}, {"smoothing_clip": -0.1}, {"cloning": -1.0}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=f"`{next(iter(settings))}` must be (at least|in)"):
        TD3Config(**settings)
