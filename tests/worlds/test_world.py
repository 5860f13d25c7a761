import dataclasses

import numpy as np
import pytest

from drrec.arrays import write_arrays
from drrec.data.interactions import IdMap
from drrec.errors import InputError
from drrec.worlds.world import IS_LOUD, World


@pytest.fixture(scope="module")
def world() -> World:
    return World.drawn(np.random.default_rng(3), 12, 7)


def maps(world, users, items):
    item = IdMap(np.array(["", *world.items[items]]), "item")
    return IdMap(world.users[users], "user"), item


def test_the_truth_of_a_part_in_another_order(world):
    users, items = [4, 0, 6], [11, 3, 5, 7]
    truth = world.truth(*maps(world, users, items))
    assert truth.appeal.shape == (3, 5)
    assert truth.kind.tolist() == [5, *world.kind[items].tolist()]
    for row, user in enumerate(users):
        for column, item in enumerate(items, 1):
            appeal = world.taste[user, world.kind[item]] + world.quality[item]
            appeal += sum(w * t for w, t in zip(world.weight[user], world.trait[item], strict=True))
            assert truth.appeal[row, column] == pytest.approx(appeal, abs=1e-6)
    np.testing.assert_array_equal(truth.boredom[:5, :5], world.boredom.astype(np.float32))
    assert not truth.boredom[5].any()
    assert not truth.boredom[:, 5].any()


def test_loud_kinds_please_more_and_cost_more_than_they_please(world):
    crowd = World.drawn(np.random.default_rng(0), 10, 4000)
    gained = crowd.taste[:, IS_LOUD].mean() - crowd.taste[:, ~IS_LOUD].mean()
    between = crowd.boredom[~np.eye(5, dtype=bool)].reshape(5, 4)
    lost = between[IS_LOUD].mean() - between[~IS_LOUD].mean()
    assert 0 < lost < gained + lost
    assert gained < crowd.window * lost


def test_what_is_saved_is_loaded(world, tmp_path):
    world.save(tmp_path / "world.npz")
    again = World.load(tmp_path / "world.npz")
    for field in dataclasses.fields(World):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(world, field.name))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut"])
def test_a_broken_world_is_refused(content, tmp_path):
    (tmp_path / "world.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"Expected a world in .*run.py data demo"):
        World.load(tmp_path / "world.npz")


def test_arrays_of_something_else_are_refused(tmp_path):
    write_arrays(tmp_path / "world.npz", {"a": np.zeros(3)})
    with pytest.raises(InputError, match=r"Expected a world .* Received: a file with a\."):
        World.load(tmp_path / "world.npz")


@pytest.mark.parametrize(("users", "items"), [(["u1", "u9"], ["f01"]), (["u1"], ["f01", "zz"])])
def test_a_log_of_another_world_is_refused(world, users, items):
    maps = IdMap(np.array(users), "user"), IdMap(np.array(["", *items]), "item")
    with pytest.raises(InputError, match=r"Expected a world that knows every .*'(u9|zz)'"):
        world.truth(*maps)
