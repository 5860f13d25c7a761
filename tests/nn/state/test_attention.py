import numpy as np

from drrec.nn.state.attention import Attention


def made(seed=0):
    state = Attention(width=8)
    state.build((None, 3), (None, 4, 3))
    rng = np.random.default_rng(seed)
    for weight in state.weights:
        weight.assign(rng.normal(size=weight.shape))
    return state


def vectors():
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 3)).astype("f"), rng.normal(size=(2, 4, 3)).astype("f")


def test_it_begins_with_the_user():
    user, history = vectors()
    np.testing.assert_array_equal(np.array(made()(user, history))[:, :3], user)


def test_the_order_of_what_was_liked_counts():
    user, history = vectors()
    swapped = history[:, [1, 0, 2, 3]]
    state = made()
    assert np.abs(np.array(state(user, history)) - np.array(state(user, swapped))).max() > 1e-3


def test_nobody_who_has_liked_nothing_has_a_reading():
    user, history = vectors()
    empty = np.array(made()(user, np.zeros_like(history)))
    np.testing.assert_array_equal(empty[:, 3:], 0)
