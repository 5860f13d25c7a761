import numpy as np
import pytest
import tensorflow as tf

from drrec.nn.losses import (
    actor_loss,
    clipped_policy_loss,
    clipped_value_loss,
    cloning_loss,
    critic_loss,
    entropy_of,
    generalised_advantages,
    policy_gradient_loss,
    td_target,
)

ONE = tf.constant([1.0, 2.0])
COLUMN = ONE[:, None]


def test_td_target_by_hand():
    # r + γQ': a discount of 0, a true end, leaves the reward alone.
    target = td_target(tf.constant([1.0, -0.5]), tf.constant([0.9, 0.0]), tf.constant([10.0, 7.0]))
    np.testing.assert_allclose(target, [10.0, -0.5], rtol=1e-6)


def test_critic_loss_by_hand():
    loss = critic_loss(tf.constant([1.0, 3.0]), tf.constant([0.0, 1.0]), tf.constant([0.5, 1.0]))
    np.testing.assert_allclose(loss, (0.5 * 1 + 1.0 * 4) / 2)


def test_actor_loss_is_minus_the_mean_value():
    np.testing.assert_allclose(actor_loss(tf.constant([1.0, 5.0])), -3.0)


def test_no_gradient_flows_through_the_target():
    q = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        loss = critic_loss(q, td_target(ONE, ONE, q), ONE)
    # d/dq of w (q − y)² / 2 with y held: w (q − y), y = 1 + q and 2 + 2q.
    np.testing.assert_allclose(tape.gradient(loss, q), [1 * (1 - 2.0), 2 * (2 - 6.0)])


@pytest.mark.parametrize("place", range(3))
def test_td_target_refuses_a_wrong_rank(place):
    arguments = [ONE, ONE, ONE]
    arguments[place] = COLUMN
    name = ("reward", "discount", "next_q")[place]
    with pytest.raises(ValueError, match=rf"`{name}` of rank 1.*\(2, 1\).*[Ss]queeze"):
        td_target(*arguments)


@pytest.mark.parametrize("place", range(3))
def test_critic_loss_refuses_a_wrong_rank(place):
    arguments = [ONE, ONE, ONE]
    arguments[place] = COLUMN
    name = ("q", "target", "weight")[place]
    with pytest.raises(ValueError, match=rf"`{name}` of rank 1"):
        critic_loss(*arguments)


@pytest.mark.parametrize("wrong", [COLUMN, tf.constant(1.0)])
def test_actor_loss_refuses_a_wrong_rank(wrong):
    with pytest.raises(ValueError, match="`q` of rank 1"):
        actor_loss(wrong)


def test_cloning_is_the_squared_distance_of_rows():
    action, logged = tf.constant([[0.0, 3.0], [1.0, 1.0]]), tf.constant([[4.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(cloning_loss(action, logged), 25 / 2)
    with pytest.raises(ValueError, match="`logged` of rank 2"):
        cloning_loss(action, ONE)


def test_a_ratio_counts_only_as_far_as_it_is_believed():
    old = tf.math.log(tf.constant([0.5, 0.5, 0.5, 0.5]))
    new = tf.math.log(tf.constant([0.9, 0.9, 0.1, 0.1]))  # ratios 1.8 and 0.2
    advantage = tf.constant([1.0, -1.0, 1.0, -1.0])
    # min(1.8, 1.2), min(−1.8, −1.2), min(0.2, 0.8), min(−0.2, −0.8)
    expected = -(1.2 - 1.8 + 0.2 - 0.8) / 4
    np.testing.assert_allclose(clipped_policy_loss(new, old, advantage, 0.2), expected, rtol=1e-5)


def test_where_a_ratio_is_not_believed_no_gradient_flows():
    old = tf.math.log(tf.constant([0.5, 0.5]))
    new = tf.Variable(tf.math.log([0.9, 0.1]))
    with tf.GradientTape() as tape:
        loss = clipped_policy_loss(new, old, tf.constant([1.0, 1.0]), 0.2)
    np.testing.assert_allclose(tape.gradient(loss, new), [0.0, -0.2 / 2], rtol=1e-5)


def test_the_policy_gradient_is_the_advantage_of_each():
    log_prob = tf.Variable([-1.0, -2.0])
    with tf.GradientTape() as tape:
        loss = policy_gradient_loss(log_prob, tf.constant([3.0, -5.0]))
    np.testing.assert_allclose(loss, (3.0 - 10.0) / 2)
    np.testing.assert_allclose(tape.gradient(loss, log_prob), [-1.5, 2.5])


@pytest.mark.parametrize(("clip", "expected"), [(0.0, (1 + 4) / 2), (0.5, (2.25 + 4) / 2)])
def test_a_value_that_leaves_its_old_self_pays_the_worse_of_two_errors(clip, expected):
    value, old, target = tf.constant([2.0, 1.0]), tf.constant([1.0, 1.0]), tf.constant([3.0, 3.0])
    np.testing.assert_allclose(clipped_value_loss(value, old, target, clip), expected)


def test_entropy_is_that_of_what_may_be_shown():
    never = -float("inf")
    logits = tf.Variable([[0.0, 0.0, 0.0, never], [0.0, never, never, never]])
    with tf.GradientTape() as tape:
        entropy = entropy_of(logits)
    np.testing.assert_allclose(entropy, [np.log(3), 0.0], atol=1e-6)
    assert np.isfinite(tape.gradient(entropy, logits)).all()


@pytest.mark.parametrize("seed", range(3))
def test_advantages_are_the_sums_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    delta, decay = rng.normal(size=(5, 3)), rng.choice([0.0, 0.6, 0.9], (5, 3))
    expected = [
        [sum(delta[k, n] * np.prod(decay[t:k, n]) for k in range(t, 5)) for n in range(3)]
        for t in range(5)
    ]
    found = generalised_advantages(tf.constant(delta, tf.float32), tf.constant(decay, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
