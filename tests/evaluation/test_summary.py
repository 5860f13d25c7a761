"""What a summary says beside its tables: comparisons, lists and slices, each under its own key."""

import dataclasses
import pathlib

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, planted

from drrec.baselines.chance import Random
from drrec.baselines.popularity import Popularity
from drrec.data.interactions import Interactions
from drrec.evaluation.beyond import beyond
from drrec.evaluation.comparisons import compared
from drrec.evaluation.lists import genre_vectors
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.full import full
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import SESSION_METRICS
from drrec.evaluation.result import Background, Ceiling, Evaluation, cells_of
from drrec.evaluation.slices import slices
from drrec.evaluation.summary import baselines_by, summarised
from drrec.files import write_json
from drrec.reading import read_json


@pytest.fixture
def found(tiny_interactions: Interactions) -> Evaluation:
    is_test = tiny_interactions.position_from_end() < 1
    train, test = tiny_interactions.where(~is_test), tiny_interactions.where(is_test)
    judged = {}
    for seed in (0, 1):
        methods = {
            "random": Random(seed).fit(train),
            "popularity": Popularity().fit(train),
            "ddpg": Stub(lambda u, h, i, seed=seed: np.cos(u + i * i + seed), train.num_items),
            "ids": Random(seed + 9).fit(train),
        }
        for name, method in methods.items():
            judged["full", name, seed] = full(method, train, test, seed=seed)
    genres = np.array(["", *("Drama", "War, Drama", "Noir") * 40])[: train.num_items]
    background = Background(train, {"full": test}, genre_vectors(genres))
    return planted(judged, background=background)


def test_each_key_holds_what_its_part_says(found: Evaluation, tmp_path: pathlib.Path) -> None:
    content = summarised(found, agents=["ddpg", "ids"])
    assert set(content) == {
        *("dataset", "split", "seed", "seeds", "splits", "chance", "protocols"),
        *("comparisons", "beyond", "slices"),
    }
    assert content["beyond"].keys() == content["slices"].keys() == {"full"}
    # Through JSON, where NaN is null and equal to itself.
    for name, part in (("beyond", beyond), ("slices", slices)):
        write_json(tmp_path / "expected.json", {"full": part(found, "full")})
        write_json(tmp_path / "found.json", content[name])
        assert read_json(tmp_path / "found.json") == read_json(tmp_path / "expected.json")
    cube = found.cube("full")
    values = {name: cube.of(name, "ndcg@10") for name in cube.methods}
    comparison = content["comparisons"]["full"]
    assert comparison["metric"] == "ndcg@10"
    best_first = baselines_by(content["protocols"]["full"], protocol_of("full"), ["ddpg", "ids"])
    assert best_first == ["popularity", "random"]
    assert comparison["agents"] == compared(values, ["ddpg", "ids"], best_first)


def test_without_a_background_or_agents_less_is_said(found: Evaluation) -> None:
    bare = dataclasses.replace(found, background=None)
    assert {"beyond", "slices"}.isdisjoint(summarised(bare))
    assert summarised(found)["comparisons"] == {}
    assert summarised(found, agents=found.cube("full").methods)["comparisons"] == {}


def test_a_ceiling_is_the_mean_over_seeds(found: Evaluation) -> None:
    ceilings = {
        ("full", "ddpg", seed): Ceiling("ease", 20, recall)
        for seed, recall in ((0, 0.25), (1, 0.75))
    }
    expected = {"full": {"ddpg": {"proposer": "ease", "k": 20, "recall": 0.5}}}
    assert summarised(dataclasses.replace(found, ceilings=ceilings))["ceiling"] == expected


def test_bounds_are_nobodys_rivals() -> None:
    rng = np.random.default_rng(0)
    methods = {
        ("session", name, 0): PerUser(
            np.arange(30), {m: level + rng.random(30) for m in SESSION_METRICS}
        )
        for name, level in {"random": 0, "ddpg": 2, "greedy_truth": 3, "optimum": 4}.items()
    }
    content = summarised(planted(methods), agents=["ddpg"])
    assert list(content["comparisons"]["session"]["agents"]["ddpg"]) == ["random"]


def test_cells_of_several_seeds_have_an_interval_over_both() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (4, 200, 1)) + np.arange(4)[:, None, None]
    values[:, :20] = np.nan
    cell = cells_of(values, ["x"])["x"]
    assert cell["num_users"] == 180
    assert cell["mean"] == pytest.approx(1.5, abs=0.02)
    assert cell["std"] == pytest.approx(np.std(range(4), ddof=1), abs=0.02)
    assert cell["high"] - cell["low"] < 0.05
    # Four seeds drawn of 0 1 2 3: their mean has deviation sqrt(5) / 4.
    assert cell["high_seeds"] - cell["low_seeds"] == pytest.approx(4 * np.sqrt(5) / 4, abs=0.35)
    single = cells_of(values[:1], ["x"])["x"]
    assert set(single) == {"mean", "low", "high", "num_users"}
