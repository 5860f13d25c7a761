"""What a made-up world says of a session: to the API, and on the page."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
from tests.serving.pages import Tabs, answer, begin, rows, session_of
from tests.serving.processes import serving

from drrec.baselines.knn import ItemKNN
from drrec.data.dataset import Dataset
from drrec.experiment.config import TrainConfig
from drrec.experiment.run import write_config
from drrec.serving.truth import MOST_TURNS, Judge
from drrec.worlds.world import WORLD, World

USER = "u02"


@pytest.fixture(scope="module")
def world(tiny_interactions) -> World:
    """A world of the users and items of the log."""
    items, users = tiny_interactions.items.raw[1:], tiny_interactions.users.raw
    drawn = World.drawn(np.random.default_rng(3), len(items), len(users))
    named = {"items": np.sort(items.astype(str)), "users": np.sort(users.astype(str))}
    return dataclasses.replace(drawn, **named)


@pytest.fixture(scope="module")
def judge(world, tiny_interactions) -> Judge:
    users, items = tiny_interactions.users, tiny_interactions.items
    return Judge(world.truth(users, items), users, items)


@pytest.fixture(scope="module")
def server(world, tiny_interactions, tmp_path_factory):
    """A server of a run on this world."""
    root = tmp_path_factory.mktemp("made-up")
    folder = root / "save_model" / "run"
    (root / "data" / "world").mkdir(parents=True)
    folder.mkdir(parents=True)
    world.save(root / "data" / "world" / WORLD)
    write_config(folder, TrainConfig(dataset="world"))
    titles = np.array([str(each) for each in tiny_interactions.items.raw])
    ItemKNN().fit(Dataset("world", tiny_interactions, titles)).save(folder / "agent.drrec")
    flags = ["--runs-dir", str(root), "--data-dir", str(root / "data")]
    with serving(folder, root / "store.db", *flags) as server:
        yield server


def decimal(value: float) -> str:
    """As the page writes it."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.2f}").replace("-", "−")


def plain_rewards(world, user, items):
    """Appeals and boredom by their definition."""
    place = {each: number for number, each in enumerate(world.items.tolist())}
    appeal = world.appeal()[world.users.tolist().index(user)]
    kinds = [world.kind[place[each]] for each in items]
    bored = [
        sum(world.boredom[before, kind] for before in kinds[max(0, t - int(world.window)) : t])
        for t, kind in enumerate(kinds)
    ]
    return [appeal[place[each]] - b for each, b in zip(items, bored, strict=True)], bored


def test_turns_are_worth_what_the_world_pays(judge, world):
    items = world.items[[3, 11, 4, 7, 40, 41]].tolist()
    turns = judge.turns(USER, [items[0], "of no catalogue", items[1], items[0], *items[2:]])
    rewards, bored = plain_rewards(world, USER, items)
    assert [each.item for each in turns] == items
    np.testing.assert_allclose([each.reward for each in turns], rewards, atol=1e-5)
    np.testing.assert_allclose([each.boredom for each in turns], bored, atol=1e-6)
    assert max(bored) > 0


def test_no_session_earns_more_than_the_best(judge, world):
    first, second = (each.best for each in judge.turns(USER, world.items[:2].tolist()))
    totals = {
        pair: sum(plain_rewards(world, USER, pair)[0])
        for pair in itertools.permutations(world.items.tolist()[:81:2], 2)
    }
    assert second >= max(totals.values()) - 1e-5
    alone = world.appeal()[world.users.tolist().index(USER)]
    assert first == pytest.approx(alone.max(), abs=1e-5)
    best = max(np.argsort(-alone)[:30], key=lambda item: alone[item])
    follow = [
        alone[best] + alone[item] - world.boredom[world.kind[best], world.kind[item]]
        for item in range(len(alone))
        if item != best
    ]
    assert second >= max(follow) - 1e-5


def test_somebody_new_has_no_taste_and_a_session_ends(judge, world):
    turns = judge.turns(None, world.items.tolist())
    assert len(turns) == MOST_TURNS
    assert {(each.reward, each.best) for each in turns} == {(None, None)}
    _, bored = plain_rewards(world, USER, world.items.tolist()[:MOST_TURNS])
    np.testing.assert_allclose([each.boredom for each in turns], bored, atol=1e-6)
    assert judge.turns(USER, []) == judge.turns("nobody", []) == []


def test_who_serves_another_data_set_does_not_know(client):
    assert [each["has_truth"] for each in client.get("/v1/models").json()["models"]] == [False]
    session = client.post("/v1/sessions", json={}).json()["session"]
    answer = client.get(f"/v1/sessions/{session}/truth")
    assert answer.status_code == 404
    assert "made-up data" in answer.json()["error"]
    assert client.get("/v1/sessions/nothing/truth").status_code == 404


def test_the_page_shows_the_truth_with_each_turn(browser, server):
    tabs = Tabs(browser, server.port)
    tab = tabs.open()
    tab.get_by_label("Search by user id").fill(USER)
    tab.get_by_role("option").first.click()
    rows(tab).first.wait_for()
    truth = tab.locator(".truth")
    assert not truth.is_visible()
    for count in (1, 2):
        answer(tab, "like")
        _, told = server.ask(f"/v1/sessions/{session_of(tab)}/truth")
        turns = told["turns"]
        assert len(turns) == count
        truth.get_by_text(f"in {count} title").wait_for()
        said = truth.inner_text()
        assert f"This session {decimal(sum(each['reward'] for each in turns))}" in said
        assert f"Best possible {decimal(turns[-1]['best'])}" in said
        assert f"Boredom took {decimal(sum(each['boredom'] for each in turns))}" in said
    tab.reload()
    truth.get_by_text("in 2 titles").wait_for()
    tabs.close()
    assert tabs.faults == []


def test_of_somebody_new_the_page_shows_boredom_alone(browser, server):
    tabs = Tabs(browser, server.port)
    tab = tabs.open()
    begin(tab)
    answer(tab, "skip")
    tab.locator(".truth").get_by_text("nobody knows").wait_for()
    assert "Boredom took .00 in 1 title." in tab.locator(".truth").inner_text()
    assert tab.locator(".truth svg").count() == 0
    tabs.close()
    assert tabs.faults == []
