"""The three state modules by hand, on items so small that every product can be read."""

import numpy as np
import pytest

from drrec.nn.state.drr import DRRP, DRRU, DRRAve
from drrec.registry import STATES

USER = np.array([[2.0, -1.0]], np.float32)
HISTORY = np.array([[[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]]], np.float32)  # [1, 3, 2]
WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)
# w_i · i_i: [0.5, 1], [3, −1], [1, 8]; their products by pairs (0,1), (0,2), (1,2).
PAIRS = [1.5, -1.0, 0.5, 8.0, 3.0, -8.0]


def state_of(module, weights, user=USER, history=HISTORY):
    module.build(user.shape, history.shape)
    module.position_weight.assign(weights)
    return np.array(module(user, history))


def test_drr_p_is_the_weighted_items_and_their_products():
    np.testing.assert_allclose(
        state_of(DRRP(), WEIGHTS)[0], [0.5, 1.0, 3.0, -1.0, 1.0, 8.0, *PAIRS], rtol=1e-6
    )


def test_drr_p_does_not_read_the_user():
    np.testing.assert_array_equal(
        state_of(DRRP(), WEIGHTS), state_of(DRRP(), WEIGHTS, user=USER * 100)
    )


def test_drr_u_multiplies_each_weighted_item_by_the_user():
    np.testing.assert_allclose(
        state_of(DRRU(), WEIGHTS)[0], [1.0, -1.0, 6.0, 1.0, 2.0, -8.0, *PAIRS], rtol=1e-6
    )


def test_drr_ave_is_user_product_and_average():
    # Σ w_j · i_j = [4.5, 8].
    np.testing.assert_allclose(
        state_of(DRRAve(), WEIGHTS)[0], [2.0, -1.0, 9.0, -8.0, 4.5, 8.0], rtol=1e-6
    )


def test_drr_ave_starts_from_the_plain_average():
    module = DRRAve()
    average = HISTORY[0].mean(axis=0)
    np.testing.assert_allclose(np.array(module(USER, HISTORY))[0, 4:], average, rtol=1e-6)


@pytest.mark.parametrize("module", [DRRP, DRRU])
def test_other_modules_start_with_each_item_as_it_is(module):
    built = module()
    built(USER, HISTORY)
    np.testing.assert_array_equal(np.array(built.position_weight), np.ones(3))


@pytest.mark.parametrize("name", ["drr_p", "drr_u", "drr_ave"])
def test_a_padded_row_adds_nothing_whatever_its_weight(name):
    padded = HISTORY.copy()
    padded[0, 0] = 0
    one, other = (
        state_of(STATES[name](), np.array([first, 1.0, 2.0], np.float32), history=padded)
        for first in (0.5, 70.0)
    )
    np.testing.assert_array_equal(one, other)


def test_padding_to_a_longer_history_leaves_drr_ave_alone():
    longer = np.concatenate([np.zeros((1, 2, 2), np.float32), HISTORY], axis=1)  # [1, 5, 2]
    weights = np.concatenate([[9.0, -9.0], WEIGHTS]).astype(np.float32)
    np.testing.assert_allclose(
        state_of(DRRAve(), weights, history=longer), state_of(DRRAve(), WEIGHTS), rtol=1e-6
    )


def test_padding_to_a_longer_history_only_adds_zeros_to_drr_p():
    longer = np.concatenate([np.zeros((1, 1, 2), np.float32), HISTORY], axis=1)
    weights = np.concatenate([[9.0], WEIGHTS]).astype(np.float32)
    state = state_of(DRRP(), weights, history=longer)[0].reshape(-1, 2)  # [4 + 6, 2]
    short = state_of(DRRP(), WEIGHTS)[0].reshape(-1, 2)
    np.testing.assert_array_equal(state[[0, 4, 5, 6]], 0)
    np.testing.assert_allclose(state[[1, 2, 3, 7, 8, 9]], short, rtol=1e-6)


def test_one_item_has_no_pairs():
    assert state_of(DRRP(), WEIGHTS[:1], history=HISTORY[:, :1]).shape == (1, 2)
    assert state_of(DRRU(), WEIGHTS[:1], history=HISTORY[:, :1]).shape == (1, 2)
