"""Stages: the same seed the same bytes, killed and gone on with, adapters merged."""

import csv
import dataclasses
import time

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.llm.launched import begun, run_by_two
from tests.llm.tiny import chain, configured, content, save_speller, spelling, stages

from drrec.errors import InputError
from drrec.llm.adapters import merge, with_saved_adapters
from drrec.llm.loading import opened
from drrec.llm.loop import Loop

DATA = chain()
EVERY_TASK = {"next_epochs": 1, "list_epochs": 1, "answer_epochs": 1}
LORA = {"lora": True, "lora_rank": 2, "next_epochs": 1}


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


def killed_at(monkeypatch, step):
    """The process ends in the middle of a step; what is saved is what a checkpoint has."""
    every = Loop._is_logged

    def is_logged(self, total):
        if self._step == step:
            raise Killed
        return every(self, total)

    monkeypatch.setattr(Loop, "_is_logged", is_logged)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        config = configured(seed=seed, sft=EVERY_TASK)
        stages(tmp_path / name, chain(num_users=12), config).run("grpo")
    first, second, other = (content(tmp_path / name) for name in "abc")
    assert first == second
    for stage in ("base", "sft", "grpo"):
        weights = f"{stage}/model.safetensors"
        assert first[weights] != other[weights]
    assert first["sft/model.safetensors"] != first["grpo/model.safetensors"]


@pytest.mark.parametrize("stage", ["sft", "grpo"])
@pytest.mark.parametrize("rollouts", ["rankings", "generated"])
def test_killed_and_gone_on_with_it_gives_the_same_bytes(tmp_path, monkeypatch, stage, rollouts):
    grpo = {"rollouts": rollouts, "grpo_epochs": 2, "max_new_tokens": 4, "generations": 3}
    config = configured(sft=EVERY_TASK, grpo=grpo)
    whole = stages(tmp_path / "whole", DATA, config)
    whole.run("sft")
    if stage == "grpo":
        whole.run("grpo")
    halted = stages(tmp_path / "halted", DATA, config)
    if stage == "grpo":
        halted.run("sft")
    monkeypatch.setattr("drrec.llm.loop._VALIDATIONS", 3)
    for step in (3, 5):
        with monkeypatch.context() as patch:
            patch.setattr("drrec.llm.loop._SECONDS_BETWEEN", 0.0 if step == 3 else 1e9)
            killed_at(patch, step)
            with pytest.raises(Killed):
                halted.run(stage)
    monkeypatch.undo()
    halted.run(stage)
    name = f"{stage}/model.safetensors"
    assert content(tmp_path / "whole")[name] == content(tmp_path / "halted")[name]
    assert not (tmp_path / "halted/work" / stage).exists()


def saving_each_step(folder, config):
    """Fine-tune, with a checkpoint after each step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drrec.llm.loop._SECONDS_BETWEEN", 0.0)
        stages(folder, DATA, config).run("sft")


def test_sigkill_leaves_what_goes_on(tmp_path):
    """The real thing: a process is killed after its first checkpoint."""
    config = configured(sft={"next_epochs": 10})
    stages(tmp_path / "whole", DATA, config).run("sft")
    process = begun(saving_each_step, tmp_path / "cut", config)
    checkpoint = tmp_path / "cut/work/sft/checkpoint.safetensors"
    while process.is_alive() and not checkpoint.exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    stages(tmp_path / "cut", DATA, config).run("sft")
    whole, cut = content(tmp_path / "whole"), content(tmp_path / "cut")
    assert whole["sft/model.safetensors"] == cut["sft/model.safetensors"]
    assert whole["sft/log.csv"].count(b"\n") > 2


def test_what_is_done_is_not_done_again_and_other_settings_are_refused(tmp_path, monkeypatch):
    config = configured()
    made = stages(tmp_path, DATA, config)
    made.run("grpo")
    monkeypatch.setattr(Loop, "run", lambda self: pytest.fail("trained again"))
    assert stages(tmp_path, DATA, config).run("grpo") == tmp_path / "grpo"
    other = dataclasses.replace(config, sft=dataclasses.replace(config.sft, dropout=0.1))
    with pytest.raises(InputError, match=r"Expected the settings and the log that .*sft was made"):
        stages(tmp_path, DATA, other).run("sft")
    with pytest.raises(InputError, match="Expected the settings and the log"):
        stages(tmp_path, chain(seed=1), config).run("sft")


def test_a_checkpoint_of_other_settings_or_a_damaged_one_is_refused(tmp_path, monkeypatch):
    config = configured()
    with monkeypatch.context() as patch:
        killed_at(patch, 4)
        patch.setattr("drrec.llm.loop._SECONDS_BETWEEN", 0.0)
        with pytest.raises(Killed):
            stages(tmp_path, DATA, config).run("sft")
    other = dataclasses.replace(config, sft=dataclasses.replace(config.sft, lr=0.5))
    with pytest.raises(InputError, match="Expected a checkpoint of these settings"):
        stages(tmp_path, DATA, other).run("sft")
    checkpoint = tmp_path / "work/sft/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:200])
    with pytest.raises(InputError, match="Expected a checkpoint in"):
        stages(tmp_path, DATA, config).run("sft")


def test_fine_tuning_learns_the_chain(tmp_path):
    sft = {"next_epochs": 8, "lr": 0.03, "dropout": 0.0, "average": 0.5, "micro_batch": 8}
    config = configured(held_out=0, sft=sft)
    made = stages(tmp_path, chain(num_users=60), config)
    made.run("sft")
    with (tmp_path / "sft/log.csv").open() as file:
        losses = [float(line["loss"]) for line in csv.DictReader(file)]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("rollouts", ["rankings", "exact"])
def test_grpo_raises_the_reward_and_beta_holds_it_back(tmp_path, rollouts):
    data = chain(num_users=60)
    reward, divergence = {}, {}
    for beta in (0.0, 50.0):
        grpo = {"rollouts": rollouts, "grpo_epochs": 4, "beta": beta, "grpo_lr": 0.05}
        grpo["grpo_batch_size"] = 15
        config = configured(held_out=0, sft={"micro_batch": 15}, grpo=grpo)
        stages(tmp_path / str(beta), data, config).run("grpo")
        with (tmp_path / str(beta) / "grpo/log.csv").open() as file:
            lines = [*csv.DictReader(file)]
        reward[beta] = [float(line["reward"]) for line in lines]
        divergence[beta] = float(lines[-1]["kl"])
    assert reward[0.0][-1] > 1.3 * reward[0.0][0]
    assert reward[0.0][-1] > reward[50.0][-1]
    assert divergence[50.0] < 0.1 * divergence[0.0]


@pytest.mark.parametrize("rollouts", ["rankings", "generated"])
def test_what_grpo_logs(tmp_path, rollouts):
    grpo = {"rollouts": rollouts, "max_new_tokens": 4, "generations": 3}
    stages(tmp_path, DATA, configured(grpo=grpo)).run("grpo")
    with (tmp_path / "grpo/log.csv").open() as file:
        line = next(csv.DictReader(file))
    expected = {"step", "loss", "reward", "without_spread", "kl", "validation_hr"}
    assert {*line} == expected | ({"length"} if rollouts == "generated" else set())
    assert 0 <= float(line["without_spread"]) <= 1
    assert 0 <= float(line["validation_hr"]) <= 1


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A model that spells, with adapters of fine-tuning and of GRPO, merged."""
    folder = tmp_path_factory.mktemp("adapted")
    base = save_speller(folder / "speller")
    grpo = {"grpo_negatives": 3, "generations": 4}
    config = configured(model=spelling(base, history=3), sft=LORA, grpo=grpo)
    config = dataclasses.replace(config, held_out=2)
    made = stages(folder / "run", chain(num_users=6, length=6), config)
    made.run("grpo")
    return folder / "speller", folder / "run"


def test_adapters_change_the_model_and_merged_they_say_the_same(adapted, tmp_path):
    base, run = adapted
    ids = torch.arange(2, 40)[None]
    with torch.inference_mode():
        plain = opened(base, "cpu").plain(input_ids=ids).logits
        added = with_saved_adapters(opened(base, "cpu"), run / "sft/adapter")
        adapters = added.plain(input_ids=ids).logits
        merged = opened(run / "sft-merged", "cpu").plain(input_ids=ids).logits
    assert (adapters - plain).abs().max() > 1e-3
    torch.testing.assert_close(merged, adapters, rtol=0, atol=1e-4)
    weights = safetensors.torch.load_file(run / "sft-merged/model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert not any("lora" in name for name in weights)
    tmp_path.joinpath("again").mkdir()
    assert merge(base, run / "sft", tmp_path / "again") <= 1e-4


def test_a_merge_that_is_off_is_refused(adapted, tmp_path, monkeypatch):
    base, run = adapted
    monkeypatch.setattr("drrec.llm.adapters.LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(InputError, match="Expected logits of the merged model within"):
        merge(base, run / "sft", tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_layers_that_are_not_there_are_refused(tmp_path):
    config = configured(sft={"lora": True, "lora_targets": "no_such_layer"})
    with pytest.raises(InputError, match="Expected layers of the model for --lora-targets"):
        stages(tmp_path, DATA, config).run("sft")


def fine_tune(folder, config):
    stages(folder, DATA, config).run("sft")


def test_processes_share_a_steps_rows_and_gradients_are_those_of_one(tmp_path):
    """Two processes, gloo: weights within rounding of one process's."""
    config = configured(sft={"next_epochs": 2, "dropout": 0.0, "average": 1.0})
    fine_tune(tmp_path / "one", config)
    run_by_two(fine_tune, tmp_path / "two", config)
    one, two = (
        safetensors.torch.load_file(tmp_path / name / "sft/model.safetensors")
        for name in ("one", "two")
    )
    for name, weight in one.items():
        np.testing.assert_allclose(weight, two[name], rtol=1e-3, atol=2e-5)
