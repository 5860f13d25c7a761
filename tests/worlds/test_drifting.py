"""The drifting world: it turns as told, its best sessions are the best, chance is what it is."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drrec.worlds.drifting import DriftingWorld, best_sessions, chance_rewards, earned, regret


def world_of(seed: int, **sizes) -> DriftingWorld:
    sizes = {"num_users": 3, "num_items": 6, "dim": 4, "steps": 4, "turn": 0.8} | sizes
    return DriftingWorld.drawn(np.random.default_rng(seed), **sizes)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(4, 6))
def test_no_order_of_any_items_earns_more(seed, steps, num_items) -> None:
    world = world_of(seed, steps=steps, num_items=num_items)
    users = np.array([2, 0])
    best = best_sessions(world, users)
    totals = []
    for user in users:
        paid = world.user[user].astype(float) @ world.item.T.astype(float)
        orders = itertools.permutations(range(1, num_items + 1), steps)
        totals.append(max(sum(paid[t, i] for t, i in enumerate(order)) for order in orders))
    assert earned(world, users, best) == pytest.approx(totals, abs=1e-6)
    assert (np.array([len(set(row)) for row in best.tolist()]) == steps).all()
    assert (best > 0).all()
    assert regret(world, users, best) == pytest.approx([0, 0], abs=1e-12)
    assert (regret(world, users, best[:, ::-1]) >= -1e-6).all()


def test_greed_regrets_where_tastes_drift_and_not_where_they_stand_still() -> None:
    """With all rewards of one order at each step, which items are shown when makes no odds."""
    users = np.arange(20)
    for turn, low, high in ((0.5, 0.3, 3.0), (0.0, -1e-6, 1e-6)):
        world = world_of(1, num_users=20, num_items=12, steps=8, dim=4, turn=turn)
        rewards, shown = world.rewards(users), np.zeros((20, 8), int)
        for step in range(8):
            left = rewards[:, step].copy()
            left[:, 0] = -np.inf
            np.put_along_axis(left, shown[:, :step], -np.inf, axis=1)
            shown[:, step] = left.argmax(axis=1)
        assert low < regret(world, users, shown).mean() < high


def test_a_session_by_lot_earns_the_mean_over_all_items() -> None:
    world = world_of(3, num_items=7, steps=3)
    orders = np.array(list(itertools.permutations(range(1, 8), 3)))
    for user in range(3):
        mean = earned(world, np.full(len(orders), user), orders).mean()
        assert chance_rewards(world, np.array([user])) == pytest.approx([mean], abs=1e-6)


def test_vectors_have_length_one_and_turn_by_the_same_angles_each_step() -> None:
    world = world_of(4, num_users=50, steps=6, dim=6, turn=0.3)
    np.testing.assert_allclose(np.linalg.norm(world.user, axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(world.item[1:], axis=1), 1, atol=1e-6)
    assert (world.item[0] == 0).all()
    plane = world.user[..., :3] + 1j * world.user[..., 3:]
    angle = np.angle(plane[:, 1:] / plane[:, :-1])
    np.testing.assert_allclose(angle, np.repeat(angle[:, :1], 5, axis=1), atol=1e-4)
    assert 0.25 < np.abs(angle).max() <= 0.3 + 1e-4
    assert angle[:, 0].std(axis=0).min() > 0.1


def test_the_log_tells_of_the_first_step(monkeypatch) -> None:
    monkeypatch.setattr("drrec.worlds.drifting.NOISE", 0.0)
    world = world_of(5, num_users=8, num_items=30, steps=20)
    log = world.log(np.random.default_rng(0), 12)
    assert (log.num_users, log.num_items, len(log)) == (8, 31, 96)
    assert log.counts().tolist() == [12] * 8
    assert len(set(zip(log.user.tolist(), log.item.tolist(), strict=True))) == 96
    assert (np.diff(log.timestamp) > 0).all()
    assert (log.item.min() >= 1) & (log.item.max() <= 30)
    reward = (world.user[log.user, 0] * world.item[log.item]).sum(axis=1)
    np.testing.assert_array_equal(log.rating, np.rint(3 + 2 * reward))
    assert log.items.raw[log.item[0]] == f"i{log.item[0]}"


@pytest.mark.parametrize("sizes", [{"dim": 3}, {"num_items": 3}])
def test_a_world_that_cannot_be_is_refused(sizes) -> None:
    with pytest.raises(ValueError, match="Expected an even `dim`"):
        world_of(0, **sizes)
