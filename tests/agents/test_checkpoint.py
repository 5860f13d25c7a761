"""A checkpoint holds everything that learns, is whole or absent, and fits its own run only."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_agent

from drrec.agents.checkpoint import checkpoints, named_variables, restore_latest, save_checkpoint
from drrec.errors import InputError


@pytest.fixture
def agent(tiny_interactions):
    return small_agent(tiny_interactions)


def scramble(learner, seed=0):
    """Give every variable a value of its own."""
    generator = np.random.default_rng(seed)
    for _, variable in named_variables(learner):
        drawn = generator.integers(1, 50, variable.shape)
        variable.assign(tf.cast(drawn, variable.dtype))


def values_of(learner):
    return {name: variable.numpy() for name, variable in named_variables(learner)}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_variable_that_the_compiled_loop_touches_is_named(agent):
    traced = agent._run.get_concrete_function(tf.constant(1)).variables
    named = [variable for _, variable in named_variables(agent.learner)]
    # With no encoder to be tuned, its optimizer has a counter and a rate, and nothing to do.
    idle = {id(v.value) for v in agent.networks.encoder_optimizer.variables}
    assert len(idle) == 2
    assert {id(variable) for variable in traced} == {id(v) for v in named} - idle
    assert len(named) == len({name for name, _ in named_variables(agent.learner)})


def test_networks_optimizers_replay_sessions_and_counter_are_named(agent):
    networks, replay = agent.networks, agent.replay
    expected = sum(
        len(getattr(networks, field.name).variables) for field in dataclasses.fields(networks)
    )
    expected += len(replay.columns) + 3  # priorities, the highest of them, how many were written
    expected += len(agent.sessions) + 1  # the counter of steps and of all random streams
    assert len(list(named_variables(agent.learner))) == expected
    for optimizer in (networks.actor_optimizer, networks.critic_optimizer):
        assert len(optimizer.variables) > 2  # its slots exist before the first step


def test_what_holds_no_variables_is_refused():
    @dataclasses.dataclass
    class Learner:
        weight: tf.Variable
        settings: list

    with pytest.raises(TypeError, match=r"at '/settings'\. Received: \[\]"):
        list(named_variables(Learner(tf.Variable(1.0), [])))


def test_round_trip(agent, tiny_interactions, tmp_path):
    scramble(agent.learner)
    saved = values_of(agent.learner)
    save_checkpoint(tmp_path, agent.learner, 1234)
    other = small_agent(tiny_interactions, seed=5)
    assert restore_latest(tmp_path, other.learner) == 1234
    for name, value in values_of(other.learner).items():
        np.testing.assert_array_equal(value, saved[name], err_msg=name)
        assert value.dtype == saved[name].dtype


def test_nothing_to_restore_is_step_0_and_leaves_the_learner(agent, tmp_path):
    before = values_of(agent.learner)
    assert restore_latest(tmp_path / "missing", agent.learner) == 0
    for name, value in values_of(agent.learner).items():
        np.testing.assert_array_equal(value, before[name])


@dataclasses.dataclass(frozen=True)
class Small:
    layer: keras.layers.Layer
    step: tf.Variable

    @classmethod
    def make(cls, width=3):
        layer = keras.layers.Dense(width)
        layer.build((None, 2))
        return cls(layer, tf.Variable(0, dtype=tf.int64))


def test_the_last_by_step_is_picked_and_two_are_kept(tmp_path):
    learner = Small.make()
    for step in (5, 90, 1_000, 20_000):
        learner.step.assign(step)
        save_checkpoint(tmp_path, learner, step)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "step-000000001000.npz",
        "step-000000020000.npz",
    ]
    assert restore_latest(tmp_path, learner) == 20_000
    (tmp_path / "step-000000020000.npz").unlink()
    assert restore_latest(tmp_path, learner) == int(learner.step) == 1_000


def test_a_half_written_side_file_is_never_picked(tmp_path):
    learner = Small.make()
    save_checkpoint(tmp_path, learner, 7)
    (tmp_path / ".step-000000000009.npz.abc.part").write_bytes(b"half")
    (tmp_path / "step-000000000009.npz.part").write_bytes(b"half")
    (tmp_path / "step-best.npz").write_bytes(b"somebody's own")
    assert restore_latest(tmp_path, learner) == 7


def damaged(path, how):
    whole = path.read_bytes()
    if how == "flipped":
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    else:
        path.write_bytes({"cut": whole[:-30], "empty": b"", "text": b"text"}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "text", "flipped"])
def test_a_damaged_one_is_refused_and_leaves_the_learner(tmp_path, how):
    learner = Small.make(200)
    path = save_checkpoint(tmp_path, learner, 7)
    damaged(path, how)
    scramble(learner)
    before = values_of(learner)
    with pytest.raises(InputError, match=r"Expected a whole checkpoint in .*step-.* to train from"):
        restore_latest(tmp_path, learner)
    for name, value in values_of(learner).items():
        np.testing.assert_array_equal(value, before[name])


def test_other_shapes_are_refused_by_name_and_leave_the_learner(tmp_path):
    save_checkpoint(tmp_path, Small.make(width=3), 7)
    learner = Small.make(width=4)
    before = values_of(learner)
    with pytest.raises(InputError, match=r"first /layer/0\. Resume with the settings"):
        restore_latest(tmp_path, learner)
    for name, value in values_of(learner).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_variable_too_many_is_refused_by_name(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class More(Small):
        extra: tf.Variable = dataclasses.field(default_factory=lambda: tf.Variable(0.0))

    save_checkpoint(tmp_path, More.make(), 7)
    with pytest.raises(InputError, match="first /extra"):
        restore_latest(tmp_path, Small.make())


def test_a_full_disk_leaves_the_old_one(tmp_path, monkeypatch):
    learner = Small.make()
    learner.step.assign(7)
    save_checkpoint(tmp_path, learner, 7)

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(tmp_path, learner, 9)
    assert names(tmp_path) == ["step-000000000007.npz"]
    assert restore_latest(tmp_path, learner) == 7


def two_of(tmp_path):
    learner = Small.make()
    for step in (5, 9):
        learner.step.assign(step)
        save_checkpoint(tmp_path, learner, step, "mine")
    return learner


@pytest.mark.parametrize("how", ["cut", "empty", "text", "flipped", "words"])
def test_of_a_broken_one_it_falls_back_to_the_one_before_and_says_so(tmp_path, caplog, how):
    learner = two_of(tmp_path)
    last = checkpoints(tmp_path)[-1]
    if how == "words":
        with np.load(last) as arrays:
            wrong = dict(arrays) | {"/step": np.array("x")}
        np.savez(last, **wrong)
    else:
        damaged(last, how)
    assert restore_latest(tmp_path, learner, "mine") == int(learner.step) == 5
    assert [record.getMessage() for record in caplog.records] == [
        f"{last} is broken: going on from step-000000000005.npz"
    ]


def test_one_that_is_later_and_broken_goes_with_the_next(tmp_path):
    learner = two_of(tmp_path)
    damaged(checkpoints(tmp_path)[-1], "cut")
    save_checkpoint(tmp_path, learner, 7, "mine")
    assert names(tmp_path) == ["step-000000000005.npz", "step-000000000007.npz"]


def test_where_all_are_broken_nothing_is_begun_anew(tmp_path):
    learner = two_of(tmp_path)
    for path in checkpoints(tmp_path):
        damaged(path, "cut")
    with pytest.raises(InputError, match=rf"step-000000000005.*Remove {tmp_path} to train from"):
        restore_latest(tmp_path, learner, "mine")


def test_one_of_other_settings_is_refused_and_leaves_the_learner(tmp_path):
    learner = two_of(tmp_path)
    learner.step.assign(77)
    with pytest.raises(InputError, match=r"settings.*Received: others\. Undo the change of config"):
        restore_latest(tmp_path, learner, "another's")
    assert int(learner.step) == 77
    assert restore_latest(tmp_path, learner) == 9
