"""The engine: sessions, filters, reasons, refusals, and no TensorFlow."""

import itertools
import pathlib
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from tests.serving.policies import small_agent_file

import drrec
from drrec.data.histories import items_of, pushed, rewards_of
from drrec.errors import InputError
from drrec.serving.engine import Engine
from drrec.serving.queries import Query, understood

SOURCE = pathlib.Path(drrec.__file__).parents[1]


@pytest.fixture(scope="module")
def log(tiny_interactions):
    return tiny_interactions


@pytest.fixture(scope="module")
def engine(log, tmp_path_factory):
    """An agent that reads liked items."""
    return Engine.load(small_agent_file(log, tmp_path_factory.mktemp("ave"), state="drr_ave"))


@pytest.fixture(scope="module")
def rewarded(log, tmp_path_factory):
    """An agent that reads rewards."""
    return Engine.load(small_agent_file(log, tmp_path_factory.mktemp("fed"), state="feedback"))


@pytest.fixture(scope="module")
def neighbours(log, tmp_path_factory):
    path = tmp_path_factory.mktemp("knn") / "item_knn.drrec"
    drrec.ItemKNN(num_neighbours=9).fit(log).save(path)
    return Engine.load(path)


def ids(found):
    return [each.item for each in found]


def test_what_it_says_of_itself(engine, rewarded, log):
    assert (engine.backend, engine.algorithm, engine.name) == ("numpy", "ddpg", "agent-file")
    assert engine.num_items == log.num_items - 1 == 80
    assert (engine.history_length, engine.reads_rewards, rewarded.reads_rewards) == (5, False, True)
    assert engine.users.raw.tolist() == log.users.raw.tolist()
    assert len(engine.version) == 12
    assert engine.version != rewarded.version


@hypothesis.given(events=st.lists(st.tuples(st.integers(1, 80), st.sampled_from([-1, 0, 0.5, 1]))))
def test_events_pushed_together_are_those_pushed_one_by_one(engine, rewarded, events):
    items = np.array([item for item, _ in events], np.int32)
    rewards = np.array([reward for _, reward in events], float)
    for known in (engine.known, rewarded.known):
        expected = known.history[2]
        for item, reward in events:
            expected = pushed(expected[None], np.array([item]), np.array([reward]))[0]
        found = known.pushed(known.history[2], items, rewards > 0, rewards)
        assert found.dtype == expected.dtype
        assert found.tolist() == expected.tolist()


def test_a_session_moves_the_state_as_training_does(engine, rewarded, log):
    user, items = str(log.users.raw[3]), log.items.raw[[7, 9, 11]].tolist()
    session = [(items[0], 1.0), (items[1], -0.5), (items[2], 0.5)]
    before = engine.known.history[3]
    after = understood(Query(user=user, session=session), engine.known).history
    assert after.tolist() == [*before[2:].tolist(), 7, 11]  # what was liked
    after = understood(Query(user=user, session=session), rewarded.known).history
    assert items_of(after)[-3:].tolist() == [7, 9, 11]
    assert rewards_of(after)[-3:].tolist() == [1.0, -0.5, 0.5]
    assert items_of(after)[:2].tolist() == items_of(rewarded.known.history[3])[-2:].tolist()


def test_likes_and_dislikes_are_read_before_the_session(rewarded, log):
    items = log.items.raw[[7, 9, 11]].tolist()
    like = rewarded.known.like
    for user, filled in ((str(log.users.raw[3]), 5), (None, 3)):
        query = Query(user=user, liked=items[:1], disliked=items[1:2], session=[(items[2], 0.25)])
        history = understood(query, rewarded.known).history
        assert items_of(history)[-3:].tolist() == [9, 7, 11]
        np.testing.assert_allclose(rewards_of(history)[-3:], [-like, like, 0.25])
        assert (items_of(history) > 0).sum() == filled


def test_scores_after_a_session_are_those_of_the_model_after_it(engine, rewarded, log):
    user, item = str(log.users.raw[3]), str(log.items.raw[7])
    for served, reward in ((engine, 1.0), (rewarded, -1.0)):
        query = Query(user=user, session=[(item, reward)])
        history = understood(query, served.known).history
        expected = served.recommender._scored(np.array([3]), history[None])[0]
        found = served.recommend([query], k=5)[0]
        dense = [served.items.dense(each.item) for each in found]
        np.testing.assert_allclose([each.score for each in found], expected[dense], rtol=1e-6)
        assert found != served.recommend([Query(user=user)], k=5)[0]
    disliked = Query(user=user, session=[(item, -1.0)])
    undisturbed = engine.recommend([Query(user=user, block=[item])], k=5)
    assert engine.recommend([disliked], k=5) == undisturbed  # it reads likes alone


def test_what_was_shown_or_seen_or_blocked_is_never_recommended(engine, log):
    user = str(log.users.raw[0])
    seen = set(log.items.raw[log.item[log.user == 0]])
    every = engine.recommend([Query(user=user, filter_seen=False)], k=100)[0]
    assert len(every) == 80
    rest = engine.recommend([Query(user=user)], k=100)[0]
    assert set(ids(every)) - set(ids(rest)) == seen
    shown, liked, disliked, blocked = ids(rest)[:4]
    query = Query(
        user=user,
        session=[(shown, -1.0)],
        liked=[liked],
        disliked=[disliked],
        block=[blocked],
        filter_seen=False,
    )
    assert set(ids(every)) - set(ids(engine.recommend([query], k=100)[0])) == set(ids(rest)[:4])


def test_only_what_is_allowed_is_recommended(engine, log):
    user, allowed = str(log.users.raw[0]), log.items.raw[[3, 40, 41]].tolist()
    query = Query(user=user, filter_seen=False, allow=allowed, block=allowed[:1])
    assert sorted(ids(engine.recommend([query], k=9)[0])) == allowed[1:]
    assert engine.recommend([Query(user=user, allow=[])], k=9) == [[]]


def test_known_and_new_users_are_answered_together_as_alone(engine, log):
    users, items = log.users.raw.tolist(), log.items.raw.tolist()
    queries = [
        Query(user=users[5]),
        Query(liked=items[4:7]),
        Query(user=users[8], session=[(items[2], 1.0)]),
        Query(),
        Query(session=[(items[4], 1.0), (items[9], -1.0), (items[4], 1.0)]),
    ]
    together = engine.recommend(queries, k=6)
    for query, found in zip(queries, together, strict=True):
        alone = engine.recommend([query], k=6)[0]
        assert ids(alone) == ids(found)
        np.testing.assert_allclose(
            [each.score for each in alone], [each.score for each in found], rtol=1e-5
        )
    assert engine.recommend([], k=3) == []


def test_unknown_ids_are_named(engine, log):
    item = str(log.items.raw[1])
    for query, pattern in (
        (Query(user="nobody"), r"user of the training log\. Received: 'nobody'"),
        (Query(liked=["a", item, "b"]), r"known items in `liked`\. Received: 'a', 'b'\."),
        (Query(session=[("c", 1)]), r"known items in `session`\. Received: 'c'\."),
        (Query(allow=["d"]), "`allow`"),
        (Query(block=["e"] * 12), r"`block`.* and 2 more"),
        (Query(liked=[""]), "`liked`"),
        (Query(liked=[item, item]), "each item once in `liked`"),
        (Query(session=[(item, float("nan"))]), "finite rewards"),
        (Query(session=[(item, "good")]), "rewards that are numbers"),
    ):
        with pytest.raises(InputError, match=pattern):
            engine.recommend([query], k=3)
    for ask in (engine.similar, lambda each, k: engine.explain(Query(), each, k)):
        with pytest.raises(InputError, match="known items in `item`"):
            ask("nothing", 3)
    for k in (0, 2.5, True):
        with pytest.raises(InputError, match="`k` must be a whole number"):
            engine.recommend([Query()], k)


def test_shares_of_a_linear_score_add_up_to_it(neighbours, log):
    user = str(log.users.raw[2])
    item = neighbours.recommend([Query(user=user)], k=1)[0][0]
    found = neighbours.explain(Query(user=user), item.item, top=100)
    assert (found.method, found.item) == ("shares", item.item)
    assert found.score == pytest.approx(item.score)
    assert sum(each.amount for each in found.reasons) == pytest.approx(item.score)
    own = set(log.items.raw[log.item[log.user == 2]])
    assert {each.item for each in found.reasons} <= own
    amounts = [each.amount for each in found.reasons]
    assert amounts == sorted(amounts, reverse=True)
    assert neighbours.explain(Query(user=user), item.item, top=2).reasons == found.reasons[:2]


def test_leaving_one_out_is_what_the_score_falls_by(engine, log):
    user = str(log.users.raw[4])
    item = engine.recommend([Query(user=user)], k=1)[0][0].item
    found = engine.explain(Query(user=user), item, top=5)
    assert found.method == "leave_one_out"
    assert found.reasons
    history = engine.known.history[4]
    for reason in found.reasons:
        rest = history[history != engine.items.dense(reason.item)]
        less = np.concatenate([np.zeros(len(history) - len(rest), np.int32), rest])
        scores = engine.recommender._scored(np.array([4, 4]), np.stack([history, less]))
        fall = np.subtract(*scores[:, engine.items.dense(item)])
        assert reason.amount == pytest.approx(fall, rel=1e-3, abs=1e-6)


def test_reasons_for_somebody_new_are_what_they_like(engine, log):
    liked = log.items.raw[[20, 30]].tolist()
    item = engine.recommend([Query(liked=liked)], k=1)[0][0]
    found = engine.explain(Query(liked=liked), item.item)
    assert found.score == pytest.approx(item.score, rel=1e-5)
    for reason in found.reasons:
        other = [each for each in liked if each != reason.item]
        rest = engine.recommend([Query(liked=other, allow=[item.item])], k=1)[0][0]
        assert reason.amount == pytest.approx(item.score - rest.score, rel=1e-3, abs=1e-6)


def test_several_items_are_explained_as_each_alone(engine, neighbours, log):
    raw = log.items.raw
    known = Query(user=str(log.users.raw[4]), session=[(str(raw[7]), 1.0)])
    new = Query(liked=raw[[20, 30, 40]].tolist(), disliked=[str(raw[50])])
    for asked, query in itertools.product((engine, neighbours), (known, new)):
        items = raw[[3, 9, 12]].tolist()
        together = asked.explain_all(query, items)
        for item, found in zip(items, together, strict=True):
            alone = asked.explain(query, item)
            assert found[::2] == alone[::2]
            assert found.score == pytest.approx(alone.score, rel=1e-5)
            assert [each.item for each in found.reasons] == [each.item for each in alone.reasons]
            for one, other in zip(found.reasons, alone.reasons, strict=True):
                assert one.amount == pytest.approx(other.amount, rel=1e-3, abs=1e-6)


def test_leaving_out_at_once_is_as_answering_anew_without_each(engine, log, monkeypatch):
    raw = log.items.raw
    events = [(20, 1.0), (30, 0.5), (20, -1.0), (40, 1.0), (50, -0.5), (30, 1.0)]
    query = Query(session=[(str(raw[item]), reward) for item, reward in events])
    items = raw[[3, 9, 12]].tolist()
    found = engine.explain_all(query, items)
    monkeypatch.setattr(type(engine.recommender), "_folded_in_without", lambda *_: None)
    for one, other in zip(found, engine.explain_all(query, items), strict=True):
        assert [each.item for each in one.reasons] == [each.item for each in other.reasons]
        amounts = [each.amount for each in other.reasons]
        assert [each.amount for each in one.reasons] == pytest.approx(amounts, rel=1e-3, abs=1e-6)
    assert any(each.reasons for each in found)


def test_a_run_names_its_engine(log, tmp_path):
    for folder in ("first", "second/seed-3"):
        path = tmp_path / "save_model" / folder / "served.drrec"
        path.parent.mkdir(parents=True)
        drrec.Popularity().fit(log).save(path)
        assert Engine.load(path).name == folder.partition("/")[0]


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a saved model in"):
        Engine.load(tmp_path / "none.drrec")
    with pytest.raises(InputError, match="`backend` to be auto or numpy or keras"):
        Engine.load(tmp_path / "none.drrec", "torch")


_ASK = """
import pathlib, sys
from drrec.serving.engine import Engine
from drrec.serving.queries import Query
engine = Engine.load(pathlib.Path(sys.argv[1]), "numpy")
user, item = engine.users.raw[0], engine.items.raw[1]
engine.recommend([Query(user=user, session=[(item, 1.0)]), Query(liked=[item])], 3)
engine.similar(item, 3), engine.search("a", 3), engine.explain(Query(user=user), item)
print(sorted(set(sys.argv[2].split(",")) & set(sys.modules)))
"""


def loaded_by(path, names):
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(path), names],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("state", ["drr_ave", "feedback"])
def test_no_tensorflow_and_no_pandas_is_loaded_for_an_agent(state, log, tmp_path):
    path = small_agent_file(log, tmp_path, state=state)
    assert loaded_by(path, "tensorflow,keras,pandas,scipy,matplotlib") == "[]"


@pytest.mark.parametrize("baseline", [drrec.ItemKNN, drrec.EASE, drrec.VariationalMF])
def test_no_tensorflow_is_loaded_for_a_baseline(baseline, log, tmp_path):
    baseline().fit(log).save(tmp_path / "model.drrec")
    assert loaded_by(tmp_path / "model.drrec", "tensorflow,keras,pandas") == "[]"
