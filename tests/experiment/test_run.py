import contextlib
import dataclasses
import os
import shutil

import pytest
import yaml
from tests.agents.tiny import small_config

from drrec.errors import InputError
from drrec.experiment.config import TrainConfig
from drrec.experiment.grid import begin_or_go_on
from drrec.experiment.run import VERSION, Run, learned_by

CONFIG = small_config("folder/log.csv", seed=3)


def test_a_new_run_holds_its_config(tmp_path):
    run = Run.create(tmp_path, "first", CONFIG)
    assert run.folder == tmp_path / "save_model" / "first"
    assert run.weights == tmp_path / "save_weights" / "first"
    assert run.config() == CONFIG
    content = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert content["version"] == VERSION
    assert content["agent"]["dim_actor"] == CONFIG.agent.dim_actor


def test_without_a_name_it_is_named_for_data_set_and_time(tmp_path):
    run = Run.create(tmp_path, None, CONFIG)
    assert run.name.startswith("log-ddpg-2")
    assert run.config() == CONFIG


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/tmp", "a\\b"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="plain name"):
        Run.create(tmp_path, name, CONFIG)
    assert not list(tmp_path.iterdir())


def test_a_run_of_that_name_is_not_overwritten(tmp_path):
    Run.create(tmp_path, "first", CONFIG)
    with pytest.raises(InputError, match=r"'first', which is there.*--resume first"):
        Run.create(tmp_path, "first", small_config("other.csv"))
    assert Run.find(tmp_path, "first").config() == CONFIG


def test_a_new_run_does_not_go_on_from_what_a_removed_one_left(tmp_path):
    weights = Run(tmp_path, "first").weights
    weights.mkdir(parents=True)
    (weights / "step-000000000007.npz").write_bytes(b"")
    with pytest.raises(InputError, match="checkpoints are left"):
        Run.create(tmp_path, "first", CONFIG)
    assert not Run(tmp_path, "first").folder.exists()


def test_a_run_is_found_by_name_and_by_folder(tmp_path, monkeypatch):
    run = Run.create(tmp_path, "first", CONFIG)
    monkeypatch.chdir(tmp_path)
    for given in ("first", "save_model/first", str(run.folder), "save_model/../save_model/first/"):
        assert Run.find(tmp_path, given) == Run(tmp_path.resolve(), "first")


def test_runs_in_linked_folders_are_made_found_and_gone_on_with(tmp_path, monkeypatch):
    for name in ("save_model", "save_weights"):
        (tmp_path / "disk" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    run = Run.create(tmp_path, "first", CONFIG)
    run.weights.mkdir()
    assert (tmp_path / "disk/save_model/first/config.yaml").is_file()
    monkeypatch.chdir(tmp_path)
    lying = str(tmp_path / "disk/save_model/first")
    for given in ("first", "save_model/first", str(run.folder), "disk/save_model/first", lying):
        found = Run.find(tmp_path, given)
        assert found == Run(tmp_path.resolve(), "first")
        assert found.config() == CONFIG
        assert found.weights.is_dir()
    assert Run.latest(tmp_path) == Run(tmp_path.resolve(), "first")
    seed, config = run.seeds(small_config("log.csv", seeds=2))[1]
    seed.folder.mkdir()
    seed.write_config(config)
    assert Run.find(tmp_path, "first/seed-1").config() == config
    with pytest.raises(InputError, match="which is there"):
        Run.create(tmp_path, "first", CONFIG)
    Run(tmp_path, "second").folder.mkdir()
    Run(tmp_path, "second").remove_if_empty()
    assert sorted(path.name for path in (tmp_path / "disk/save_model").iterdir()) == ["first"]


def test_a_run_whose_folder_alone_is_a_link_keeps_its_name(tmp_path):
    moved = Run.create(tmp_path / "disk", "moved", CONFIG)
    (tmp_path / "save_model").mkdir()
    (tmp_path / "save_model" / "first").symlink_to(moved.folder)
    assert Run.find(tmp_path, "first") == Run(tmp_path.resolve(), "first")
    with pytest.raises(InputError, match="There are: first"):
        Run.find(tmp_path, "moved")


def test_a_seed_of_a_run_is_found(tmp_path):
    run = Run.create(tmp_path, "first", CONFIG)
    seed, config = run.seeds(small_config("log.csv", seeds=2))[1]
    seed.folder.mkdir()
    seed.write_config(config)
    assert Run.find(tmp_path, "first/seed-1").config() == config


@pytest.mark.parametrize("given", ["frist", "", "save_model", "/"])
def test_what_is_no_run_is_refused_and_those_there_are_named(tmp_path, monkeypatch, given):
    Run.create(tmp_path / "here", "first", CONFIG)
    Run.create(tmp_path / "elsewhere", "other", CONFIG)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="There are: first"):
        Run.find(tmp_path / "here", given)


def test_a_run_of_another_folder_is_found_with_the_flag_that_is_named(tmp_path):
    run = Run.create(tmp_path / "other", "first", small_config("log.csv"))
    with pytest.raises(InputError, match=r"which is elsewhere\. Pass --runs-dir"):
        Run.find(tmp_path, str(run.folder))


def test_where_there_is_none_it_says_to_train_one(tmp_path):
    with pytest.raises(InputError, match="train one first"):
        Run.find(tmp_path, "first")
    with pytest.raises(InputError, match="Train one"):
        Run.latest(tmp_path)


def test_the_latest_is_the_one_begun_last(tmp_path):
    for time, name in ((2_000_000_000, "b"), (2_000_000_900, "a"), (2_000_000_500, "c")):
        run = Run.create(tmp_path, name, CONFIG)
        os.utime(run.folder / "config.yaml", (time, time))
    assert Run.latest(tmp_path).name == "a"


@pytest.mark.parametrize("version", [0, 1, None, "2"])
def test_another_version_is_refused(tmp_path, version):
    run = Run.create(tmp_path, "first", CONFIG)
    path = run.folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"version": version}))
    with pytest.raises(InputError, match=rf"Expected a run of version 4 .* Received: {version}"):
        run.config()


@pytest.mark.parametrize("content", ["", "[]", "3", "version: 2", "{version: 4, agent: 3}", "a: ["])
def test_a_damaged_config_is_refused(tmp_path, content):
    run = Run.create(tmp_path, "first", CONFIG)
    (run.folder / "config.yaml").write_text(content)
    with pytest.raises(InputError, match=r"Expected .* in .*config\.yaml"):
        run.config()


def test_several_seeds_are_several_runs_below_and_one_is_the_run_itself(tmp_path):
    run = Run(tmp_path, "first")
    assert run.seeds(CONFIG) == [(run, CONFIG)]
    several = run.seeds(small_config("folder/log.csv", seed=3, seeds=2))
    assert [each.name for each, _ in several] == ["first/seed-3", "first/seed-4"]
    assert several[0][1] == CONFIG
    assert [config.seed for _, config in several] == [3, 4]
    assert several[1][0].weights == tmp_path / "save_weights" / "first" / "seed-4"


class Killed(BaseException):
    pass


@pytest.fixture
def killed_at(monkeypatch):
    """Have the next so many calls that write or rename pass, and be killed in the one after."""

    def set_up(number):
        left = [number]

        def counted(plain):
            def call(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return plain(*args, **kwargs)

            return call

        for name in ("mkdir", "rename", "replace", "fsync"):
            monkeypatch.setattr(os, name, counted(getattr(os, name)))
        # A process that is killed puts nothing away.
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
        return left

    return set_up


@pytest.mark.parametrize("number", range(25))
def test_killed_at_any_call_a_new_run_is_absent_or_can_be_gone_on_with(
    tmp_path, monkeypatch, killed_at, number
):
    left = killed_at(number)
    with contextlib.suppress(Killed):
        Run.create(tmp_path, "first", CONFIG)
    monkeypatch.undo()
    if Run(tmp_path, "first").folder.exists():
        run = Run.find(tmp_path, "first")
        assert run.config() == CONFIG
    else:
        run = Run.create(tmp_path, "first", CONFIG)
    run.sweep()
    assert [path.name for path in (tmp_path / "save_model").iterdir()] == ["first"]
    assert number < 24 or left[0] >= 0  # the last is beyond the end


@pytest.mark.parametrize("number", range(25))
def test_killed_at_any_call_the_same_command_goes_on_with_a_grid(
    tmp_path, monkeypatch, killed_at, number
):
    run = Run(tmp_path, "c")
    killed_at(number)
    with contextlib.suppress(Killed):
        begin_or_go_on(run, {"steps": 3})
    monkeypatch.undo()
    begin_or_go_on(run, {"steps": 3})
    with pytest.raises(InputError, match="settings that c was begun with"):
        begin_or_go_on(run, {"steps": 4})


def test_of_two_that_claim_a_name_at_once_one_is_told(tmp_path):
    first, second = Run(tmp_path, "it"), Run(tmp_path, "it")

    def quicker(side):
        first.begin(CONFIG)
        (side / "config.yaml").write_text("second")

    with pytest.raises(InputError, match="--resume it"):
        second.claim(quicker)
    assert Run.find(tmp_path, "it").config() == CONFIG


def test_who_has_a_run_has_its_seeds_and_who_has_a_seed_has_the_run(tmp_path):
    run, seed = Run(tmp_path, "it"), Run(tmp_path, "it/seed-1")
    for one, other in ((run, seed), (seed, run), (run, run)):
        with one.held(), pytest.raises(InputError, match="run it to be of no other"), other.held():
            pass
    with run.held(), Run(tmp_path, "other").held():
        pass


def test_a_run_is_removed_whole(tmp_path, monkeypatch):
    run = Run.create(tmp_path, "first", CONFIG)
    (run.folder / "a").write_text("")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if killed before
    run.remove_if_empty()
    assert not run.folder.exists()


def test_what_changes_nothing_that_is_learned_is_not_in_the_hash():
    plain = learned_by(CONFIG)
    for alike in (
        {"seeds": 4}, {"dataset": "moved.csv"}, {"baselines": "ease"}, {"min_items": 3},
        {"final_fit": False}, {"control": False}, {"features": "elsewhere.h5"},
    ):  # fmt: skip
        assert learned_by(dataclasses.replace(CONFIG, **alike)) == plain, alike
    for other in (
        {"seed": 9}, {"steps": 9}, {"judge": "validation"}, {"cold_seed": 2},
        {"rollout_workers": 2}, {"data_parallel": 2},
    ):  # fmt: skip
        assert learned_by(dataclasses.replace(CONFIG, **other)) != plain, other
    agent = dataclasses.replace(CONFIG.agent, dim_actor=9)
    assert learned_by(dataclasses.replace(CONFIG, agent=agent)) != plain


def test_the_hash_of_settings_is_that_of_runs_trained_before():
    """Else none of them could be resumed; a new setting belongs into `run._ADDED…`."""
    config = TrainConfig(dataset="mine.csv")
    known = "684cc4d6664c8929e632e1ace7673eb67bad7c30307cfa5ce3e20962e9255bce"
    assert learned_by(config) == known
