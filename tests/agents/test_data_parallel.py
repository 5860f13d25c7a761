"""Processes that learn together: the mean of their gradients is one process's gradient."""

import threading

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import Lender, environment_over, random_vectors, small, values_of

from drrec.agents import data_parallel
from drrec.agents.checkpoint import named_variables, restore_latest, save_checkpoint
from drrec.agents.data_parallel import InParallel, Rank
from drrec.agents.settings import Settings
from drrec.agents.shards import Shard
from drrec.cluster.actors import LostError
from drrec.errors import InputError
from drrec.registry import AGENTS

N = 4
FAST = {"lr_actor": 1e-2, "lr_critic": 1e-2, "discount": 0.5}
EAGER = pytest.mark.parametrize("name", ["ddpg", "td3", "sac", "ppo", "a2c"])


@pytest.fixture(scope="module", autouse=True)
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def environment(tiny_interactions):
    return environment_over(tiny_interactions)


@pytest.fixture(scope="module")
def lender(environment):
    return Lender(lambda name, shard=None: built(name, environment, shard))


@pytest.fixture
def made(lender):
    """Gives an agent by its name and, if there are several processes, its shard."""
    yield lender
    lender.take_back()


def built(name, environment, shard=None, **settings):
    short = {"horizon": 2} if name in ("ppo", "a2c") else {}
    config = small(name, **(FAST | short | settings))
    agent = AGENTS[name].of(Settings(seed=3, environment=environment.config, agent=config))
    agent.shard = shard or Shard()
    agent.set_up(environment, *random_vectors(environment.log))
    return agent


class Exchange:
    """The mean over threads, each of which stands for a process."""

    def __init__(self, count):
        self._given, self._count = {}, count
        self._barrier = threading.Barrier(count, timeout=300)
        self.exchanged = 0

    def of(self, rank):
        def averaged(tensors):
            self._given[rank] = tensors
            self._barrier.wait()
            every = [self._given[each] for each in range(self._count)]
            means = [tf.add_n([*parts]) / self._count for parts in zip(*every, strict=True)]
            self.exchanged += self._barrier.wait() == 0
            return means

        return averaged


class Threads:
    """Ranks as threads; the given calls lose a process, as if it had been killed."""

    def __init__(self, agents, lost=()):
        exchange = Exchange(len(agents))
        self._ranks = [Rank(agent, exchange.of(rank)) for rank, agent in enumerate(agents)]
        self._lost, self.calls, self.exchange = lost, [], exchange

    def __call__(self, method, arguments):
        self.calls.append((method, *arguments[0][:1]) if method == "run" else (method,))
        if self.calls[-1] in self._lost:
            raise LostError("a process")
        answers = {}

        def answer(rank):
            answers[rank] = getattr(self._ranks[rank], method)(*arguments[rank])

        threads = [threading.Thread(target=answer, args=(r,)) for r in range(len(self._ranks))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answers[rank] for rank in range(len(self._ranks))]

    def close(self):
        self.calls.append(("close",))


def together(made, name, count=2, begun=None, lost=((),)):
    """A learner of so many ranks; each new beginning is put down in `begun`."""
    begun = [] if begun is None else begun

    def begin():
        shards = [Shard(rank, count) for rank in range(count)]
        agents = [made(name, shard) for shard in shards]
        begun.append(Threads(agents, lost[min(len(begun), len(lost) - 1)]))
        return begun[-1]

    return InParallel(made(name, Shard(0, count)), begin)


def networks_of(agent):
    return {name: v.numpy() for name, v in named_variables(agent.networks)}


def assert_equal(values, expected):
    assert values.keys() == expected.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@EAGER
def test_one_process_is_the_agent_itself(name, made):
    alone, learner = made(name), together(made, name, 1)
    sums = [float(each) for each in alone.run(tf.constant(1))]
    assert [*learner.run(tf.constant(1))] == pytest.approx(sums)
    assert learner.steps == alone.steps
    values = {name: v.numpy() for name, v in named_variables(learner.learner)}
    assert_equal(values, values_of(alone))


def test_two_with_the_same_streams_are_one_with_half_of_everything(made, environment):
    agents = [made("ddpg", Shard(0, 2)) for _ in range(2)]
    halves = {"batch_size": 8, "num_envs": 2, "memory_size": 64, "epsilon_steps": 200}
    alone = built("ddpg", environment, **halves)
    processes = Threads(agents)
    processes("run", [(2,)] * 2)
    alone.run(tf.constant(2))
    assert processes.exchange.exchanged == 2 * 2  # critic and actor
    for agent in agents:
        assert_equal(networks_of(agent), networks_of(alone))


def test_the_mean_gradient_of_two_batches_is_that_of_both_together(made, monkeypatch):
    agent = made("ddpg")
    agent.run(tf.constant(4))
    samples = [agent.replay.sample(8, tf.constant(0.5), tf.constant([1, s])) for s in (1, 2)]
    joint = tf.nest.map_structure(lambda *both: tf.concat(both, axis=0), *samples)
    seen = []
    optimizer = agent.networks.critic_optimizer
    monkeypatch.setattr(optimizer, "apply", lambda gradients: seen.append(gradients))
    for sample in (*samples, joint):
        user = tf.gather(agent.user, sample.transitions.user)
        agent._update_critic(sample, user, sample.transitions.reward)
    for one, other, both in zip(*seen, strict=True):
        np.testing.assert_allclose((one + other) / 2, both, rtol=1e-4, atol=1e-6)
    assert any((one - other).numpy().any() for one, other in zip(*seen[:2], strict=True))


def test_gradients_are_clipped_after_their_mean_is_taken(environment, monkeypatch):
    agent, seen = built("ddpg", environment, clip_norm=1.0), []
    agent.averaged = lambda gradients: [each / 2 for each in gradients]
    optimizer = agent.networks.actor_optimizer
    monkeypatch.setattr(optimizer, "apply", lambda gradients: seen.append(gradients))
    weight = agent.networks.actor.trainable_variables[0]
    for scale in (1.0, 100.0):
        with tf.GradientTape() as tape:
            loss = scale * weight.value[0, 0]
        agent._descend(optimizer, tape, loss, [weight])
    assert [float(tf.linalg.global_norm(each)) for each in seen] == pytest.approx([0.5, 1.0])


@EAGER
def test_weights_stay_equal_and_all_else_is_each_ones_own(name, made):
    begun = []
    learner = together(made, name, begun=begun)
    learner.run(tf.constant(1))
    one, other = (rank.agent for rank in begun[0]._ranks)
    assert_equal(networks_of(one), networks_of(other))
    assert (one.sessions.history.numpy() != other.sessions.history.numpy()).any()
    assert learner.steps == N * one.steps_each
    if name == "ddpg":
        assert one.replay.capacity == other.replay.capacity == 64
        assert int(one.replay.written) == int(other.replay.written) == 2
        written = [each.replay.columns.action.numpy()[:2] for each in (one, other)]
        assert (written[0] != written[1]).any()


def test_weights_that_differ_are_seen(made):
    begun = []
    learner = together(made, "ddpg", begun=begun)
    learner.run(tf.constant(1))
    begun[0]._ranks[1].agent.networks.actor.trainable_variables[0].assign_add([[1e-6]])
    with pytest.raises(RuntimeError, match="same weights"):
        learner.run(tf.constant(1))


def test_ranks_begin_where_each_of_them_would(made):
    """What the learner hands to new ranks is what they have by themselves."""
    learner = together(made, "ddpg")
    other = made("ddpg", Shard(1, 2))
    for variable, value in zip(
        learner._variables()[1], dict(named_variables(other.learner)).values(), strict=True
    ):
        np.testing.assert_array_equal(variable, value)


def state_of(learner):
    return {name: variable.numpy() for name, variable in named_variables(learner.learner)}


@pytest.fixture(scope="module")
def undisturbed(lender):
    """Three iterations in two runs, nobody lost; all values at the end, and the metrics of both."""
    learner = together(lender, "ddpg")
    ran = [[float(each) for each in learner.run(tf.constant(count))] for count in (1, 2)]
    return state_of(learner), ran


@pytest.mark.parametrize(
    ("lost", "fetched"),
    [([("run", 2)], False), ([("run", 2)], True), ([("state",)], False)],
)
def test_after_a_loss_the_same_training_comes_out(made, undisturbed, lost, fetched):
    begun = []
    learner = together(made, "ddpg", begun=begun, lost=(lost, ()))
    ran = [[float(each) for each in learner.run(tf.constant(1))]]
    if fetched:
        assert int(learner.learner["iteration"]) == 1
    ran.append([float(each) for each in learner.run(tf.constant(2))])
    assert ran == undisturbed[1]
    assert_equal(state_of(learner), undisturbed[0])
    assert begun[0].calls[-1] == ("close",)
    assert len(begun) == 2
    if fetched:
        assert ("run", 1) not in begun[1].calls  # it goes on from what was fetched


def test_a_checkpoint_carries_on_as_if_nothing_had_been(made, undisturbed, tmp_path):
    killed, resumed = (together(made, "ddpg") for _ in range(2))
    killed.run(tf.constant(1))
    save_checkpoint(tmp_path, killed.learner, killed.steps)
    assert restore_latest(tmp_path, resumed.learner) == resumed.steps == N
    resumed.run(tf.constant(2))
    assert_equal(state_of(resumed), undisturbed[0])


def test_a_process_that_is_lost_ever_again_is_said_in_one_line(made, monkeypatch):
    monkeypatch.setattr(data_parallel, "MOST_RETRIES", 1)
    begun = []
    learner = together(made, "ddpg", begun=begun, lost=([("set_state",)],))
    with pytest.raises(InputError, match="Received: one was killed 2 times"):
        learner.run(tf.constant(1))
    assert len(begun) == 2
