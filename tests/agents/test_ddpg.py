"""DDPG: each part of an iteration by itself, on one compiled agent that is put back to its start.

Learning rates are variables of the optimisers: a test that wants a part to stand still sets them.
"""

import re

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import (
    SMALL,
    as_graph,
    environment_over,
    put_back,
    random_vectors,
    rated_by_all,
    small,
    small_agent,
    values_of,
)
from tests.nn.modalities import random_modalities

from drrec.agents.checkpoint import restore_latest, save_checkpoint
from drrec.agents.config import DDPGConfig
from drrec.agents.ddpg import DDPG
from drrec.data.interactions import Interactions
from drrec.embeddings.config import ContentConfig
from drrec.errors import InputError
from drrec.nn.item_encoder import new_encoder

SETTINGS = {
    **{name: SMALL[name] for name in SMALL if hasattr(DDPGConfig, name)},
    "form": "anchored",
    "discount": 0.75,
    "tau": 0.25,
    "epsilon": 1.0,
    "std": 0.3,
    "lr_actor": 1e-2,
    "lr_critic": 1e-2,
}
N = SMALL["num_envs"]


@pytest.fixture(scope="module")
def compiled(tiny_interactions):
    """An agent, and every value that it started with."""
    agent = small_agent(tiny_interactions, **SETTINGS)
    return agent, values_of(agent)


@pytest.fixture
def agent(compiled) -> DDPG:
    """The compiled agent at its start."""
    made, start = compiled
    put_back(made, start)
    return made


def run(agent, iterations):
    return agent.run(tf.constant(iterations))


def stand_still(agent, *names):
    for name in names:
        getattr(agent.networks, f"{name}_optimizer").learning_rate.assign(0.0)


def weights(layer):
    return [np.array(weight) for weight in layer.trainable_variables]


def have_moved(before, after):
    return [not np.array_equal(one, other) for one, other in zip(before, after, strict=True)]


def test_two_calls_are_one_call_bit_for_bit(agent, compiled):
    run(agent, 40)
    once = values_of(agent)
    put_back(agent, compiled[1])
    run(agent, 15)
    run(agent, 25)
    for name, value in values_of(agent).items():
        np.testing.assert_array_equal(value, once[name], err_msg=name)
    assert agent.steps == 40 * N


def test_another_seed_is_another_start(agent, tiny_interactions, compiled):
    other, same = (
        values_of(small_agent(tiny_interactions, seed=seed, **SETTINGS)) for seed in (1, 0)
    )
    assert all(np.array_equal(same[name], value) for name, value in compiled[1].items())
    kernels = [name for name, value in compiled[1].items() if "networks/actor/" in name]
    assert any(not np.array_equal(other[name], compiled[1][name]) for name in kernels)
    assert (other["/sessions/user"] != compiled[1]["/sessions/user"]).any()


def test_the_critics_loss_trains_critic_and_state_and_nothing_else(agent):
    stand_still(agent, "actor")
    networks = agent.networks
    parts = (networks.state, networks.critic, networks.actor)
    before = [weights(part) for part in parts]
    run(agent, 3)
    state, critic, actor = (
        have_moved(old, weights(part)) for old, part in zip(before, parts, strict=True)
    )
    assert all(state)
    assert all(critic)
    assert not any(actor)


def test_the_actors_loss_trains_the_actor_and_nothing_else(agent):
    run(agent, 5)  # away from the start, where the critic's part that knows the state is zero
    stand_still(agent, "critic")
    networks = agent.networks
    parts = (networks.state, networks.critic, networks.actor)
    before = [weights(part) for part in parts]
    run(agent, 3)
    state, critic, actor = (
        have_moved(old, weights(part)) for old, part in zip(before, parts, strict=True)
    )
    assert not any(state)
    assert not any(critic)
    assert all(actor)


def test_the_actor_climbs_the_critic(agent):
    stand_still(agent, "actor")
    run(agent, 60)
    stand_still(agent, "critic")
    agent.networks.actor_optimizer.learning_rate.assign(1e-2)
    networks = agent.networks
    users = tf.range(60)
    histories = tf.zeros([60, 3], tf.int32)
    user = tf.gather(agent.user, users)
    state = networks.state(user, tf.gather(agent.networks.items.table(), histories))

    def value():
        return float(tf.reduce_mean(networks.critic(state, user, networks.actor(state, user))))

    before = value()
    run(agent, 100)
    assert value() > before + 0.01


def test_targets_go_a_share_tau_of_the_way(agent):
    stand_still(agent, "actor", "critic")
    pairs = agent.networks.target_pairs()
    for number, (online, target) in enumerate(pairs):
        online.assign(tf.random.stateless_normal(online.shape, [1, number]))
        target.assign(tf.random.stateless_normal(target.shape, [2, number]))
    before = [(online.numpy(), target.numpy()) for online, target in pairs]
    run(agent, 2)
    for (online, target), (old_online, old_target) in zip(pairs, before, strict=True):
        np.testing.assert_array_equal(online, old_online)
        expected = old_online + 0.75**2 * (old_target - old_online)
        np.testing.assert_allclose(target, expected, rtol=1e-4, atol=1e-6)


def test_every_network_has_a_target_that_starts_equal(agent):
    networks = agent.networks
    paired = {id(variable) for pair in networks.target_pairs() for variable in pair}
    for part in (networks.state, networks.actor, networks.critic):
        assert {id(weight.value) for weight in part.weights} <= paired
    for online, target in networks.target_pairs():
        assert online is not target
        np.testing.assert_array_equal(online, target)


def rows(agent):
    """What lies in the replay, by iteration and session: a list of dicts for each session."""
    count = int(agent.replay.size())
    columns = {name: v.numpy()[:count] for name, v in agent.replay.columns._asdict().items()}
    return [
        [{name: column[row] for name, column in columns.items()} for row in range(start, count, N)]
        for start in range(N)
    ]


def test_transitions_tell_the_sessions_as_they_went(agent, tiny_interactions):
    log = tiny_interactions
    rating = {
        (u, i): r for u, i, r in zip(log.user.tolist(), log.item.tolist(), log.rating, strict=True)
    }
    _, future = log.past_and_future(0.5)
    run(agent, 30)
    sessions = rows(agent)
    for session in sessions:
        shown = []
        for now, after in zip(session, [*session[1:], None], strict=True):
            user, item = int(now["user"]), int(now["item"])
            shown.append(item)
            assert item in future.item[future.user == user]
            assert now["reward"] == (rating[user, item] - 3) / 2
            moved = [*now["history"][1:], item] if now["reward"] > 0 else now["history"]
            np.testing.assert_array_equal(now["next_history"], moved)
            assert now["next_shown"].tolist() == shown + [0] * (4 - len(shown))
            assert len(set(shown)) == len(shown)
            assert now["discount"] == 0.75  # T = 4 is a time limit: an item was always left
            if after is None:
                continue
            if len(shown) < 4:
                assert after["user"] == user
                np.testing.assert_array_equal(after["history"], now["next_history"])
            else:
                shown = []
                opening = agent.environment.start(tf.constant([after["user"]])).history[0]
                np.testing.assert_array_equal(after["history"], opening)
    assert len({int(row["user"]) for session in sessions for row in session}) > 10


def test_the_reward_logged_is_the_mean_over_sessions(agent):
    metrics = run(agent, 20)
    paid = agent.replay.columns.reward.numpy()[: 20 * N]
    np.testing.assert_allclose(float(metrics.reward) / 20, paid.mean(), rtol=1e-5)


def noise_of(agent, count):
    columns = agent.replay.columns
    clean = agent.act(columns.user[:count], columns.history[:count]).numpy()
    return columns.action.numpy()[:count].astype(np.float32) - clean, clean


def test_noise_is_drawn_for_each_row_and_coordinate_and_dies_out(agent):
    stand_still(agent, "actor", "critic")
    run(agent, 32)
    noise, clean = noise_of(agent, 128)
    perturbed = np.abs(noise).max(axis=1) > 1e-3
    # ε falls from 1 to 0 in 400 steps: over the first 128 it is 0.845 on average.
    assert 0.7 < perturbed.mean() < 0.95
    assert len(np.unique(perturbed.reshape(-1, N).mean(axis=1))) > 2  # each row by itself
    drawn = noise[perturbed]
    assert len(np.unique(drawn.round(3), axis=0)) == len(drawn)
    free = drawn[np.abs(clean[perturbed] + drawn) < 0.999]
    assert abs(free.std() - 0.3) < 0.05
    assert abs(free.mean()) < 0.06
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.35
    assert np.abs(agent.replay.columns.action.numpy()).max() <= 1
    run(agent, 70)  # 408 steps and 32 iterations more: the whole ring is from after ε = 0
    run(agent, 32)
    noise, _ = noise_of(agent, 128)
    assert np.abs(noise).max() < 1e-3


def test_without_epsilon_there_is_no_noise(tiny_interactions):
    tf.config.run_functions_eagerly(True)
    try:
        agent = small_agent(tiny_interactions, **(SETTINGS | {"epsilon": 0.0}))
        clean = agent.act(agent.sessions.user, agent.sessions.history).numpy()
        run(agent, 1)
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_array_equal(agent.replay.columns.action[:N], clean.astype(np.float16))


def test_the_item_shown_is_the_available_one_that_the_action_scores_highest(agent):
    run(agent, 8)
    item = agent.networks.items.table().numpy()
    for session in rows(agent):
        for row in session:
            before = [shown for shown in row["next_shown"].tolist() if shown != row["item"]]
            before += [0] * (4 - len(before))
            user, shown = tf.constant([row["user"]]), tf.constant([before], tf.int32)
            left = np.flatnonzero(agent.environment.available(user, shown)[0])
            scores = item[left] @ row["action"].astype(np.float32)
            # The replay keeps actions in half precision.
            assert item[row["item"]] @ row["action"] > scores.max() - 0.005


def test_the_policy_is_the_actor_without_noise(agent):
    run(agent, 5)
    policy = agent.policy(agent.user.numpy(), agent.networks.items.table().numpy())
    users = np.array([3, 1, 4], np.int32)
    histories = np.array([[0, 5, 9], [0, 0, 0], [2, 6, 5]], np.int32)
    np.testing.assert_allclose(
        policy.actions(users, histories),
        agent.act(tf.constant(users), tf.constant(histories)),
        rtol=1e-6,
    )


def two_kinds_of_user():
    """Users 0 … 7 rate 24 items 5, the others four: all that can be paid is 1."""
    rows = [(user, item) for user in range(16) for item in range(24 if user < 8 else 4)]
    users, items = np.array(rows).T
    fives = np.full(len(rows), 5.0, np.float32)
    return Interactions.from_raw(users.astype(str), items.astype(str), fives, np.arange(len(rows)))


@pytest.mark.parametrize(("form", "critic_action"), [("plain", "proto"), ("anchored", "item")])
def test_reward_one_for_ever_is_worth_what_the_sum_says(form, critic_action):
    log = two_kinds_of_user()
    user, item = random_vectors(log)
    user[:, 0] = np.where(np.arange(16) < 8, 1.0, -1.0)
    settings = SETTINGS | {
        "form": form,
        "critic_action": critic_action,
        "std": 1.0,  # everything is shown at some time: else what follows is extrapolated
        "epsilon_steps": 10**9,
        "dim_critic": 32,
        "critic_l2": 0.0,
        "memory_size": 512,
        "batch_size": 64,
        "num_envs": 16,
    }
    agent = as_graph(DDPG.over(small(**settings), environment_over(log), user, item, seed=0))

    run(agent, 300)
    columns = agent.replay.columns
    vectors = tf.gather(agent.user, columns.user)
    encoded = agent.networks.state(
        vectors, tf.gather(agent.networks.items.table(), columns.history)
    )
    shown = tf.gather(agent.networks.items.table(), columns.item)
    action = shown if critic_action == "item" else tf.cast(columns.action, tf.float32)
    q = agent.networks.critic(encoded, vectors, action).numpy()

    # The log of the first kind never runs out in T steps, and a time limit is not an end.
    endless = columns.user.numpy() < 8
    ended = columns.discount.numpy() == 0
    assert not ended[endless].any()
    # Of four items the later two are shown: one step before the end, then the end.
    assert 0.4 < ended[~endless].mean() < 0.6
    assert set(columns.discount.numpy()[~ended].tolist()) == {0.75}
    assert abs(np.median(q[endless]) - 1 / (1 - 0.75)) < 0.2
    assert abs(np.median(q[ended]) - 1) < 0.15
    assert abs(np.median(q[~endless & ~ended]) - 1.75) < 0.15


def test_learns_a_preference_that_only_the_history_tells():
    # Half the users like even items, half odd ones; their own vectors are noise.
    users, items = np.divmod(np.arange(40 * 24), 24)
    likes = (users < 20) == (items % 2 == 0)
    order = np.random.default_rng(0).permutation(len(users))
    log = Interactions.from_raw(
        users.astype(str), items.astype(str), np.where(likes, 5.0, 1.0), order
    )
    item = np.zeros((25, 4), np.float32)
    item[1:, 0] = np.where(np.arange(24) % 2 == 0, 1.0, -1.0)
    item[1:, 1:] = np.random.default_rng(1).normal(0, 0.5, (24, 3))
    user = np.random.default_rng(2).normal(0, 0.3, (40, 4)).astype(np.float32)
    env = environment_over(log, state_size=3, episode_length=4)
    sizes = {"dim_actor": 16, "dim_critic": 16, "batch_size": 64, "memory_size": 2000}
    settings = SETTINGS | sizes | {"num_envs": 16}
    agent = as_graph(DDPG.over(small(**settings), env, user, item, seed=0))

    def mean_reward():
        policy = agent.policy(user, item)
        state, total = env.start(tf.range(40)), 0.0
        for _ in range(4):
            scores = policy.score(state.user.numpy(), state.history.numpy())
            shown = env.choose(tf.constant(scores), state.user, state.shown)
            state, outcome = env.step(state, shown)
            total += float(tf.reduce_mean(outcome.reward)) / 4
        return total

    assert abs(mean_reward()) < 0.4  # −1 … 1: chance is 0
    run(agent, 150)
    assert mean_reward() > 0.85


ENCODED = 3  # of 4 columns, the last ones


def agent_with_content(log, seed=0):
    """An agent that tunes an encoder of random features, which half of the items have."""
    modalities = random_modalities(log.num_items, (3, 4), share=0.3)
    config = ContentConfig(modality="video,audio", dropout=0.5)
    encoder = new_encoder(ENCODED, config, modalities)
    for number, weight in enumerate(encoder.trainable_weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.3, weight.shape))
    has_content = np.any([m.present for m in modalities], axis=0)
    settings = small(**(SETTINGS | {"lr_encoder": 1e-2}))
    vectors = random_vectors(log)
    made = DDPG.over(settings, environment_over(log), *vectors, seed, (encoder, modalities))
    return made, has_content


@pytest.fixture(scope="module")
def traced_tuning(tiny_interactions):
    agent, has_content = agent_with_content(tiny_interactions)
    return as_graph(agent), has_content, values_of(agent)


@pytest.fixture
def tuning(traced_tuning):
    """An agent at its start, which tunes an encoder, and who has content."""
    made, has_content, start = traced_tuning
    put_back(made, start)
    return made, has_content


def test_without_content_no_item_moves(agent):
    before = agent.networks.items.table().numpy()
    run(agent, 3)
    np.testing.assert_array_equal(agent.networks.items.table(), before)
    assert not agent.networks.items.variables
    assert not any("/networks/items/" in name for name in values_of(agent))


def test_the_critics_loss_alone_tunes_the_encoder(tuning):
    agent, has_content = tuning
    items, before = agent.networks.items, agent.networks.items.table().numpy()
    stand_still(agent, "encoder")
    run(agent, 3)
    np.testing.assert_array_equal(items.table(), before)
    stand_still(agent, "actor", "critic")
    agent.networks.encoder_optimizer.learning_rate.assign(1e-2)
    frozen = [np.array(weight) for weight in items.encoder.non_trainable_variables]
    fused = weights(items)
    run(agent, 3)
    assert all(have_moved(fused, weights(items)))
    for old, weight in zip(frozen, items.encoder.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(weight, old)
    after = items.table().numpy()
    moved = after != before
    assert 0.3 < has_content.mean() < 0.7
    np.testing.assert_array_equal(moved[~has_content], False)
    np.testing.assert_array_equal(moved[:, :-ENCODED], False)
    assert moved[has_content, -ENCODED:].all()


def test_tuning_the_encoder_alone_lowers_the_critics_loss(tuning):
    agent, _ = tuning
    stand_still(agent, "actor")
    run(agent, 150)  # a critic that has learned what there is to the items as they are
    stand_still(agent, "critic")

    def loss(iterations=200):
        return float(run(agent, iterations).critic_loss) / iterations

    stand_still(agent, "encoder")
    before = loss()
    agent.networks.encoder_optimizer.learning_rate.assign(3e-2)
    loss()
    stand_still(agent, "encoder")
    assert loss() < 0.95 * before


def test_the_encoders_target_goes_a_share_tau_of_the_way(tuning):
    agent, _ = tuning
    stand_still(agent, "actor", "critic", "encoder")
    items, target = agent.networks.items, agent.networks.target_items
    paired = {id(variable) for pair in agent.networks.target_pairs() for variable in pair}
    for table in (items, target):
        assert {id(weight.value) for weight in table.weights} <= paired
    for weight in items.encoder.trainable_weights:
        weight.assign(weight + 1)
    online, start = items.table().numpy(), target.table().numpy()
    run(agent, 2)
    np.testing.assert_array_equal(items.table(), online)
    expected = online + 0.75**2 * (start - online)
    # With early concat the table is linear in what the encoder learns.
    np.testing.assert_allclose(target.table(), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(online - start).max() > 0.5


def test_deployed_items_move_as_far_as_the_rehearsals(tuning, tiny_interactions):
    agent, has_content = tuning
    before = agent.networks.items.table().numpy()
    run(agent, 5)
    user, _ = random_vectors(tiny_interactions)
    other = np.random.default_rng(7).normal(size=before.shape).astype(np.float32)
    policy = agent.policy(user, other)
    way = agent.networks.items.table().numpy() - before
    np.testing.assert_allclose(policy.item - other, way, atol=1e-5)
    assert np.abs(way[has_content]).max() > 1e-3


@pytest.fixture
def _in_python():
    tf.config.run_functions_eagerly(True)  # a few iterations are not worth a compilation
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_in_python")
def test_tuning_goes_on_from_a_checkpoint_bit_for_bit(tuning, tiny_interactions, tmp_path):
    agent, _ = tuning
    run(agent, 4)
    save_checkpoint(tmp_path, agent.learner, agent.steps)
    run(agent, 4)
    expected, table = values_of(agent), agent.networks.items.table().numpy()
    other, _ = agent_with_content(tiny_interactions, seed=0)
    for weight in other.networks.items.encoder.weights:
        weight.assign(weight + 1)  # what it goes on from can only be the checkpoint
    assert restore_latest(tmp_path, other.learner) == 4 * N
    run(other, 4)
    for name, value in values_of(other).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    np.testing.assert_array_equal(other.networks.items.table(), table)
    assert any("/networks/encoder_optimizer/" in name for name in expected)


def test_same_seed_same_tuning_from_the_start(traced_tuning, tiny_interactions):
    again, _ = agent_with_content(tiny_interactions)
    for name, value in values_of(again).items():
        np.testing.assert_array_equal(value, traced_tuning[2][name], err_msg=name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"discount": 1.0}, "`discount` must be in"),
        ({"discount": -0.1}, "`discount` must be in"),
        ({"memory_size": 10, "batch_size": 11}, "`memory_size` must be at least `batch_size` = 11"),
        ({"memory_size": 10, "batch_size": 1, "num_envs": 11}, "at least `num_envs` = 11"),
        ({"num_envs": 0}, "`num_envs` must be in [1, 65536]. Received: 0"),
        ({"batch_size": -1}, "`batch_size` must be in [1, 1000000]"),
        ({"dim_actor": 0}, "`dim_actor` must be in [1, 65536]"),
        ({"epsilon": 1.5}, "`epsilon` must be in [0, 1]. Received: 1.5"),
        ({"epsilon_steps": 0}, "`epsilon_steps` must be in [1, 1000000000000]"),
        ({"std": float("nan")}, "`std` must be at least 0. Received: nan"),
        ({"tau": 0.0}, "`tau` must be in (0, 1]. Received: 0.0"),
        ({"lr_critic": -1e-3}, "`lr_critic` must be in (0, 1]"),
        ({"lr_encoder": 0.0}, "`lr_encoder` must be in (0, 1]"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=re.escape(words)):
        DDPGConfig(**settings)


def test_nothing_learns_from_a_log_without_sessions():
    with pytest.raises(InputError, match="at least two ratings"):
        environment_over(rated_by_all(5, 2))
