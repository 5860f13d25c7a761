"""Items that came after training: their vectors, the store, the routes, and what finds them."""

import asyncio
import dataclasses

import hypothesis
import numpy as np
import pytest
import sqlalchemy as sa
import tensorflow as tf
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from tests.agents.tiny import small, small_config, write_csv
from tests.featured import write_random_features
from tests.nn.modalities import random_modalities
from tests.serving.test_session_routes import answer, next_of, opened

from drrec.embeddings import content as teaching
from drrec.embeddings.config import ContentConfig
from drrec.errors import InputError
from drrec.experiment.item_export import named_weights
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run
from drrec.experiment.vectors import content_of
from drrec.nn.item_encoder import encoder_inputs, new_encoder
from drrec.serving import schema, text_encoding
from drrec.serving.app import application
from drrec.serving.config import ServeConfig
from drrec.serving.engine import Engine
from drrec.serving.item_encoder import NumPyItemEncoder
from drrec.serving.models import Source
from drrec.serving.records import AddedItem, AddItem, Event, Outcome, RemoveItem, Session
from drrec.serving.retrieval import Appended, Exact, Faiss, Wanted
from drrec.serving.server import Job, made_service
from drrec.serving.store import Store
from drrec.serving.text_encoding import MOST_WAITING, TextEncoding
from drrec.serving.updating import begin_update, feedback_since

WAYS = [
    *(("early", "concat"), ("early", "mean")),
    *(("late", "concat"), ("late", "mean")),
    ("gated", None),
]
FILM = {"id": "new/🎬", "title": "Wholly New", "genres": ["Drama"], "year": 2031}


@pytest.mark.parametrize(("fusion", "aggregation"), WAYS)
def test_vectors_are_those_of_keras(fusion, aggregation):
    modalities = random_modalities(40, share=0.6)
    config = ContentConfig(modality="video,audio,text", fusion=fusion, aggregation=aggregation)
    encoder = new_encoder(7, config, modalities)
    rng = np.random.default_rng(3)
    for weight in encoder.weights:
        if weight.dtype == "float32":
            weight.assign(rng.uniform(0.3, 1.5, weight.shape) * rng.choice([-1, 1], weight.shape))
    features, present = encoder_inputs(modalities)
    expected = np.array(encoder(features, present, np.zeros((40, 7), np.float32)))
    names = config.modalities
    head = {
        "modalities": [
            {"name": name, "dim": each.features.shape[1], "encoder": ""}
            for name, each in zip(names, modalities, strict=True)
        ],
        "fusion": fusion,
        "aggregation": encoder.fusion.aggregation,
        "signs": [1],
        "first": 2,
        "text": None,
    }
    rest = np.array([5, 6, *[0] * 7, 8], np.float32)
    made = NumPyItemEncoder(head, [named_weights(encoder)], rest)
    for item in range(1, 40):
        given = {
            name: each.features[item]
            for name, each in zip(names, modalities, strict=True)
            if each.present[item]
        }
        if given:
            vector = made.vector(given)
            np.testing.assert_allclose(vector[2:9], expected[item], atol=1e-5, rtol=1e-5)
            assert vector[[0, 1, 9]].tolist() == [5, 6, 8]


@pytest.fixture(scope="module")
def _quickly():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, "_MOST_ROUNDS", 1)
        patch.setattr(teaching, "_STEPS_A_ROUND", 1)
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


def trained(folder, log, name="first", **settings):
    """A run that knows content, and the features that it knows."""
    content = {"modality": "video,text"} | settings.pop("content", {})
    config = small_config(
        write_csv(log, folder / "log.csv"),
        steps=8,
        content=ContentConfig(**content),
        control=False,
        **settings,
    )
    write_random_features(config, folder / "data")
    task = Task.load(config, folder / "data")
    known = content_of(config, config.content, task, folder / "data")
    run = Run.create(folder, name, config)
    assert train_run(run, config, task, known)
    return run, known


@pytest.fixture(scope="module")
def first(_quickly, tiny_interactions, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("first"), tiny_interactions)


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize(
    ("content", "agent", "exact"),
    [
        ({"identity": "none"}, {}, 5),
        ({"identity": "none", "fusion": "gated", "encoder": "finetuned"}, {"dim_learned": 2}, 5),
        ({"identity": "half"}, {}, 0),
    ],
)
def test_by_content_alone_an_item_of_the_log_has_its_own_vector(
    tiny_interactions, tmp_path, content, agent, exact
):
    run, known = trained(tmp_path, tiny_interactions, content=content, agent=small(**agent))
    engine = Engine.load(run.served_file())
    encoder, items = engine.item_encoder, engine.recommender._policy.item
    present = np.stack([each.present for each in known.modalities], axis=1)
    assert present[1:].any(axis=1).all()
    for item in range(1, len(items)):
        given = {n: m.features[item] for n, m in known.features.items() if m.present[item]}
        vector = encoder.vector(given)
        assert vector.shape == items[item].shape
        columns = slice(0, exact) if exact else slice(encoder.head["first"], None)
        if exact:
            np.testing.assert_allclose(vector[columns], items[item, columns], atol=1e-5)
        if agent:
            np.testing.assert_allclose(vector[5:], items[1:, 5:].mean(axis=0), atol=1e-5)
    if content["identity"] == "half":
        first = encoder.head["first"]
        np.testing.assert_allclose(
            encoder.vector(given)[:first], items[1:, :first].mean(axis=0), atol=1e-4
        )


vectors = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(-3, 4, (23, 3)).astype(np.float32)
)
some = st.lists(st.integers(1, 21), max_size=12).map(lambda each: np.array(each, np.int32))


@hypothesis.given(vectors, some, st.none() | some, st.integers(1, 25), st.integers(2, 22))
def test_an_appended_block_is_searched_as_one_table(table, hidden, allowed, k, first):
    items, vector = table[:22], table[22]
    items[0] = 0
    wanted = [Wanted(vector, hidden, allowed)]
    [expected] = Exact(items).search(wanted, k)
    [found] = Appended(Exact(items[:first]), first, items[first:]).search(wanted, k)
    assert found.item.tolist() == expected.item.tolist()
    np.testing.assert_allclose(found.score, expected.score, atol=1e-5)


def test_faiss_has_a_block_beside_its_index():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    items = rng.normal(size=(3_000, 8)).astype(np.float32)
    block = 3 * items[5:9]
    queries = rng.normal(size=(50, 8)).astype(np.float32)
    searcher = Appended(Faiss(items, lambda: queries), 3_000, block)
    [found] = searcher.search([Wanted(items[5], np.array([3_001]), None)], 5)
    assert found.item[0] == 3_000
    assert 3_001 not in found.item
    np.testing.assert_allclose(found.score[0], 3 * items[5] @ items[5], rtol=1e-5)


def added(name, title="A Title", **changes):
    item = AddedItem(
        id=name,
        title=title,
        genres=("Drama",),
        features={"text": (0.5, -1.0, 2.25)},
        encoded_by={"text": "random text"},
        digest="d",
        time=5.0,
    )
    return dataclasses.replace(item, **changes)


def test_items_are_stored_once_and_removed(where):
    store = Store.open(where)
    empty = store.items_version()
    a, b = added("é/🎬"), added("b", digest="e")
    assert store.write([AddItem(a, 2), AddItem(b, 2), AddItem(a, 2)]) == [
        *[Outcome.STORED] * 2,
        Outcome.REPEATED,
    ]
    more = [AddItem(added("b"), 2), AddItem(added("c"), 2), RemoveItem("none")]
    assert store.write(more) == [Outcome.CONFLICT, Outcome.FULL, Outcome.NO_SESSION]
    versions = [empty, store.items_version()]
    store.close()
    store = Store.open(where)
    assert store.items() == [a, b]
    assert (store.item("b"), store.item("c")) == (b, None)
    assert store.write([RemoveItem("b")]) == [Outcome.STORED]
    versions.append(store.items_version())
    store.write([AddItem(b, 2)])
    versions.append(store.items_version())
    assert len(set(versions)) == 4
    store.close()


def test_a_store_of_the_first_version_is_brought_up(where):
    store = Store.open(where)
    store.write([Session(id="s", user="ann", time=1.0)])
    identity = store.identity()
    with store._write.begin() as connection:
        schema.items.drop(connection)
        version = sa.update(schema.meta).where(schema.meta.c.name == "version")
        connection.execute(version.values(value="1"))
    store.close()
    again = Store.open(where)
    assert again.items() == []
    assert again.session("s").user == "ann"
    assert again.identity() == identity
    assert again.write([AddItem(added("x"), 5)]) == [Outcome.STORED]
    again.close()
    Store.open(where).close()


def test_events_have_numbers_and_a_store_a_name(where, tmp_path):
    store = Store.open(where)
    assert store.last_event() == 0
    event = Event(session="s", event="1", item="i", kind="like", time=1.0, model="m")
    events = [dataclasses.replace(event, event=str(number)) for number in range(5)]
    store.write([Session(id="s", user="ann", time=1.0), *events])
    assert store.last_event() == 5
    assert [each.event for each in store.events(after=2)] == ["2", "3", "4"]
    assert [each.event for each in store.events(1, 3)] == ["1", "2"]
    other = Store.open(str(tmp_path / "other.db"))
    assert store.identity() == store.identity() != other.identity()
    store.close()
    other.close()


def client_of(run, store, **settings):
    config = ServeConfig(**{"watch": 0, "hosts": "testserver"} | settings)
    source = Source(run=str(run.folder), root=str(run.root))
    job = Job(config=config, main=source, also=None, store=str(store))
    return TestClient(application(made_service(job)))


def loud(run):
    """Features on which the users of a run agree most, of some random ones."""
    engine = Engine.load(run.served_file())
    users = np.arange(60, dtype=np.int32)
    taste = engine.recommender._queries(users, engine.known.history).mean(axis=0)
    rng = np.random.default_rng(0)
    tried = [{"text": (1e5 * rng.normal(size=3)).tolist()} for _ in range(200)]
    return max(tried, key=lambda each: engine.item_encoder.vector(each) @ taste)


def test_an_item_joins_by_its_content_and_leaves(first, tmp_path):
    run, _ = first
    features = loud(run)
    film = FILM | {"features": features}
    path = "/v1/items/new%2F%F0%9F%8E%AC"
    with client_of(run, tmp_path / "s.db") as one, client_of(run, tmp_path / "s.db") as other:
        made = one.post("/v1/items", json=film)
        assert made.status_code == 201, made.text
        said = made.json()
        assert (said["item"], said["title"]) == (FILM["id"], "Wholly New (2031)")
        assert (said["outcome"], said["encoded_by"]) == ("stored", {"text": "random text"})
        again = one.post("/v1/items", json=film)
        assert (again.status_code, again.json()["outcome"]) == (200, "repeated")
        for changed in (film | {"title": "Other"}, film | {"id": "i01"}):
            assert one.post("/v1/items", json=changed).status_code == 409
        engine = one.app._app._app.state.service.models.served[0].engine
        assert engine.num_items == 81

        # The other worker has it at its next look, and both recommend it.
        assert other.get("/v1/items?query=wholly").json()["items"] == []
        other.app._app._app.state.service.look_for_items()
        for client in (one, other):
            found = client.get("/v1/items?query=wholly").json()["items"]
            assert found == [{"item": FILM["id"], "title": "Wholly New (2031)"}]
            items = client.get("/v1/users/u00/recommendations?k=80").json()["items"]
            assert FILM["id"] in [each["item"] for each in items]
        lists = [
            one.get(f"/v1/users/u{user:02}/recommendations?k=80").json()["items"]
            for user in range(60)
        ]
        places = [[each["item"] for each in items].index(FILM["id"]) for items in lists]
        assert min(places) == 0
        scores = [each["score"] for each in lists[0]]
        assert scores == sorted(scores, reverse=True)

        # It can be liked, and that moves the session as the vector says.
        session = opened(one, liked=[FILM["id"]])
        assert FILM["id"] not in next_of(one, session, 20)
        asked = {"liked": ["i01"], "context": [{"item": FILM["id"], "feedback": "like"}]}
        moved = one.post("/v1/recommendations", json=asked).json()["items"]
        still = one.post("/v1/recommendations", json={"liked": ["i01"]}).json()["items"]
        assert [each["score"] for each in moved] != [each["score"] for each in still]
        similar = one.get(f"{path}/similar?k=3")
        assert similar.status_code == 200
        assert len(similar.json()["items"]) == 3

    with client_of(run, tmp_path / "s.db") as later:  # after a restart
        assert later.get("/v1/items?query=wholly").json()["items"]
        assert later.delete(path).status_code == 204
        assert later.delete(path).status_code == 404
        assert later.get("/v1/items?query=wholly").json()["items"] == []
        assert later.get(f"{path}/similar").status_code == 404
        # A session that has it goes on without it.
        assert next_of(later, session, 5)
        assert later.post("/v1/items", json=film).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"features": {"text": [1.0, 2.0]}}, 422, "text (3 numbers)"),
        ({"features": {"audio": [1.0, 2.0, 3.0]}}, 422, "video (4 numbers)"),
        ({"features": {}}, 422, "Received: 'none'"),
        ({"features": {"text": [1.0, "2", 3.0]}}, 422, "Expected another value"),
        ({"text": "a plot"}, 422, "or they were imported"),
        ({}, 422, "one of features and text"),
        ({"text": "a", "features": {"text": [1.0, 2.0, 3.0]}}, 422, "one of features and text"),
        ({"features": {"text": [1.0, 2.0, 3.0]}, "year": 0}, 422, "year"),
        ({"features": {"text": [1.0, 2.0, 3.0]}, "title": "a\nb"}, 422, "title"),
    ],
)
def test_what_is_no_item_is_refused(first, tmp_path, changes, status, words):
    with client_of(first[0], tmp_path / "s.db") as client:
        answered = client.post("/v1/items", json=FILM | changes)
        assert answered.status_code == status
        assert words in answered.json()["error"]
        assert client.app._app._app.state.service.store.items() == []


def test_a_run_without_content_takes_no_items(client):
    answered = client.post("/v1/items", json=FILM | {"text": "a plot"})
    assert answered.status_code == 422
    assert "--modality" in answered.json()["error"]


def test_an_encoder_of_another_model_is_left_alone(first, tmp_path):
    run, _ = first
    for name in ("served.drrec", "encoder.npz"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    assert Engine.load(tmp_path / "served.drrec").item_encoder is not None
    items = np.zeros((3, 5), np.float32)
    assert NumPyItemEncoder.beside(tmp_path / "served.drrec", items) is None
    (tmp_path / "encoder.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="item encoder"):
        Engine.load(tmp_path / "served.drrec")


def test_an_update_takes_items_along_that_somebody_has_seen(first, tmp_path):
    run, known = first
    with client_of(run, tmp_path / "s.db") as client:
        for name in ("seen", "unseen"):
            film = FILM | {"id": name, "features": {"text": [9.0, 8.0, 7.0]}}
            assert client.post("/v1/items", json=film).status_code == 201
        answer(client, opened(client, user="carla"), item="seen", feedback="like")
    store = Store.open(str(tmp_path / "s.db"))
    config = run.config()
    task = Task.load(config, run.root / "data")
    new = begin_update(run, task, feedback_since(run, store), run.root / "data", "second", 0.5)
    store.close()
    updated = Task.load(new.config(), run.root / "data")
    content = content_of(new.config(), config.content, updated, run.root / "data")
    items, titles = updated.dataset.interactions.items, updated.dataset.titles
    assert "unseen" not in items
    at = items.dense("seen")
    assert (titles[at], updated.dataset.genres[at]) == ("Wholly New (2031)", "Drama")
    text, video = content.features["text"], content.features["video"]
    assert text.features[at].tolist() == [9, 8, 7]
    assert text.present[at]
    assert not video.present[at]
    old = task.dataset.interactions.items
    for raw in ("i00", "i41"):
        for name, each in known.features.items():
            then, now = old.dense(raw), items.dense(raw)
            assert each.present[then] == content.features[name].present[now]
            np.testing.assert_array_equal(each.features[then], content.features[name].features[now])


def test_texts_wait_in_a_short_line_and_not_for_ever(monkeypatch):
    begun = []

    async def slow(settings, text):
        begun.append(text)
        await asyncio.sleep(0.2 if text == "quick" else 60)
        return [1.0]

    monkeypatch.setattr(text_encoding, "_in_a_process", slow)

    async def crowd():
        texts = TextEncoding(1.0)
        many = [texts.encoded({}, str(number)) for number in range(MOST_WAITING + 3)]
        told = await asyncio.gather(*many, return_exceptions=True)
        return told, await texts.encoded({}, "quick")

    told, after = asyncio.run(crowd())
    assert all(isinstance(each, HTTPException) for each in told)
    assert [each.status_code for each in told] == [*[503] * (MOST_WAITING + 1), 429, 429]
    assert begun == ["0", "quick"]
    assert after == [1.0]


def test_the_process_of_texts_says_what_is_wrong():
    settings = {
        "model": "small",
        "revision": None,
        "folder": "/nowhere/text",
        "pooling": "mean",
        "max_tokens": 16,
        "precision": "float32",
    }
    with pytest.raises(InputError, match=r"Expected the text encoder in /nowhere/text"):
        asyncio.run(TextEncoding(300).encoded(settings, "a plot"))
