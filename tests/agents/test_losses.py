import numpy as np
import pytest
import tensorflow as tf

from drrec.agents.losses import actor_loss, critic_loss, td_target

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
