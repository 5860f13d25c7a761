"""The whole table of a data set: what files ask for, that all is trained once, judged, reported."""

import contextlib
import dataclasses
import shlex

import numpy as np
import pytest
import yaml
from tests.agents.tiny import write_csv
from tests.brief import brief_figures, eagerly

from drrec import cli
from drrec.cli.settings import PRESETS
from drrec.errors import InputError
from drrec.experiment import grid
from drrec.experiment.benchmark import benchmark, tables_of
from drrec.experiment.config import BenchmarkConfig
from drrec.experiment.run import Run
from drrec.reading import read_json
from drrec.registry import AGENTS, BASELINES

SMALL = {
    "steps": 8,
    "min_items": 5,
    "baselines": "random,popularity",
    "vectors": {"embedding": "variational", "dim_emb": 5, "held_out": 0.4},
    "environment": {"state_size": 3, "episode_length": 4},
    "agent": {
        "dim_actor": 8,
        "dim_critic": 8,
        "batch_size": 16,
        "memory_size": 128,
        "num_envs": 4,
        "horizon": 2,
        "epochs": 1,
        "minibatches": 2,
    },
}
TABLES = {
    "rated": {
        "settings": SMALL | {"also": "simulator,offpolicy"},
        "agents": {"ddpg": {}, "ppo": {"agent": {"lr_actor": 0.01}}},
    },
    "full": {
        "settings": SMALL | {"split": "leave_one_out", "also": "unmasked"},
        "agents": {"slow": {"algorithm": "a2c"}},
    },
}
FEWER = {
    "rated": {"settings": SMALL, "agents": {"ddpg": {}}},
    "full": TABLES["full"],
}
COMMITTED = sorted((PRESETS / "benchmark").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _quickly():
    with eagerly(), pytest.MonkeyPatch.context() as patch:
        brief_figures(patch)
        yield


@pytest.fixture
def config(tiny_interactions, tmp_path):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    return BenchmarkConfig(dataset=str(path), seed=3, seeds=2)


def test_an_agents_settings_are_laid_over_its_tables_and_what_is_shared_over_both(config):
    tables = tables_of(TABLES, config, "here")
    assert {name: list(agents) for name, agents in tables.items()} == {
        "rated": ["ddpg", "ppo"],
        "full": ["slow"],
    }
    ddpg, ppo, slow = tables["rated"]["ddpg"], tables["rated"]["ppo"], tables["full"]["slow"]
    assert [each.algorithm for each in (ddpg, ppo, slow)] == ["ddpg", "ppo", "a2c"]
    assert [each.agent.lr_actor for each in (ddpg, ppo, slow)] == [1e-4, 0.01, 1e-4]
    assert ppo.agent.dim_actor == ddpg.agent.dim_actor == 8
    assert ppo.agent.horizon == 2
    assert (slow.split, slow.also) == ("leave_one_out", "unmasked")
    for each in (ddpg, ppo, slow):
        assert (each.dataset, each.seed, each.seeds) == (config.dataset, 3, 2)
        assert not each.control
        assert each.baselines == "random,popularity"
    asked = dataclasses.replace(config, baselines="bpr", only="slow")
    narrower = tables_of(TABLES, asked, "here")
    assert {table: list(agents) for table, agents in narrower.items()} == {"full": ["slow"]}
    assert narrower["full"]["slow"].baselines == "bpr"


@pytest.mark.parametrize(
    ("values", "only", "words"),
    [
        (None, "", "Expected tables by name in here. Received: None"),
        ({"rated": {"agents": {}}}, "", "Expected settings and agents for table rated in here"),
        ({"rated": {"settings": {}, "agents": {}}}, "", "Expected an agent for table rated"),
        (
            TABLES,
            "ppo,quick",
            "tables in here for --only. Received: quick. There are: ddpg, ppo, slow",
        ),
        ({"rated": {"settings": {"stepz": 1}, "agents": {"ddpg": {}}}}, "", "'stepz'.*steps"),
        ({"rated": {"settings": {}, "agents": {"dqn": {}}}}, "", "algorithm.*dqn"),
    ],
)
def test_what_asks_for_nothing_or_for_what_there_is_not_is_refused(values, only, words):
    with pytest.raises(InputError, match=words):
        tables_of(values, BenchmarkConfig(only=only), "here")


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_tables_can_be_read_and_have_every_agent(path):
    tables = tables_of(yaml.safe_load(path.read_text(encoding="utf-8")), BenchmarkConfig(), "it")
    first = next(iter(tables.values()))
    assert {each.algorithm for each in first.values()} == set(AGENTS)
    assert {each.baselines for each in first.values()} == {"all"}


def begun_by(monkeypatch, *, up_to=99):
    """Note each training; the one that comes after `up_to` others is interrupted."""
    begun, as_ever = [], grid.train_cell

    def noted(cell, *rest):
        begun.append(cell.run.name)
        return len(begun) <= up_to and as_ever(cell, *rest)

    monkeypatch.setattr(grid, "train_cell", noted)
    return begun


def test_all_is_trained_once_judged_on_the_same_and_reported(config, tmp_path, monkeypatch):
    run, tables = Run(tmp_path, "b"), tables_of(TABLES, config, "here")
    begun = begun_by(monkeypatch, up_to=2)
    assert benchmark(run, tables, tmp_path) is None
    assert begun == ["b/rated/ddpg/seed-3", "b/rated/ppo/seed-3", "b/rated/ddpg/seed-4"]
    monkeypatch.undo()
    begun = begun_by(monkeypatch)
    found = benchmark(run, tables, tmp_path)
    assert begun == [
        "b/rated/ddpg/seed-4",
        "b/rated/ppo/seed-4",
        "b/full/slow/seed-3",
        "b/full/slow/seed-4",
    ]
    assert set(found["rated"]["protocols"]) == {"rated", "simulator"}
    assert set(found["full"]["protocols"]) == {"full", "unmasked"}
    for table, agents in (("rated", ["ddpg", "ppo"]), ("full", ["slow"])):
        for methods in found[table]["protocols"].values():
            assert list(methods) == ["random", "popularity", *agents]
        assert read_json(run.folder / table / "metrics.json")["seeds"] == [3, 4]
        assert ("agreement" in found[table]) == (table == "rated")
        assert ("off_policy" in found[table]) == (table == "rated")
        assert set(found[table]["comparisons"]) == set(found[table]["protocols"])
    assert (run.folder / "rated" / "rated.csv").is_file()
    assert (run.folder / "full" / "unmasked.png").is_file()
    for said in found["rated"]["off_policy"].values():
        assert said["verdict"].startswith("too thin: effective sample")  # a log of a few hundred
    report = (run.folder / "report.md").read_text(encoding="utf-8")
    assert report.count("## Protocol") == 4
    assert report.count("## Off-policy estimates") == 1
    agreed = found["rated"]["agreement"]
    assert -1 <= agreed["kendall_tau"] <= 1
    rewards = found["rated"]["protocols"]["simulator"].values()
    first, second = (
        [cells[f"reward_{judge}"]["mean"] for cells in rewards]
        for judge in ("factors", "neighbours")
    )
    assert np.isfinite(agreed["pearson"])
    assert (agreed["kendall_tau"] == 1) == (np.argsort(first) == np.argsort(second)).all()
    assert report.count("The judges agree on the methods' order") == 1
    # With what was seen left in, the hidden item stands lower, or as high at best.
    masked, open_ = (found["full"]["protocols"][name]["slow"] for name in ("full", "unmasked"))
    assert open_["mrr@20"]["mean"] < masked["mrr@20"]["mean"]

    other = tables_of(TABLES, BenchmarkConfig(dataset=config.dataset, seed=3), "here")
    with pytest.raises(InputError, match="that b was begun with"):
        benchmark(run, other, tmp_path)


def test_the_command_prints_every_table(config, tmp_path, capsys):
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump(FEWER), encoding="utf-8")
    argv = shlex.split("benchmark --dataset log.csv --tables tables.yaml --gpu -1")
    with contextlib.chdir(tmp_path):
        assert cli.run(*cli.STAGES, argv=argv) == 0
    printed = capsys.readouterr().out
    for words in ("`rated`", "`full`", "`unmasked`", "ddpg", "slow", "Holm"):
        assert words in printed
    assert (tmp_path / "save_model" / "benchmark-log" / "report.md").is_file()


def test_of_all_baselines_those_that_cannot_be_fitted_are_left_out_and_others_are_not(
    config, tmp_path, monkeypatch, caplog
):
    class Vast:
        uses_history = is_random = False

        def __init__(self, seed):
            pass

        def fit(self, train):
            raise InputError("Expected less. Received: more.")

    for name in set(BASELINES) - {"random"}:
        monkeypatch.delitem(BASELINES, name)
    monkeypatch.setitem(BASELINES, "vast", Vast)
    values = {"rated": {"settings": SMALL | {"baselines": "all"}, "agents": {"a2c": {}}}}
    found = benchmark(Run(tmp_path, "b"), tables_of(values, config, "here"), tmp_path)
    assert list(found["rated"]["protocols"]["rated"]) == ["random", "a2c"]
    assert "vast is left out: Expected less" in caplog.text
    values["rated"]["settings"] = SMALL | {"baselines": "random,vast"}
    with pytest.raises(InputError, match="Expected less"):
        benchmark(Run(tmp_path, "c"), tables_of(values, config, "here"), tmp_path)


def test_baselines_that_there_are_not_are_refused_before_anything_is_written(config, tmp_path):
    asked = dataclasses.replace(config, baselines="random,slope_one")
    with pytest.raises(InputError, match=r"`baselines` to be of random.*slope_one"):
        benchmark(Run(tmp_path, "b"), tables_of(TABLES, asked, "here"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
