"""The supervised actor-critic: what it reads, what it is asked, and what it makes of the answer."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import (
    SMALL,
    environment_over,
    random_vectors,
    rated_by_all,
    small_config,
    values_of,
)

from drrec.agents.config import AgentConfig, SupervisedConfig
from drrec.agents.items import GrownItemTable, ItemTable
from drrec.agents.questions import liked_among_rated, next_of_all, question_at
from drrec.agents.stretches import Stretches
from drrec.agents.supervised import Supervised
from drrec.data.interactions import Interactions
from drrec.data.split import SplitConfig, split_interactions
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions
from drrec.errors import InputError
from drrec.experiment import build_agent
from drrec.models.pretrain import pretrain


@pytest.fixture
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def made(log, seed=0, environment=None, **settings):
    own = {
        key: settings.pop(key) for key in list(settings) if key in SupervisedConfig.__annotations__
    }
    own = {"reader_width": 8, "window": 12, "reader_layers": 1} | own
    config = AgentConfig(
        **SMALL | {"algorithm": "supervised", "supervised": SupervisedConfig(**own)} | settings
    )
    return Supervised(config, environment or environment_over(log), *random_vectors(log), seed)


def anything(log, share=0.5, state_size=3):
    """Sessions that may show the whole catalogue."""
    config = LoggedConfig(unlogged="constant", state_size=state_size, episode_length=4)
    sessions = Sessions.over(*log.past_and_future(share), state_size)
    return LoggedEnvironment(config, log, sessions)


def stretches_of(log, length=6, state_size=3, share=0.5):
    is_new = log.position_from_end() < np.floor(share * log.counts()[log.user])
    return Stretches(log, is_new, length, state_size), is_new


def test_a_stretch_is_what_one_user_rated_row_after_row(tiny_interactions):
    log = tiny_interactions
    stretches, is_new = stretches_of(log)
    drawn = stretches.draw(400, tf.constant([0, 1]))
    assert 30 < len(np.unique(drawn.user)) <= 60
    starts = 0
    for number in range(400):
        user, is_row = int(drawn.user[number]), drawn.item[number].numpy() != 0
        rows = drawn.row[number].numpy()[is_row]
        assert is_row[-1]
        assert (np.diff(is_row.astype(int)) >= 0).all()  # padding is on the left
        assert (np.diff(rows) == 1).all()
        assert (log.user[rows] == user).all()
        np.testing.assert_array_equal(drawn.item[number][is_row], log.item[rows])
        np.testing.assert_allclose(drawn.reward[number][is_row], (log.rating[rows] - 3) / 2)
        np.testing.assert_array_equal(drawn.is_new[number][is_row], is_new[rows])
        assert not drawn.is_new[number][~is_row].numpy().any()
        assert not drawn.before[number][~is_row].numpy().any()
        begins = rows[0] == log.offsets[user]
        assert begins or is_row.all()
        starts += begins
        before = [0 if row == log.offsets[user] else log.item[row - 1] for row in rows]
        np.testing.assert_array_equal(drawn.before[number][is_row], before)
        had = [set(log.item[log.offsets[user] : row]) for row in rows]
        for column, items in zip(np.flatnonzero(is_row), had, strict=True):
            said = np.flatnonzero(drawn.since[number].numpy() < column)
            assert set(said) - {0} == items
    assert 0 < starts < 400


def test_every_second_stretch_ends_with_something_new(tiny_interactions):
    stretches, is_new = stretches_of(tiny_interactions, share=0.2)
    last = stretches.draw(4000, tf.constant([0, 1])).row[:, -1].numpy()
    assert is_new[last[::2]].all()
    assert is_new[last[1::2]].mean() == pytest.approx(is_new.mean(), abs=0.03)
    nothing = Stretches(tiny_interactions, np.zeros(len(is_new), bool), 6, 3)
    assert len(np.unique(nothing.draw(4000, tf.constant([0, 1])).row[:, -1])) > 1000


def test_what_was_liked_before_a_row_and_who_rated_what_last(tiny_interactions):
    log = tiny_interactions
    stretches, _ = stretches_of(log)
    rows = np.arange(len(log), dtype=np.int32)
    histories = stretches.liked_before(tf.constant(rows)).numpy()
    for row in rows:
        past = slice(log.offsets[log.user[row]], row)
        liked = log.item[past][log.rating[past] > 3][-3:]
        np.testing.assert_array_equal(histories[row], [*[0] * (3 - len(liked)), *liked])
    for user, latest in enumerate(stretches.latest()):
        np.testing.assert_array_equal(
            latest, log.item[log.offsets[user + 1] - 6 : log.offsets[user + 1]]
        )


def asked_of(log, count=40):
    stretches, _ = stretches_of(log)
    stretch = stretches.draw(count, tf.constant([3, 1]))
    place = np.stack([np.arange(count), np.arange(count) % 6], axis=1).astype(np.int32)
    return stretch, place, question_at(stretch, tf.constant(place))


def test_the_loss_is_that_of_the_next_item_among_what_the_user_has_not_had(tiny_interactions):
    log = tiny_interactions
    stretch, place, asked = asked_of(log)
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, log.num_items)).astype(np.float32)
    items = rng.normal(size=(log.num_items, 4)).astype(np.float32)
    answer = next_of_all(tf.constant(scores), asked, tf.constant(items))
    for number, (_, column) in enumerate(place):
        item, row = int(stretch.item[number, column]), int(stretch.row[number, column])
        if item == 0:
            assert answer.loss[number] == 0
            continue
        first = log.offsets[int(stretch.user[number])]
        left = np.setdiff1d(np.arange(1, log.num_items), log.item[first:row])
        chance = np.exp(scores[number, left]) / np.exp(scores[number, left]).sum()
        expected = -np.log(chance[left == item])[0]
        assert float(answer.loss[number]) == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(answer.told[number], items[item])
        np.testing.assert_allclose(answer.shown[number], chance @ items[left], atol=1e-4)


def test_the_loss_is_that_of_what_will_be_liked_among_what_will_be_rated(tiny_interactions):
    stretch, place, asked = asked_of(tiny_interactions)
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, tiny_interactions.num_items)).astype(np.float32)
    items = rng.normal(size=(tiny_interactions.num_items, 4)).astype(np.float32)
    answer = liked_among_rated(tf.constant(scores), asked, tf.constant(items))
    silent = 0
    for number, (_, column) in enumerate(place):
        later = stretch.item[number].numpy()[column:]
        liked = (stretch.reward[number].numpy()[column:] > 0)[later != 0]
        later = later[later != 0]
        if not liked.any():
            assert answer.loss[number] == 0
            silent += 1
            continue
        chance = np.exp(scores[number, later]) / np.exp(scores[number, later]).sum()
        expected = -np.log(chance[liked]).mean()
        assert float(answer.loss[number]) == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(answer.told[number], items[later[liked]].mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(answer.shown[number], chance @ items[later], rtol=1e-3)
    assert 0 < silent < 20


@pytest.mark.parametrize("loss", [next_of_all, liked_among_rated])
def test_scores_of_another_catalogue_are_refused(loss, tiny_interactions):
    asked = asked_of(tiny_interactions)[2]
    with pytest.raises(ValueError, match=r"Expected scores \[B, I\] of 9 items"):
        loss(tf.zeros([40, 10]), asked, tf.zeros([9, 4]))


def test_other_vectors_keep_what_was_learned_beside_them():
    base = np.arange(12, dtype=np.float32).reshape(4, 3) * (np.arange(4) > 0)[:, None]
    table = GrownItemTable(ItemTable(base), 2, seed=0)
    learned = np.arange(8, dtype=np.float32).reshape(4, 2) + 1
    table.learned.assign(learned)
    np.testing.assert_array_equal(table.table()[1:], np.concatenate([base, learned], axis=1)[1:])
    np.testing.assert_array_equal(table.table()[0], np.zeros(5))
    other = -base
    np.testing.assert_array_equal(table.moved(other)[:, :3], other)
    np.testing.assert_array_equal(table.moved(other)[1:, 3:], learned[1:])
    other = GrownItemTable(ItemTable(base), 2, seed=0), GrownItemTable(ItemTable(base), 2, seed=1)
    assert (other[0].table() == GrownItemTable(ItemTable(base), 2, seed=0).table()).numpy().all()
    assert (other[0].table() != other[1].table()).numpy().any()


@pytest.mark.usefixtures("_in_python")
def test_it_starts_as_factorisation_beside_what_was_read(tiny_interactions):
    agent = made(tiny_interactions)
    user, item = random_vectors(tiny_interactions)
    policy = agent.policy(user, item)
    histories = tiny_interactions.liked_histories(3)
    users = np.arange(len(user), dtype=np.int32)
    np.testing.assert_array_equal(policy.user[:, :4], user)
    latest = tf.constant(agent.stretches.latest())
    read = agent._read(latest, training=False)[:, -1].numpy()
    np.testing.assert_allclose(policy.user[:, 4:], read, atol=1e-5)
    expected = user @ item.T + read @ policy.item[:, 4:].T
    expected /= np.linalg.norm(policy.user, axis=1, keepdims=True)
    np.testing.assert_allclose(policy.score(users, histories), expected, atol=1e-4)
    np.testing.assert_allclose(agent.act(users, histories), policy.actions(users, histories), 1e-4)


def successions(num_users=60, num_items=12, length=9):
    """A log in which item k is followed by k + 1, whoever rates it; odd users like nothing odd."""
    rng = np.random.default_rng(0)
    first = rng.integers(num_items, size=num_users)
    item = (first[:, None] + np.arange(length)) % num_items
    user = np.repeat(np.arange(num_users), length)
    return Interactions.from_raw(
        user.astype(str), item.ravel().astype(str), np.full(len(user), 4.0), np.arange(len(user))
    )


def test_compiled_it_learns_a_planted_succession():
    log = successions()
    agent = made(
        log,
        environment=anything(log),
        num_envs=32,
        lr_reader=0.02,
        reader_dropout=0.0,
        memory_size=64,
    )
    agent.run(tf.constant(80))
    user, item = random_vectors(log)
    scores = agent.policy(user, item).score(np.arange(60), log.liked_histories(3))
    last = log.item[log.offsets[1:] - 1]
    raw = log.items.raw
    for number in range(60):
        seen = log.item[log.offsets[number] : log.offsets[number + 1]]
        left = np.where(np.isin(np.arange(log.num_items), [0, *seen]), -np.inf, scores[number])
        assert int(raw[left.argmax()]) == (int(raw[last[number]]) + 1) % 12


@pytest.mark.usefixtures("_in_python")
def test_reading_learns_nothing_of_factorisation_from_what_it_has_seen(tiny_interactions):
    seen, unseen = made(tiny_interactions), made(tiny_interactions)
    for agent, is_new in ((seen, False), (unseen, True)):
        stretch = agent.stretches.draw(4, agent._stream(1))
        stretch = stretch._replace(is_new=(stretch.item != 0) & is_new)
        agent._learn_to_read(stretch)
    assert float(seen.networks.gain.factor()) == 1
    assert float(unseen.networks.gain.factor()) != 1


@pytest.mark.usefixtures("_in_python")
def test_with_a_reward_of_one_for_ever_the_critic_comes_to_one_over_one_minus_discount():
    log = rated_by_all(12, 40)
    agent = made(log, discount=0.75, lr_critic=1e-2, tau=0.5, imitation=0.0, num_envs=8)
    for _ in range(100):
        metrics = agent.run(tf.constant(1))
    assert float(metrics.reward) == pytest.approx(1)
    assert float(metrics.q) == pytest.approx(4, rel=0.1)


@pytest.mark.usefixtures("_in_python")
def test_what_the_critic_finds_better_counts_more_but_not_without_end(tiny_interactions):
    agent = made(tiny_interactions, trust=2.0, warm_up=100)
    nets = agent.networks
    vectors = tf.constant([[0.5, 0, 0, 0] + [0.0] * 8, [0.0] * 12])
    factors = tf.constant([[1.0] + [0.0] * 11] * 2)
    state = nets.state(factors, tf.zeros([2, 3, 12]))
    answer = types.SimpleNamespace(told=vectors, shown=vectors[::-1])
    # Q is half of u·i at the start: advantages of a quarter, up and down.
    np.testing.assert_array_equal(agent._weight(state, factors, answer), [1, 1])
    agent.iteration.assign(25)
    np.testing.assert_allclose(
        agent._weight(state, factors, answer), np.exp([0.5, -0.5]), rtol=1e-5
    )
    answer = types.SimpleNamespace(told=100 * vectors, shown=-100 * vectors)
    assert agent._weight(state, factors, answer)[0] == 5


@pytest.mark.usefixtures("_in_python")
def test_both_losses_move_the_state_and_ascent_moves_the_actor_alone(tiny_interactions):
    def after(iterations=4, **weights):
        agent = made(tiny_interactions, lr_actor=1e-2, **weights)
        agent.run(tf.constant(iterations))
        return values_of(agent)

    def differ(one, other, part):
        return any((one[p] != other[p]).any() for p in one if f"/networks/{part}/" in p)

    start, valued = after(0), after(imitation=0.0)
    assert differ(valued, start, "state")
    assert not differ(valued, start, "actor")
    assert differ(after(imitation=1.0), valued, "state")
    ascending = after(imitation=0.0, ascent=1.0)
    assert differ(ascending, valued, "actor")
    assert not differ(ascending, valued, "critic")
    assert not differ(ascending, valued, "state")


@pytest.mark.usefixtures("_in_python")
def test_in_a_session_users_are_as_they_were_read_a_few_rows_before(tiny_interactions):
    agent = made(tiny_interactions, lag=3)
    stretch = agent.stretches.draw(4, tf.constant([0, 5]))
    place = tf.constant([[number % 4, 7] for number in range(200)])
    factors, known = agent._as_in_a_session(stretch, place)
    read = agent._read(stretch.before, training=False).numpy()
    lags = set()
    for number in range(200):
        user = agent.user[int(stretch.user[number % 4])].numpy()
        np.testing.assert_array_equal(factors[number], [*user, *[0] * 8])
        np.testing.assert_allclose(known[number, :4], user, rtol=1e-5)
        near = np.abs(read[number % 4] - known[number, 4:]).max(axis=1)
        lags.add(7 - int(near.argmin()))
        assert near.min() < 1e-5
    assert lags == {0, 1, 2, 3}


@pytest.mark.usefixtures("_in_python")
def test_the_test_ratings_move_nothing(tiny_interactions):
    learned = []
    for change in (False, True):
        split = split_interactions(tiny_interactions, SplitConfig()).final()
        rating = tiny_interactions.rating.copy()
        if change:
            is_test = ~np.isin(
                np.arange(len(rating)), np.flatnonzero(split.part < split.part.max())
            )
            rating[is_test] = 6 - rating[is_test]
        log = dataclasses.replace(tiny_interactions, rating=rating)
        train = split_interactions(log, SplitConfig()).final().train
        config = small_config("log.csv")
        agent_config = dataclasses.replace(
            config.agent,
            algorithm="supervised",
            supervised=SupervisedConfig(reader_width=8, window=12),
        )
        config = dataclasses.replace(config, agent=agent_config)
        tables = pretrain(train, config.vectors, 0)
        agent = build_agent(config, types.SimpleNamespace(train=train, truth=None), tables[0])
        agent.run(tf.constant(3))
        policy = agent.policy(tables[1].table.user, tables[1].table.item)
        scores = policy.score(np.arange(train.num_users), train.liked_histories(3))
        learned.append({**values_of(agent), "scores": scores})
    assert learned[0].keys() == learned[1].keys()
    for name, value in learned[0].items():
        np.testing.assert_array_equal(value, learned[1][name], err_msg=name)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"window": 2}, "`window` must be at least 3"),
        ({"trust": -1.0}, "`trust` must be at least 0"),
        ({"lr_reader": 0.0}, "`lr_reader` must be"),
        ({"reader_dropout": 1.0}, r"`reader_dropout` must be in \[0, 1\)"),
        ({"reader_width": 9}, "`reader_heads` must divide `reader_width`"),
    ],
)
def test_settings_out_of_range_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        SupervisedConfig(**settings)
