"""The supervised actor-critic: what it reads, what it is asked, and what it plays from."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import (
    assert_xla_takes,
    environment_over,
    random_vectors,
    small,
    small_config,
    values_of,
    without_xla,
)

from drrec.agents.config import SupervisedConfig
from drrec.agents.items import GrownItemTable, ItemTable
from drrec.agents.queries import liked_among, liked_among_rated, next_of_all, next_of_sample
from drrec.agents.streams import Stream
from drrec.agents.supervised import Supervised
from drrec.agents.windows import WindowSampler
from drrec.data.interactions import Interactions
from drrec.data.split import SplitConfig, split_interactions
from drrec.embeddings.pretrain import pretrain
from drrec.envs.config import LoggedConfig
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.sessions import Sessions
from drrec.errors import InputError
from drrec.experiment.train import build_agent


@pytest.fixture
def _in_python():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def made(log, seed=0, environment=None, **settings):
    own = {"sequence_width": 8, "window": 12, "sequence_layers": 1, "windows": 8} | settings
    config = small("supervised", **own)
    return Supervised.over(config, environment or environment_over(log), *random_vectors(log), seed)


def anything(log, share=0.5, state_size=3):
    """Sessions that may show the whole catalogue."""
    config = LoggedConfig(unlogged="constant", state_size=state_size, episode_length=4)
    sessions = Sessions.over(*log.past_and_future(share), state_size)
    return LoggedEnvironment(config, log, sessions)


def windows_of(log, length=6, share=0.5):
    is_new = log.position_from_end() < np.floor(share * log.counts()[log.user])
    return WindowSampler(log, is_new, length), is_new


def test_a_window_is_what_one_user_rated_row_after_row(tiny_interactions):
    log = tiny_interactions
    windows, is_new = windows_of(log)
    drawn = windows.draw(400, tf.constant([0, 1]))
    drawn = type(drawn)(*(column.numpy() for column in drawn))
    assert 30 < len(np.unique(drawn.user)) <= 60
    starts = 0
    for number in range(400):
        user, is_row = int(drawn.user[number]), drawn.item[number] != 0
        assert is_row[-1]
        assert (np.diff(is_row.astype(int)) >= 0).all()  # padding is on the left
        theirs = np.flatnonzero(log.user == user)
        last = theirs[log.item[theirs] == int(drawn.item[number, -1])]
        assert len(last) == 1  # nobody rates anything twice
        rows = np.arange(last[0] - is_row.sum() + 1, last[0] + 1)
        np.testing.assert_array_equal(drawn.item[number][is_row], log.item[rows])
        np.testing.assert_allclose(drawn.reward[number][is_row], (log.rating[rows] - 3) / 2)
        np.testing.assert_array_equal(drawn.is_new[number][is_row], is_new[rows])
        assert not drawn.is_new[number][~is_row].any()
        assert not drawn.before[number][~is_row].any()
        begins = rows[0] == log.offsets[user]
        assert begins or is_row.all()
        starts += begins
        before = [0 if row == log.offsets[user] else log.item[row - 1] for row in rows]
        np.testing.assert_array_equal(drawn.before[number][is_row], before)
        had = [set(log.item[log.offsets[user] : row]) for row in rows]
        for column, items in zip(np.flatnonzero(is_row), had, strict=True):
            said = np.flatnonzero(drawn.since[number] < column)
            assert set(said) - {0} == items
    assert 0 < starts < 400


def test_every_second_stretch_ends_with_something_new(tiny_interactions):
    windows, is_new = windows_of(tiny_interactions, share=0.2)
    ends_new = windows.draw(4000, tf.constant([0, 1])).is_new[:, -1].numpy()
    assert ends_new[::2].all()
    assert ends_new[1::2].mean() == pytest.approx(is_new.mean(), abs=0.03)
    nothing = WindowSampler(tiny_interactions, np.zeros(len(is_new), bool), 6)
    drawn = nothing.draw(4000, tf.constant([0, 1]))
    assert not drawn.is_new.numpy().any()
    ends = set(zip(drawn.user.numpy(), drawn.item[:, -1].numpy(), strict=True))
    assert len(ends) > 1000


def asked_of(log, count=40):
    windows, _ = windows_of(log)
    windows = windows.draw(count, tf.constant([3, 1]))
    scores = np.random.default_rng(0).normal(size=(count, 6, log.num_items)).astype(np.float32)
    return windows, scores


def test_the_loss_is_that_of_the_next_item_among_what_the_user_has_not_had(tiny_interactions):
    log = tiny_interactions
    windows, scores = asked_of(log)
    loss = next_of_all(tf.constant(scores), windows).numpy()
    asked = 0
    for number, column in np.ndindex(40, 6):
        item = int(windows.item[number, column])
        if item == 0:
            assert loss[number, column] == 0
            continue
        theirs = log.item[log.user == int(windows.user[number])]
        had = theirs[: int(np.flatnonzero(theirs == item)[0])]
        left = np.setdiff1d(np.arange(1, log.num_items), had)
        chance = np.exp(scores[number, column, left])
        expected = -np.log(chance[left == item] / chance.sum())[0]
        assert loss[number, column] == pytest.approx(expected, rel=1e-4)
        asked += 1
    assert 40 < asked < 240


def test_of_what_comes_again_nothing_is_asked():
    user, item = np.zeros(4, np.int64), np.array([1, 2, 1, 3])
    log, _ = Interactions.with_source_rows(
        user.astype(str), item.astype(str), np.full(4, 4.0), np.arange(4), repeats="keep"
    )
    windows = WindowSampler(log, np.zeros(4, bool), 4).draw(60, tf.constant([0, 0]))
    whole = windows.item[:, 0].numpy() != 0
    loss = next_of_all(tf.zeros([60, 4, 4]), windows).numpy()[whole]
    assert len(loss)
    np.testing.assert_allclose(loss, [[np.log(3), np.log(2), 0, 0]] * len(loss), atol=1e-6)


def test_the_loss_is_that_of_what_will_be_liked_among_what_will_be_rated(tiny_interactions):
    windows, scores = asked_of(tiny_interactions)
    loss = liked_among_rated(tf.constant(scores), windows).numpy()
    silent = 0
    for number, column in np.ndindex(40, 6):
        later = windows.item[number].numpy()[column:]
        liked = windows.reward[number].numpy()[column:] > 0
        if later[0] == 0 or not liked.any():
            assert loss[number, column] == 0
            silent += later[0] != 0
            continue
        chance = np.exp(scores[number, column, later]) * (later != 0)
        expected = -np.log(chance[liked] / chance.sum()).mean()
        assert loss[number, column] == pytest.approx(expected, rel=1e-4)
    assert 0 < silent < 100


def test_against_every_item_once_the_sampled_loss_is_the_whole_one(tiny_interactions):
    log = tiny_interactions
    windows, scores = asked_of(log)
    every = np.random.default_rng(0).permutation(np.arange(1, log.num_items)).astype(np.int32)
    sampler, _ = windows_of(log)
    drawn = sampler.draw(40, tf.constant([3, 1]), tf.constant(every))
    np.testing.assert_array_equal(drawn.item, windows.item)
    own = tf.gather(scores, windows.item[:, :, None], batch_dims=2)[:, :, 0]
    other = tf.gather(scores, every, axis=2)
    found = next_of_sample(own, other, tf.constant(every), len(every), drawn)
    expected = next_of_all(tf.constant(scores), windows)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert (expected.numpy() > 0).sum() > 40


def test_likes_are_told_from_the_scores_of_the_windows_items_alone(tiny_interactions):
    windows, scores = asked_of(tiny_interactions)
    theirs = np.stack([each[:, item] for each, item in zip(scores, windows.item, strict=True)])
    found = liked_among(tf.constant(theirs), windows)
    expected = liked_among_rated(tf.constant(scores), windows)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.usefixtures("_in_python")
@pytest.mark.parametrize("anywhere", [True, False])
def test_a_large_catalogue_is_read_by_a_sample(tiny_interactions, anywhere):
    log = tiny_interactions
    environment = anything(log) if anywhere else environment_over(log)
    reads = {"environment": environment, "warm_up": 1_000}  # and does not play
    sampled = made(log, **reads, softmax="sampled", num_drawn=30)
    whole = made(log, **reads)
    losses = [float(agent.run(tf.constant(2)).sequence_loss) / 2 for agent in (sampled, whole)]
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
    if not anywhere:  # among what windows hold nothing is drawn
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("loss", [next_of_all, liked_among_rated])
def test_scores_of_another_catalogue_are_refused(loss, tiny_interactions):
    windows, _ = asked_of(tiny_interactions)
    with pytest.raises(ValueError, match=r"Expected scores \[N, W, I\] of shape \(40, 6, 81\)"):
        loss(tf.zeros([40, 6, 10]), windows)


def test_other_vectors_keep_what_was_learned_beside_them():
    base = np.arange(12, dtype=np.float32).reshape(4, 3) * (np.arange(4) > 0)[:, None]
    learned = tf.reshape(tf.range(8.0), [4, 2]) + 1
    table = GrownItemTable(ItemTable(base), 2)
    np.testing.assert_array_equal(table.table(), np.pad(base, ((0, 0), (0, 2))))
    table.grow(learned)
    np.testing.assert_array_equal(table.table()[1:], np.concatenate([base, learned], axis=1)[1:])
    np.testing.assert_array_equal(table.table()[0], np.zeros(5))
    np.testing.assert_array_equal(table.moved(-base)[:, :3], -base)
    np.testing.assert_array_equal(table.moved(-base)[1:, 3:], learned[1:])


def read_after(agent, sequences):
    return agent.networks.reader(tf.constant(sequences), training=False)[:, -1].numpy()


@pytest.mark.usefixtures("_in_python")
def test_it_starts_as_factorisation_beside_what_was_read(tiny_interactions):
    agent = made(tiny_interactions)
    user, item = random_vectors(tiny_interactions)
    policy = agent.policy(user, item)
    users = np.arange(len(user), dtype=np.int32)
    np.testing.assert_array_equal(policy.user[:, :4], user)
    read = read_after(agent, tiny_interactions.histories(12))
    np.testing.assert_allclose(policy.user[:, 4:], read, atol=1e-5)
    expected = user @ item.T + read @ policy.item[:, 4:].T
    expected /= np.linalg.norm(policy.user, axis=1, keepdims=True)
    histories = tiny_interactions.liked_histories(3)
    np.testing.assert_allclose(policy.score(users, histories), expected, atol=1e-4)


@pytest.mark.usefixtures("_in_python")
def test_it_plays_with_users_as_they_were_before_what_vectors_have_not_seen(tiny_interactions):
    agent = made(tiny_interactions)
    past, _ = tiny_interactions.past_and_future(0.5)
    expected = read_after(agent, past.histories(12))
    np.testing.assert_allclose(agent.user[:, 4:], expected, atol=1e-5)
    np.testing.assert_array_equal(agent.user[:, :4], random_vectors(tiny_interactions)[0])


@pytest.mark.usefixtures("_in_python")
def test_users_are_brought_up_to_date_in_turn(tiny_interactions, monkeypatch):
    monkeypatch.setattr("drrec.agents.supervised.REFRESHED_AT_ONCE", 25)  # of 60
    agent = made(tiny_interactions, warm_up=1_000)  # it need not play
    known = tiny_interactions.past_and_future(0.5)[0].histories(12)
    users = np.arange(60)
    for turn, read in enumerate([range(25), range(25, 50), [*range(50, 60), *range(15)]]):
        before = agent.user.numpy()
        agent.run(tf.constant(1))
        is_now = np.isin(users, list(read))
        np.testing.assert_array_equal(agent.user[~is_now], before[~is_now], err_msg=str(turn))
        np.testing.assert_allclose(
            agent.user[is_now][:, 4:], read_after(agent, known)[is_now], atol=1e-5
        )


def moved(agent, before):
    """Which of its networks have another weight than `before`."""
    now = {name: value for name, value in values_of(agent).items() if "/networks/" in name}
    return {name.split("/")[2] for name in now if (now[name] != before[name]).any()}


READS = {"items", "learner", "reader", "gain", "sequence_optimizer"}


@pytest.mark.usefixtures("_in_python")
def test_until_it_is_warm_it_reads_and_does_not_play(tiny_interactions):
    agent = made(tiny_interactions, warm_up=16)
    start = values_of(agent)
    agent.run(tf.constant(1))
    assert agent.steps == 16
    assert moved(agent, start) == READS
    agent.run(tf.constant(1))
    assert agent.steps == 32
    assert moved(agent, start) >= {*READS, "state", "actor", "value", "inverse_temperature"}


@pytest.mark.usefixtures("_in_python")
def test_playing_moves_neither_reader_nor_items(tiny_interactions):
    agent = made(tiny_interactions, lr_actor=1e-2)
    steps = agent.played_round()
    batch = agent._training_batch(steps)
    before = values_of(agent)
    agent._study(
        *(type(part)(*(tf.reshape(c, [-1, *c.shape[2:]]) for c in part)) for part in (steps, batch))
    )
    played = moved(agent, before)
    assert {"state", "actor", "value"} <= played
    assert played.isdisjoint(READS)


def successions(num_users=60, num_items=12, length=9):
    """A log in which item k is followed by k + 1, whoever rates it; odd users like nothing odd."""
    rng = np.random.default_rng(0)
    first = rng.integers(num_items, size=num_users)
    item = (first[:, None] + np.arange(length)) % num_items
    user = np.repeat(np.arange(num_users), length)
    return Interactions.from_raw(
        user.astype(str), item.ravel().astype(str), np.full(len(user), 4.0), np.arange(len(user))
    )


@pytest.fixture
def _in_graphs():
    with without_xla():
        yield


@pytest.mark.usefixtures("_in_graphs")
def test_it_learns_a_planted_succession():
    log = successions()
    agent = made(
        log,
        environment=anything(log),
        windows=32,
        lr_sequence=0.02,
        sequence_dropout=0.0,
    )
    agent.run(tf.constant(60))
    assert_xla_takes(agent._read)  # it plays as PPO does, whose tests ask for that
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
        windows = agent.windows.draw(4, agent._stream(Stream.WINDOWS))
        windows = windows._replace(is_new=(windows.item != 0) & is_new)
        agent._update_sequence(windows)
    assert float(seen.networks.gain.factor()) == 1
    assert float(unseen.networks.gain.factor()) != 1


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
        own = small("supervised", sequence_width=8, window=12, windows=8)
        config = dataclasses.replace(config, algorithm="supervised", agent=own)
        tables = pretrain(train, config.vectors, 0)
        agent = build_agent(config, types.SimpleNamespace(train_data=train), tables[0])
        agent.run(tf.constant(2))
        policy = agent.policy(tables[1].table.user, tables[1].table.item)
        scores = policy.score(np.arange(train.num_users), train.liked_histories(3))
        learned.append({**values_of(agent), "scores": scores})
    assert learned[0].keys() == learned[1].keys()
    for name, value in learned[0].items():
        np.testing.assert_array_equal(value, learned[1][name], err_msg=name)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"window": 0}, "`window` must be in .1, .*"),
        ({"windows": 0}, "`windows` must be in .1, .*"),
        ({"warm_up": -1}, "`warm_up` must be in .0, .*"),
        ({"lr_sequence": 0.0}, "`lr_sequence` must be"),
        ({"sequence_average": 0.0}, "`sequence_average` must be"),
        ({"sequence_dropout": 1.0}, r"`sequence_dropout` must be in \[0, 1\)"),
        ({"sequence_width": 9}, "`sequence_heads` must divide `sequence_width`"),
    ],
)
def test_settings_out_of_range_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        SupervisedConfig(**settings)
