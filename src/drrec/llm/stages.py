"""The stages of training, each a folder that is there whole, or goes on where it stopped."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import logging
import pathlib
import shutil
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError
from drrec.features.hub import weights_sha256
from drrec.files import made_folder, sweep, whole_folder, write_json
from drrec.llm.adapters import ADAPTER, merge, save, with_adapters
from drrec.llm.apart import LOG
from drrec.llm.config import ModelConfig
from drrec.llm.grpo import PolicyOptimisation
from drrec.llm.loading import convert_gguf, located, opened, wants_bfloat16
from drrec.llm.loop import Loop, LoopConfig
from drrec.llm.processes import Processes, joined, own_device
from drrec.llm.prompts import Prompts
from drrec.llm.reasons import REASONS, read_reasons
from drrec.llm.samples import Sampler, TrainingLog
from drrec.llm.sft import FineTuning, dropped
from drrec.llm.small import build_small_model
from drrec.reading import conform, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.llm.config import TrainingConfig
    from drrec.llm.loading import Language
    from drrec.llm.loop import Objective
    from drrec.llm.reasons import Reasons

logger = logging.getLogger(__name__)

NOTES = "drrec.json"
"""In a stage's folder: what made it, and how it has to be asked."""

_VERSION = 1
_WORK = "work"
_DECLARED = {
    "made_of": str,
    "stage": str,
    "fingerprint": str,
    "history": int,
    "context": int,
    "number_titles": bool,
}
_LR = {False: {"sft": 3e-3, "grpo": 5e-4}, True: {"sft": 2e-4, "grpo": 1e-5}}
"""Default learning rates, of all weights and of adapters."""


def notes_of(folder: pathlib.Path) -> dict[str, Any] | None:
    """What stands in a stage's notes; None for a model of others.

    Raises:
        InputError: they are damaged.
    """
    path = folder / NOTES
    if not path.exists():
        return None
    notes = read_json(path)
    conform(notes, _DECLARED, str(path))
    return notes


def model_config(folder: pathlib.Path, given: ModelConfig) -> ModelConfig:
    """How a model is asked: as it was trained, or else as given."""
    notes = notes_of(folder)
    if notes is None:
        return given
    names = ("history", "context", "number_titles")
    return dataclasses.replace(given, **{name: notes[name] for name in names})


class Stages:
    """The stages of one model on one training log, in the folder of a run."""

    def __init__(self, folder: pathlib.Path, config: TrainingConfig, device: str) -> None:
        """`folder` holds `train.npz`; `device` is torch's.

        Raises:
            InputError: there is no training log.
        """
        self.folder, self.config = folder, config
        self.device = own_device(device)
        self.log = TrainingLog.load(folder / LOG)

    def run(self, stage: str) -> pathlib.Path:
        """Do a stage, and all before it that are not done.

        Args:
            stage: zero, sft, sft-merged, merge or grpo. sft-merged merges the adapters of sft,
                merge grpo's, too, if they are there; without adapters they have nothing to do.
                grpo merges its own.

        Returns:
            The stage's folder; of adapters, that of the merged model, but for sft.

        Raises:
            InputError: the model or the titles do not fit, or a stage was made with other settings.
        """
        with joined(self.device) as processes:
            if processes.is_first:
                sweep(self.folder)
            processes.wait()
            done = self._base(processes)
            if stage == "zero":
                return done
            tuned = self._trained("sft", done, processes)
            if stage == "sft":
                return tuned
            done = self._merged("sft", done, processes)
            if stage == "sft-merged":
                return done
            if stage == "grpo" or (self.config.has_adapter and (self.folder / "grpo").exists()):
                self._trained("grpo", done, processes)
                return self._merged("grpo", done, processes)
            return done

    def folder_after(self, stage: str) -> pathlib.Path:
        """The folder to score with after a stage, which is done.

        Raises:
            InputError: it is not.
        """
        if stage == "zero":
            return self.run("zero")
        folder = self.folder / (f"{stage}-merged" if self.config.has_adapter else stage)
        if notes_of(folder) is None:
            raise InputError(
                f"Expected a trained model in {folder}. Received: nothing there. Train it first: "
                f"drrec llm {stage if folder.name == stage else 'merge'}."
            )
        return folder

    def _base(self, processes: Processes) -> pathlib.Path:
        """The folder of the model before training."""
        config = self.config
        folder = located(config.model, self.folder / "base")
        if folder != self.folder / "base" or not processes.is_first:
            processes.wait()
            return folder
        of = [dataclasses.asdict(config.model), config.seed * config.is_small, self.log.num_items]
        key = self._key("base", of)

        def fill(side: pathlib.Path) -> None:
            if config.is_small:
                build_small_model(side, self.log.num_items, config.model, config.seed)
            else:
                convert_gguf(pathlib.Path(config.model.model), side)

        self._made("base", key, fill)
        processes.wait()
        return folder

    def _trained(self, stage: str, base: pathlib.Path, processes: Processes) -> pathlib.Path:
        """Train a stage from the model in `base`; returns the folder of the trained model."""
        config = self.config
        own = dataclasses.asdict(config.sft)
        if stage == "grpo":
            own = dataclasses.asdict(config.grpo) | {"sft": own}
        of = [own, dataclasses.asdict(config.model), config.held_out, config.seed]
        reasons = None
        if stage == "sft" and config.sft.cot_prob:
            reasons = read_reasons(self.folder / REASONS, self.log, config)
            of.append(reasons.sha256)
        key = self._key(stage, [*of, weights_sha256(base, "the language model")])
        if not self._is_made(stage, key):
            language, loop = self._loop(stage, base, key, processes, reasons)
            rate = config.sft.dropout if stage == "sft" and not config.has_adapter else 0.0
            with dropped(language, rate):
                loop.run()
            if processes.is_first:
                self._made(stage, key, lambda side: save(language, side), loop.log, said=True)
                shutil.rmtree(self._work(stage), ignore_errors=True)
            processes.wait()
        return self.folder / stage

    def _merged(self, stage: str, base: pathlib.Path, processes: Processes) -> pathlib.Path:
        """The folder of a trained stage's model, its adapters merged into the model in `base`."""
        if not self.config.has_adapter:
            return self.folder / stage
        source, merged = self.folder / stage, f"{stage}-merged"

        def fill(side: pathlib.Path) -> None:
            difference = merge(base, source, side)
            logger.info("%s: merged; logits differ by %.1e at most", stage, difference)

        if processes.is_first:
            self._made(merged, self._key(merged, [adapter_sha256(source)]), fill)
        processes.wait()
        return self.folder / merged

    def _loop(
        self,
        stage: str,
        base: pathlib.Path,
        key: str,
        processes: Processes,
        reasons: Reasons | None,
    ) -> tuple[Language, Loop]:
        config, sft = self.config, self.config.sft
        language = self._opened(base)
        if config.has_adapter:
            language = with_adapters(language, sft, config.seed)
        else:
            language.model.requires_grad_(True)
        if sft.checkpointing:
            language.plain.activation_checkpointing_enable()
        language.model.train()
        prompts = Prompts(language.tokenizer, self.log.titles, config.model)
        sampler = Sampler(self.log, config.seed, config.held_out)
        objective: Objective
        if stage == "sft":
            objective = FineTuning(language, prompts, sampler, config, reasons)
        else:
            reference = None if config.has_adapter else self._opened(base)
            objective = PolicyOptimisation(language, reference, prompts, sampler, config)
        lr = sft.lr if stage == "sft" else config.grpo.grpo_lr
        settings = LoopConfig(
            lr=_LR[config.has_adapter][stage] if lr is None else lr,
            weight_decay=sft.weight_decay,
            average=sft.average,
            micro_batch=sft.micro_batch,
            seed=config.seed,
            made_of=key,
        )
        checkpoint = made_folder(self._work(stage)) / "checkpoint.safetensors"
        return language, Loop(language, objective, settings, checkpoint, processes)

    def _opened(self, folder: pathlib.Path) -> Language:
        config = self.config.model
        bfloat16 = wants_bfloat16(config, self.device)
        return opened(folder, self.device, bfloat16=bfloat16, device_map=config.device_map)

    def _work(self, stage: str) -> pathlib.Path:
        return self.folder / _WORK / stage

    def _key(self, stage: str, of: list[Any]) -> str:
        decisive = [_VERSION, stage, self.log.fingerprint, self.log.titles.tolist(), of]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def _is_made(self, stage: str, key: str) -> bool:
        """Whether a stage is done.

        Raises:
            InputError: it was done with other settings.
        """
        notes = notes_of(self.folder / stage)
        if notes is None:
            return False
        if notes["made_of"] != key:
            raise InputError(
                f"Expected the settings and the log that {self.folder / stage} was made with. "
                "Received: others. Choose another --name, or remove that folder and those made "
                "of it."
            )
        logger.info("%s: done already", stage)
        return True

    def _made(
        self,
        stage: str,
        key: str,
        fill: Callable[[pathlib.Path], None],
        log: list[dict[str, float]] | None = None,
        *,
        said: bool = False,
    ) -> None:
        """Make the folder of a stage, whole or not at all."""
        if not said and self._is_made(stage, key):
            return
        config = self.config.model
        notes = {
            "made_of": key,
            "stage": stage,
            "fingerprint": self.log.fingerprint,
            "history": config.history,
            "context": config.context,
            "number_titles": config.number_titles,
        }
        with whole_folder(self.folder / stage) as side:
            fill(side)
            if log is not None:
                (side / "log.csv").write_text(_as_csv(log), encoding="utf-8")
            write_json(side / NOTES, notes)


def adapter_sha256(folder: pathlib.Path) -> str:
    """SHA-256 of a stage's adapters."""
    path = folder / ADAPTER / "adapter_model.safetensors"
    if not path.is_file():
        raise InputError(f"Expected adapters in {path}. Received: nothing there. Train them again.")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _as_csv(log: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for line in log for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    return text.getvalue()
