"""`drrec llm train`: language models beside baselines, from the log to the report."""

import dataclasses

import numpy as np
import pytest
import yaml
from tests.agents.tiny import write_csv

from drrec import cli
from drrec.cli.llm import Llm
from drrec.cli.settings import PRESETS
from drrec.evaluation.protocols.sampled import drawn
from drrec.experiment.baselines import asked_for, baselines
from drrec.experiment.benchmark import tables_of
from drrec.experiment.config import BenchmarkConfig
from drrec.experiment.language import ask, positions, prepare
from drrec.experiment.language_config import LanguageConfig, default_name
from drrec.experiment.task import Task
from drrec.llm.config import ModelConfig, TrainingConfig
from drrec.llm.wall import read_requests
from drrec.reading import read_json
from drrec.registry import BASELINES, LANGUAGE_MODELS

BRIEF = [
    *("--width", "16", "--layers", "1", "--next-epochs", "1", "--grpo-epochs", "1"),
    *("--batch-size", "64", "--grpo-batch-size", "64", "--gpu", "-1"),
]


@pytest.fixture
def config(tiny_interactions, tmp_path):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    training = TrainingConfig(model=ModelConfig(width=16, layers=1), seed=3)
    return LanguageConfig(dataset=str(path), training=training)


def test_a_run_trains_reports_and_is_not_trained_again(config, tmp_path, capsys):
    command = [
        *("train", "--dataset", config.dataset, "--runs-dir", str(tmp_path), "--name", "run"),
        *("--rows", "zero,sft,grpo", "--baselines", "random,popularity", *BRIEF),
    ]
    assert cli.run(Llm, argv=command, prog="drrec llm") == 0
    said = capsys.readouterr().out
    folder = tmp_path / "save_model/run"
    metrics = read_json(folder / "metrics.json")
    rows = ["random", "popularity", "llm_zero", "llm_sft", "llm"]
    assert [*metrics["protocols"]["sampled_9"]] == rows
    assert [*metrics["comparisons"]["sampled_9"]["agents"]] == ["llm"]
    assert "hr@1 .100" in said
    assert (folder / "report.md").read_text().strip() == said.strip()
    for name in rows:
        places = metrics["positions"][name]
        assert len(places) == 10
    made = (folder / "grpo/model.safetensors").stat().st_mtime_ns
    assert cli.run(Llm, argv=command, prog="drrec llm") == 0
    assert capsys.readouterr().out.splitlines()[:8] == said.splitlines()[:8]
    assert (folder / "grpo/model.safetensors").stat().st_mtime_ns == made


def test_places_are_those_of_the_draws(config, tmp_path):
    """A method that always takes the third candidate is right where that is the hidden item."""
    from drrec.evaluation.evaluate import evaluated
    from drrec.evaluation.protocols.protocol import protocol_of

    task = Task.load(config.run, tmp_path)
    draws = drawn(task.train, task.test, seed=3, num_negatives=9)

    class Third:
        uses_history = False

        def score(self, users, histories, candidates=None):
            return np.tile(np.arange(10) == 2, (len(users), 1)).astype(np.float32)

    trials = {"sampled_9": protocol_of("sampled_9").asked(task.test_data)}
    found = positions(evaluated({"third": Third()}, trials, task.train, seed=3), task)
    there = np.unique(draws.place)
    expected = [float(place == 2) if place in there else np.nan for place in range(10)]
    np.testing.assert_array_equal(found["third"], expected)


def test_requests_are_the_protocols_candidates_and_hold_no_test_row_as_history(config, tmp_path):
    task = Task.load(config.run, tmp_path)
    draws = ask(tmp_path / "requests.npz", config, task, "sampled_9")
    requests = read_requests(tmp_path / "requests.npz")
    expected = drawn(task.train, task.test, seed=3, num_negatives=9)
    np.testing.assert_array_equal(requests.candidates, expected.items)
    np.testing.assert_array_equal(draws.place, expected.place)
    hidden = np.take_along_axis(requests.candidates, draws.place[:, None], axis=1)
    assert not (requests.history == hidden).any()
    assert requests.fingerprint == task.train.fingerprint


def test_files_of_training_know_nothing_of_the_test_rows(config, tmp_path, tiny_interactions):
    other = dataclasses.replace(
        tiny_interactions,
        rating=np.where(tiny_interactions.position_from_end() == 0, 1, tiny_interactions.rating),
    )
    scrambled = dataclasses.replace(
        config, dataset=str(write_csv(other, tmp_path / "scrambled.csv"))
    )
    for name, each in {"a": config, "b": scrambled}.items():
        prepare(tmp_path / name, each, Task.load(each.run, tmp_path))
    assert (tmp_path / "a/train.npz").read_bytes() == (tmp_path / "b/train.npz").read_bytes()


def test_language_models_are_baselines_that_all_leaves_out(config, tmp_path, monkeypatch):
    assert asked_for("all") == tuple(BASELINES)
    assert asked_for("popularity,llm") == ("popularity", "llm")
    titled = []
    kind = LANGUAGE_MODELS["llm"]
    monkeypatch.setattr(kind, "fit", lambda self, train: titled.append(train.titles) or self)
    run = dataclasses.replace(config.run, baselines="popularity,llm")
    found = baselines(Task.load(run, tmp_path), None, run, {})
    assert [*found] == ["popularity", "llm"]
    assert len(titled[0]) == 81  # a model of text needs a data set with titles


def test_the_benchmark_has_a_table_of_them():
    values = yaml.safe_load((PRESETS / "language/benchmark.yaml").read_text(encoding="utf-8"))
    table = tables_of(values, BenchmarkConfig(), "it")["llm"]
    assert [*table] == ["ddpg", "supervised"]
    for config in table.values():
        assert {"sasrec", *LANGUAGE_MODELS} < {*asked_for(config.baselines)}
        assert {"sampled", "sampled_9"} <= {*config.asked_also}


def test_a_run_is_called_after_its_data_and_model():
    model = ModelConfig(model="org/Name-1B")
    config = LanguageConfig(dataset="a/b.csv", training=TrainingConfig(model=model))
    assert default_name(config) == "llm-b-Name-1B"
