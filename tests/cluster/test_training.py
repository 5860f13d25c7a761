"""Runs trained on a cluster are those of one process, bit for bit, though a machine dies."""

import dataclasses
import functools
import gzip
import threading

import numpy as np
import pytest
from tests.agents.tiny import small_config, write_csv
from tests.brief import eagerly
from tests.cluster import work
from tests.featured import write_random_features

from drrec.arrays import read_arrays
from drrec.embeddings import content as teaching
from drrec.embeddings import contrast
from drrec.embeddings.config import GridConfig
from drrec.errors import InputError
from drrec.evaluation.result import VALUES
from drrec.experiment.apart import train_run_apart
from drrec.experiment.compare import compare
from drrec.experiment.config import CompareConfig, RunConfig
from drrec.experiment.run import MODEL, SERVED, Run
from drrec.experiment.search import Search
from drrec.experiment.task import Task
from drrec.experiment.train import cells_of, train_run

STEPS = 48


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    brief = (contrast, "_STEPS", 1), (teaching, "_MOST_ROUNDS", 1), (teaching, "_STEPS_A_ROUND", 1)
    with eagerly(*brief):
        yield


@pytest.fixture(scope="module")
def alone(tiny_interactions, tmp_path_factory):
    """A run of two seeds by ids."""
    folder = tmp_path_factory.mktemp("world")
    path = write_csv(tiny_interactions, folder / "log.csv")
    return small_config(path, steps=STEPS, seed=3, seeds=2)


@pytest.fixture(scope="module")
def judged(alone, tmp_path_factory):
    return Task.load(alone, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    return tmp_path_factory.mktemp("noted") / "steps"


@pytest.fixture(scope="module")
def cluster(machines, noted):
    begin = functools.partial(work.quickly, str(noted), 0.5)
    with machines.of(1, 1), machines.connected(begin) as cluster:
        yield cluster


def arrays_of(path):
    return read_arrays(path, "a model", "Save it again.")


def assert_same_models(run, other, names):
    for name in names:
        for file in (MODEL, SERVED):
            ours, theirs = (each.root / "save_model" / name / file for each in (run, other))
            assert ours.exists() == theirs.exists()
            if ours.exists():
                ours, theirs = arrays_of(ours), arrays_of(theirs)
                assert ours.keys() == theirs.keys()
                for key, value in ours.items():
                    np.testing.assert_array_equal(value, theirs[key], err_msg=key)


def test_seeds_are_those_of_one_process(cluster, alone, judged, tmp_path):
    here, there = Run(tmp_path / "here", "r"), Run(tmp_path / "there", "r")
    for run in (here, there):
        run.begin(alone)
    assert train_run(here, alone, judged)
    train_run_apart(cluster, there, alone, judged, None)
    cells = cells_of(here, alone)
    assert [cell.final_fit for cell in cells] == [True, False]
    assert_same_models(here, there, [cell.run.name for cell in cells])


def test_a_refusal_is_the_same_line(cluster, alone, judged, tmp_path):
    run = Run(tmp_path, "r")
    run.begin(alone)
    train_run_apart(cluster, run, alone, judged, None)
    changed = dataclasses.replace(alone, steps=STEPS + 8)
    with pytest.raises(InputError, match="settings that r/seed-3 was trained with"):
        train_run_apart(cluster, run, changed, judged, None)
    weights = next((tmp_path / "save_weights").glob("embeddings/*/final.npz"))
    weights.write_bytes(b"damaged")
    another = Run(tmp_path, "s")
    another.begin(alone)
    with pytest.raises(InputError, match=r"final\.npz"):
        train_run_apart(cluster, another, alone, judged, None)


def test_trials_are_shared_out_and_a_killed_one_is_tried_again(cluster, tmp_path):
    path = tmp_path / "tried"
    objective = functools.partial(work.peak, str(path), 1)
    study = Search(tmp_path, 0, 9.0, True, cluster)("peak", [{"x": 0.5}], objective, 7)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 3
    tried = dict.fromkeys(work.lines_of(path))
    assert len(work.lines_of(path)) == 8  # the killed one twice, with the same settings:
    assert [*sorted(tried)] == [f"{each.number}:{each.params['x']}" for each in study.trials]
    assert study.trials[0].params == {"x": 0.5}
    assert len({trial.params["x"] for trial in study.trials}) == 7
    assert [line[0] for line in (tmp_path / "peak.csv").read_text().splitlines()[1:]] == [
        *"0123456"
    ]


def test_a_search_that_was_killed_tries_again_what_it_was_at(cluster, tmp_path):
    search = Search(tmp_path, 0, 9.0, True, cluster)
    killed = search.study("peak")
    killed.enqueue_trial({"x": 0.5})
    killed.ask()
    objective = functools.partial(work.peak, str(tmp_path / "tried"), 99)
    study = search("peak", [{"x": 0.5}], objective, 2)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert study.trials[1].params == {"x": 0.5}


def test_a_comparison_is_that_of_one_process_though_a_machine_dies(
    cluster, machines, noted, alone, tmp_path
):
    shared = {f.name: getattr(alone, f.name) for f in dataclasses.fields(RunConfig)}
    grid = GridConfig(modality="text", fusion="late", aggregation="mean")
    config = CompareConfig(**(shared | {"seeds": 1}), grid=grid)
    path = write_random_features(config, tmp_path, path=tmp_path / "mine.h5")
    config = dataclasses.replace(config, features=str(path))
    judged = Task.load(config, tmp_path)
    here, there = Run(tmp_path / "here", "c"), Run(tmp_path / "there", "c")
    metrics = compare(here, config, judged, tmp_path)
    begun = len(work.lines_of(noted))

    def kill():
        work.until(lambda: len([*there.weights.glob("*/seed-3")]) == 2)
        work.until(lambda: all(any(f.glob("step-*")) for f in there.weights.glob("*/seed-3")))
        machines.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    found = compare(there, config, judged, tmp_path, cluster)
    thread.join()
    from_steps = [int(each) for each in work.lines_of(noted)[begun:]]
    assert len(from_steps) == 3  # two cells, and one of them again
    assert from_steps[:2] == [0, 0]
    assert 0 < from_steps[2] < STEPS
    assert_same_models(here, there, ["c/ids/seed-3", "c/text/seed-3"])
    tables = [gzip.decompress((run.folder / VALUES).read_bytes()) for run in (here, there)]
    assert tables[0] == tables[1]
    assert found["content_added"] == metrics["content_added"]
