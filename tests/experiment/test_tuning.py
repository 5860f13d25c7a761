"""Settings are chosen on validation: never worse there than the defaults, and blind to the test."""

import csv
import dataclasses
import functools
import itertools

import numpy as np
import optuna
import pytest
import yaml
from tests.agents.tiny import small, write_csv
from tests.data import raw

from drrec import cli
from drrec.agents.base import Agent
from drrec.agents.blending import Blend
from drrec.cli import flags
from drrec.data.datasets import load_dataset
from drrec.data.interactions import Interactions
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.embeddings import pretrain
from drrec.embeddings.config import EmbeddingConfig
from drrec.embeddings.table import Embeddings
from drrec.embeddings.variational import fit_variational
from drrec.errors import InputError
from drrec.experiment import blends, search, tuning
from drrec.experiment.baselines import baselines
from drrec.experiment.config import TrainConfig, from_dict
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.tuning import CHOSEN, suited, tune

pytestmark = pytest.mark.usefixtures("adam_of_one_kernel")


@pytest.fixture
def here(tiny_interactions, tmp_path, monkeypatch):
    """A log in the working folder, and agents that are as good as trained at once."""
    monkeypatch.chdir(tmp_path)
    write_csv(tiny_interactions, tmp_path / "log.csv")
    monkeypatch.setattr(tuning, "learn", lambda *_: True)
    monkeypatch.setattr(blends, "_UNASKED", ())
    few_sweeps = functools.partial(fit_variational, num_sweeps=2)
    quick = pretrain.FACTORISATIONS["variational"]._replace(fit=few_sweeps)
    for name in ("variational", "pmf"):
        monkeypatch.setitem(pretrain.FACTORISATIONS, name, quick)
    return tmp_path


def config(**changes):
    vectors = EmbeddingConfig(embedding="variational", dim_emb=9)
    defaults = {"dataset": "log.csv", "min_items": 3, "vectors": vectors, "agent": small()}
    defaults |= {"baselines": "random"}
    return TrainConfig(**(defaults | changes))


def searched(here, config_, trials, minutes=100.0):
    return tune(Run(here, "search"), config_, here, minutes, trials)


def trials_in(here):
    with (here / "save_model/search/ddpg.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_default_is_tried_first_and_what_is_chosen_is_no_worse(here):
    found = searched(here, config(), 3)
    trials = trials_in(here)
    assert [row["trial"] for row in trials] == ["0", "1", "2"]
    assert trials[0]["noise_precision"] == "1.2"
    values = [float(row["value"]) for row in trials if row["value"]]
    assert found.best == pytest.approx(max(values))
    assert found.default == pytest.approx(values[0])
    written = yaml.safe_load((here / "save_model/search" / CHOSEN).read_text())
    assert from_dict(TrainConfig, written, "it") == found.config
    assert found.config.judge == "test"
    best = trials[int(np.argmax([float(row["value"] or 0) for row in trials]))]
    assert found.config.vectors.dim_emb == int(best["dim_emb"])


def test_a_search_goes_on_where_it_stopped_and_ends_with_its_budget(here):
    assert searched(here, config(), 2).trials == 2
    before = trials_in(here)
    assert searched(here, config(), 3).trials == 3
    assert trials_in(here)[:2] == before
    assert searched(here, config(), 9, minutes=1e-9).trials == 3


def test_without_time_the_default_alone_is_tried_and_another_search_is_refused(
    here, tiny_interactions
):
    found = searched(here, config(), 9, minutes=1e-9)
    assert found.trials == 1
    assert found.config.vectors == dataclasses.replace(config().vectors)

    with pytest.raises(InputError, match="Expected the settings that search was begun with"):
        searched(here, config(seed=5), 1)
    write_csv(tiny_interactions.where(tiny_interactions.user != 3), here / "log.csv")
    with pytest.raises(InputError, match="split"):
        searched(here, config(), 2)


def test_the_test_part_is_not_seen(here, tiny_interactions):
    log = tiny_interactions
    first = searched(here, config(), 2)
    rng = np.random.default_rng(0)
    is_last = log.timestamp >= np.quantile(log.timestamp, 0.0)
    place = np.arange(len(log)) - log.offsets[log.user]
    size = np.diff(log.offsets)[log.user]
    is_test = is_last & (place >= np.ceil(0.81 * size))
    rating = np.where(is_test, rng.permutation(log.rating), log.rating)
    columns = log.users.raw[log.user], log.items.raw[log.item], rating, log.timestamp
    write_csv(Interactions.from_raw(*columns), here / "log.csv")
    second = tune(Run(here, "again"), config(), here, 100.0, 2)
    assert (second.best, second.default) == (first.best, first.default)


def test_baselines_are_searched_with_the_same_budget_and_run_with_what_was_found(here):
    found = searched(here, config(baselines="random,ease,item_knn"), 3)
    assert set(found.config.tuned) == {"ease", "item_knn"}
    with (here / "save_model/search/ease.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert not (here / "save_model/search/random.csv").exists()
    assert float(rows[0]["l2"]) == 100
    best = max(rows, key=lambda row: float(row["value"]))
    assert found.config.tuned["ease"]["l2"] == pytest.approx(float(best["l2"]), rel=1e-3)
    task = Task.load(found.config, here)
    fitted = baselines(task, None, found.config, {})
    assert fitted["ease"].model.l2 == found.config.tuned["ease"]["l2"]


def test_settings_that_a_baseline_has_not_are_refused(here):
    task = Task.load(config(), here)
    wrong = config(baselines="ease", tuned={"ease": {"depth": 3}})
    with pytest.raises(InputError, match="Expected settings of ease under `tuned`"):
        baselines(task, None, wrong, {})
    with pytest.raises(InputError, match="tuned"):
        from_dict(TrainConfig, {"tuned": {"ease": 3}}, "a.yaml")


def test_vectors_that_rank_worse_than_most_are_given_up(here, monkeypatch):
    learned = []
    monkeypatch.setattr(search, "STARTUP_TRIALS", 1)
    monkeypatch.setattr(tuning, "learn", lambda *_: learned.append(1) or True)
    values = iter([0.9, 0.9, 0.1, 0.95, 0.95])
    monkeypatch.setattr(search.Bench, "value", lambda *_: next(values))
    found = searched(here, config(), 3)
    assert [row["state"] for row in trials_in(here)] == ["complete", "pruned", "complete"]
    assert len(learned) == 2
    assert found.best == 0.95


def test_settings_that_cannot_be_fail_alone(here, monkeypatch):
    calls = []

    def value(*_):
        calls.append(1)
        if len(calls) == 3:
            raise InputError("Expected finite scores. Received: NaN.")
        return 0.5

    monkeypatch.setattr(search.Bench, "value", value)
    assert searched(here, config(), 3).trials == 3
    assert "fail" in [row["state"] for row in trials_in(here)]


def test_a_stop_is_a_stop(here, monkeypatch):
    monkeypatch.setattr(tuning, "learn", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        searched(here, config(), 2)


def test_a_log_without_ratings_gets_the_preset_but_for_what_was_set(tmp_path):
    (tmp_path / "clicks.csv").write_text("user,item\na,x\na,y\nb,x\nb,z\n")
    clicks = load_dataset(tmp_path / "clicks.csv")
    found = suited(TrainConfig(dataset="clicks.csv"), clicks)
    assert (found.vectors.embedding, found.environment.unlogged) == ("implicit", "constant")
    assert (found.steps, found.agent.lr_actor) == (4_000, 1e-5)
    own = TrainConfig(dataset="clicks.csv", steps=77, agent=small(lr_actor=0.5))
    found = suited(own, clicks)
    assert (found.steps, found.agent.lr_actor, found.agent.dim_actor) == (77, 0.5, 8)
    assert suited(TrainConfig(algorithm="supervised"), clicks).agent.warm_up == 256_000


def test_a_log_with_ratings_is_left_as_it_is(tiny_dataset):
    assert suited(TrainConfig(), tiny_dataset) == TrainConfig()
    split = TrainConfig(split="leave_one_out")
    assert suited(split, tiny_dataset).vectors.embedding == "implicit"


def test_short_histories_are_judged_by_fewer_items(here):
    found = searched(here, config(min_items=10), 1)
    assert 1 <= found.config.min_items < 10


def test_vectors_that_shrank_to_nothing_are_refused():
    nothing = Embeddings(np.zeros((4, 2), np.float32), np.ones((3, 2), np.float32), 0.0, "")
    with pytest.raises(InputError, match="shrunk to nothing"):
        nothing.scaled()


def test_the_command_writes_what_train_takes(here, capsys):
    argv = ["--dataset", "log.csv", "--min-items", "3", "--trials", "1", "--gpu", "-1"]
    argv += ["--embedding", "variational", "--dim-emb", "9", "--baselines", "random"]
    assert cli.run(flags.Tune, argv=argv) == 0
    said = capsys.readouterr().out
    assert "in 1 trials. To train with it: drrec train --config " in said
    path = here / "save_model/tuning-log-ddpg" / CHOSEN
    assert path.is_file()
    assert from_dict(TrainConfig, yaml.safe_load(path.read_text()), "it").dataset == "log.csv"


def test_a_run_that_will_be_judged_by_a_matrix_is_tuned_without_it(here):
    feelings = raw.full_matrix(0, 30, 40)
    big, small_ = raw.views(feelings, 1, 0.6), raw.views(feelings[:9, :9], 2, 0.99)
    for name, text in raw.kuairec(big, small_, {item: [item] for item in range(40)}).items():
        raw.write(here / "got" / name, text)
    prepare("kuairec", PrepareConfig(source=here / "got"), here)
    asked = config(dataset="kuairec", split="given", also="observed", min_items=1)
    assert searched(here, asked, 1).config.also == "observed"


def blended_value(model, weight_of):
    """Stands in for a measure: an agent 0.5, a baseline 0.6, a blend as its weight says."""
    if isinstance(model, Blend):
        return weight_of(type(model.bases[0]).__name__, *model.weights)
    return 0.5 if isinstance(model, Agent) else 0.6


def test_the_agent_is_blended_with_a_baseline_where_that_is_better(here, monkeypatch):
    def weight_of(name, weight):
        top = {"EASE": 0.61, "ItemKNN": 0.7}[name]
        return top - (top - 0.5) * (weight / 0.8 - 1) ** 2  # 0.5 without a blend

    monkeypatch.setattr(search.Bench, "value", lambda _, model: blended_value(model, weight_of))
    found = searched(here, config(baselines="random,ease,item_knn"), 1)
    assert (found.config.agent.blend, found.config.agent.blend_weight) == ("item_knn", 0.8)
    assert (found.best, found.default) == (pytest.approx(0.7), 0.5)
    again = searched(here, config(baselines="random,ease,item_knn"), 1)
    assert again.config == found.config


def test_a_single_lucky_weight_is_not_taken(here, monkeypatch):
    def weight_of(name, weight):
        return 0.5 + 0.1 * weight + 0.05 * (weight == 0.2)

    monkeypatch.setattr(search.Bench, "value", lambda _, model: blended_value(model, weight_of))
    found = searched(here, config(baselines="ease"), 1)
    assert (found.config.agent.blend, found.config.agent.blend_weight) == ("ease", 1.0)


def test_the_agent_is_left_alone_where_no_blend_is_better(here, monkeypatch):
    monkeypatch.setattr(
        search.Bench, "value", lambda _, model: blended_value(model, lambda _, w: 0.5 - w / 9)
    )
    found = searched(here, config(baselines="ease"), 1)
    assert (found.config.agent.blend, found.best) == ("", 0.5)


def test_a_blend_that_was_asked_for_stays(here):
    asked = config(baselines="ease", agent=small(blend="item_knn", blend_weight=0.3))
    found = searched(here, asked, 1)
    assert (found.config.agent.blend, found.config.agent.blend_weight) == ("item_knn", 0.3)
    assert not (here / "save_model/search/blend.csv").exists()


def test_a_baseline_that_was_not_asked_for_can_be_blended_with(here, monkeypatch):
    monkeypatch.setattr(blends, "_UNASKED", ("item_knn",))
    monkeypatch.setattr(
        search.Bench, "value", lambda _, model: blended_value(model, lambda _, w: 0.5 + w / 9)
    )
    found = searched(here, config(), 2)
    assert found.config.agent.blend == "item_knn"
    assert set(found.config.tuned) == {"item_knn"}


def test_a_search_that_lost_its_best_agent_trains_it_again(here, monkeypatch):
    kept, times = [], itertools.count(1)
    monkeypatch.setattr(  # the later trial is the better one, and no blend is
        search.Bench, "value", lambda _, model: 0 if isinstance(model, Blend) else next(times) / 99
    )
    original = blends.Blend.of.__func__

    def of(cls, policy, *args):
        kept.append(policy.score(np.arange(60), np.zeros((60, 10), np.int32)))
        return original(cls, policy, *args)

    monkeypatch.setattr(blends.Blend, "of", classmethod(of))
    searched(here, config(baselines="ease"), 2)
    folder = here / "save_model/search"
    (folder / tuning.BEST).unlink()
    optuna.delete_study(study_name="blend", storage=search._storage(optuna, folder / "trials.log"))
    searched(here, config(baselines="ease"), 2)
    assert len(kept) == 2
    np.testing.assert_array_equal(kept[0], kept[1])
