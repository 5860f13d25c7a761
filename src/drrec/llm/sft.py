"""Supervised fine-tuning: next item over whole histories, among candidates, and as an answer."""

from __future__ import annotations

import contextlib
import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from drrec.llm.measuring import hit_rate, sample_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drrec.llm.config import TrainingConfig
    from drrec.llm.loading import Language
    from drrec.llm.prompts import Prompts
    from drrec.llm.reasons import Reasons
    from drrec.llm.samples import Sampler

_IGNORED = -100


class _Phase(NamedTuple):
    task: str
    steps: int
    steps_per_epoch: int


class _Row(NamedTuple):
    """A row of token ids, whose loss is on those from `start` on."""

    ids: list[int]
    start: int


class FineTuning:
    """The objective of supervised fine-tuning: its tasks one after the other."""

    def __init__(
        self,
        language: Language,
        prompts: Prompts,
        sampler: Sampler,
        config: TrainingConfig,
        reasons: Reasons | None = None,
    ) -> None:
        """`config.sft` says how many epochs each task has; `reasons` are mixed into task answer."""
        self._language, self._prompts, self._sampler = language, prompts, sampler
        self._config, self._settings, self._reasons = config, config.sft, reasons
        rows = {"next": len(self._windows(0)), "list": len(sampler.users)}
        rows["answer"] = rows["list"]
        self._phases = []
        for task, size in rows.items():
            per_epoch = math.ceil(size / self._settings.batch_size)
            epochs = getattr(self._settings, f"{task}_epochs")
            self._phases.append(_Phase(task, round(epochs * per_epoch), per_epoch))
        self.num_steps = sum(phase.steps for phase in self._phases)
        self._validation = sampler.validation(self._settings.negatives)

    def rows(self, step: int) -> Sequence[Any]:
        """Windows of items, samples, or rows of ids, by the task that the step is of."""
        for phase in self._phases:
            if step < phase.steps:
                break
            step -= phase.steps
        epoch, number = divmod(step, phase.steps_per_epoch)
        drawn = self._epoch(phase.task, epoch)
        cuts = np.linspace(0, len(drawn), phase.steps_per_epoch + 1).astype(int)
        return drawn[cuts[number] : cuts[number + 1]]

    def weight(self, rows: Sequence[Any]) -> float:
        """Tokens that are learned, or samples of task list."""
        if isinstance(rows[0], _Row):
            return float(sum(len(row.ids) - row.start for row in rows))
        return float(len(rows))

    def loss(self, rows: Sequence[Any]) -> tuple[torch.Tensor, dict[str, float]]:
        """Summed cross-entropy."""
        if isinstance(rows[0], _Row):
            return self._token_loss(rows), {}
        scores = sample_scores(self._language, self._prompts, rows)
        parts = [
            -each.log_softmax(dim=0)[sample.place]
            for sample, each in zip(rows, scores, strict=True)
        ]
        return torch.stack(parts).sum(), {}

    def validate(self) -> dict[str, float]:
        """HR@1 of the users who are held out."""
        size = self._settings.micro_batch
        return hit_rate(self._language, self._prompts, self._validation, size)

    def _windows(self, epoch: int) -> list[np.ndarray]:
        return self._sampler.windows(epoch, self._config.model.history)

    @functools.lru_cache(maxsize=1)  # noqa: B019 (one objective lives as long as its stage)
    def _epoch(self, task: str, epoch: int) -> list[Any]:
        if task == "next":
            return [_Row(*self._prompts.next_row(items)) for items in self._windows(epoch)]
        negatives = self._settings.negatives
        if task == "list":
            return self._sampler.samples(epoch, negatives)
        places = [(*place, "") for place in self._sampler.places(epoch)]
        if self._reasons:
            places = self._reasons.mixed(places, epoch)
        made = []
        for user, position, thoughts in places:
            sample = self._sampler.sample(epoch, user, position, negatives)
            prompt = self._prompts.answer_prompt(sample.history, sample.candidates, thoughts)
            answer = self._prompts.answer(int(sample.candidates[sample.place]))
            made.append(_Row([*prompt, *answer], len(prompt)))
        return made

    def _token_loss(self, rows: Sequence[_Row]) -> torch.Tensor:
        width, device = max(len(row.ids) for row in rows), self._language.device
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        target = torch.full((len(rows), width), _IGNORED)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = torch.tensor(row.ids)
            target[number, row.start - 1 : len(row.ids) - 1] = torch.tensor(row.ids[row.start :])
        hidden = self._language.hidden(ids[:, :-1].to(device))
        is_learned = target[:, :-1].to(device) != _IGNORED
        logits = self._language.logits(hidden[is_learned])
        wanted = target[:, :-1].to(device)[is_learned]
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")


@contextlib.contextmanager
def dropped(language: Language, rate: float) -> Iterator[None]:
    """Within it, embeddings and the outputs of attention and MLP are dropped out in training."""

    def drop(module: Any, _: Any, output: Any) -> Any:
        if not module.training:
            return output
        first, *rest = output if isinstance(output, tuple) else (output,)
        first = torch.nn.functional.dropout(first, rate)
        return (first, *rest) if isinstance(output, tuple) else first

    plain = language.plain
    blocks = [
        part
        for name, part in plain.named_modules()
        if name.rpartition(".")[2] in ("self_attn", "mlp")
    ]
    hooks = [part.register_forward_hook(drop) for part in [plain.get_input_embeddings(), *blocks]]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
