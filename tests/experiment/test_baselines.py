"""Baselines that were fitted before a kill are not fitted again, and score the same to the bit."""

import numpy as np
import pytest
from tests.agents.tiny import small_config, write_csv
from tests.nn.modalities import random_content

from drrec.evaluation.cost import Cost
from drrec.experiment import baselines as fitting
from drrec.experiment.baselines import Fitted, baselines, forget, kept_in
from drrec.experiment.task import Task
from drrec.registry import BASELINES, CONTENT_BASELINES
from drrec.saving import load_noted, write_model


@pytest.fixture(scope="module")
def judged(tiny_interactions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    path = write_csv(tiny_interactions, folder / "log.csv")
    return Task.load(small_config(path), folder)


@pytest.fixture(autouse=True)
def _all_are_kept(monkeypatch):
    monkeypatch.setattr(fitting, "SHORTEST_KEPT", 0.0)


def answers(model, judged):
    users = np.arange(judged.train.num_users, dtype=np.int32)
    return model.score(users, judged.train.liked_histories(10), None)


@pytest.mark.usefixtures("brief_training")
def test_all_are_read_again_and_score_alike(judged, tmp_path, monkeypatch):
    config = small_config("log.csv", baselines=",".join(BASELINES))
    content = random_content(judged.train.num_items)
    first = baselines(judged, content, config, {}, tmp_path)
    assert len(list(tmp_path.iterdir())) == len(first) == len(BASELINES) + len(CONTENT_BASELINES)

    def refuse(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr(fitting, "_fitted", refuse)
    again = baselines(judged, content, config, {}, tmp_path)
    for name, one in first.items():
        assert again[name].cost == one.cost
        np.testing.assert_array_equal(
            answers(again[name].model, judged), answers(one.model, judged), err_msg=name
        )


def names_fitted(monkeypatch):
    fitted, plain = [], fitting._fitted
    monkeypatch.setattr(
        fitting, "_fitted", lambda name, *rest: (fitted.append(name), plain(name, *rest))[1]
    )
    return fitted


def test_of_other_seeds_settings_or_ratings_they_are_fitted_anew(judged, tmp_path, monkeypatch):
    fitted = names_fitted(monkeypatch)
    config = small_config("log.csv", baselines="random,popularity")
    baselines(judged, None, config, {}, tmp_path)
    baselines(judged, None, small_config("log.csv", baselines="random", seed=1), {}, tmp_path)
    assert fitted == ["random", "popularity", "random"]
    monkeypatch.setattr(fitting.drrec, "__version__", "another")
    baselines(judged, None, config, {}, tmp_path)
    assert fitted[3:] == ["random", "popularity"]


def test_short_fits_and_large_models_are_not_kept(judged, tmp_path, monkeypatch):
    config = small_config("log.csv", baselines="ease")
    monkeypatch.setattr(fitting, "LARGEST_KEPT", 80 * 80)
    baselines(judged, None, config, {}, tmp_path)
    monkeypatch.setattr(fitting, "LARGEST_KEPT", 2**30)
    monkeypatch.setattr(fitting, "SHORTEST_KEPT", 1e9)
    baselines(judged, None, config, {}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_broken_one_is_fitted_again_and_that_is_said(judged, tmp_path, monkeypatch, caplog):
    config = small_config("log.csv", baselines="popularity")
    baselines(judged, None, config, {}, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    fitted = names_fitted(monkeypatch)
    baselines(judged, None, config, {}, tmp_path)
    assert fitted == ["popularity"]
    assert "is broken and is made again" in caplog.text
    assert load_noted(path)[1]["cost"].keys() == {"seconds", "peak_memory"}


def test_the_cost_is_that_of_the_fit(judged, tmp_path):
    config = small_config("log.csv", baselines="popularity")
    found = baselines(judged, None, config, {}, tmp_path)
    (path,) = tmp_path.iterdir()
    write_model(path, found["popularity"].model, {"cost": {"seconds": 77.0, "peak_memory": 5.0}})
    again = baselines(judged, None, config, {}, tmp_path)["popularity"]
    assert isinstance(again, Fitted)
    assert again.cost == Cost(77.0, 5.0)


def test_they_are_forgotten_once_the_run_is_reported(tmp_path):
    kept_in(tmp_path).mkdir()
    forget(tmp_path)
    forget(tmp_path)
    assert not list(tmp_path.iterdir())
