"""The training loop: accumulated gradients, averaged weights, checkpoints that resume bit for bit.

What a step does is a function of the settings, the log and the number of the step: its rows and its
random numbers are drawn anew from these, so that a checkpoint needs no state of a generator.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

import safetensors.torch
import torch
from tqdm import tqdm

from drrec.errors import InputError, told
from drrec.files import replaced

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from drrec.llm.loading import Language
    from drrec.llm.processes import Processes

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN = 30.0
_WARM_UP = 100
_CLIP = 1.0
_VALIDATIONS = 10
_STREAMS = 1_000_003  # apart from each other, seeds of steps and processes


class Objective(Protocol):
    """What a stage trains on."""

    num_steps: int

    def rows(self, step: int) -> Sequence[Any]:
        """What a step is made of, on all processes together."""
        ...

    def weight(self, rows: Sequence[Any]) -> float:
        """What the sum of the rows' losses is divided by."""
        ...

    def loss(self, rows: Sequence[Any]) -> tuple[torch.Tensor, dict[str, float]]:
        """The sum of the rows' losses, and sums to log, divided likewise."""
        ...

    def validate(self) -> dict[str, float]:
        """What is logged now and then, of the averaged weights."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How a stage trains."""

    lr: float
    weight_decay: float = 0.0
    average: float = 1.0
    micro_batch: int = 32
    seed: int = 0
    made_of: str = ""
    """Hash of all that decides the result; a checkpoint of another one is refused."""


class Loop:
    """Trains the weights of a model that ask for gradients."""

    def __init__(
        self,
        language: Language,
        objective: Objective,
        config: LoopConfig,
        checkpoint: pathlib.Path,
        processes: Processes,
    ) -> None:
        """Go on from `checkpoint`, where there is one.

        Raises:
            InputError: the checkpoint is damaged, or of other settings.
        """
        self._language, self._objective, self._config = language, objective, config
        self._path, self._processes = checkpoint, processes
        named = language.model.named_parameters()
        self._weights = {name: weight for name, weight in named if weight.requires_grad}
        self._averaged = {name: w.detach().clone() for name, w in self._weights.items()}
        self._optimizer = torch.optim.AdamW(
            self._weights.values(),
            lr=config.lr,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
        )
        self._step = 0
        self._sums: dict[str, float] = {}  # of what is logged, since the last line
        self.log: list[dict[str, float]] = []
        if checkpoint.exists():
            self._restore()

    def run(self) -> None:
        """Train to the end; the averaged weights take the place of the others."""
        total = self._objective.num_steps
        saved_at = time.monotonic()
        hidden = None if self._processes.is_first else True
        name = self._path.parent.name
        with tqdm(total=total, initial=self._step, desc=name, disable=hidden) as bar:
            while self._step < total:
                for key, value in self._updated().items():
                    self._sums[key] = self._sums.get(key, 0.0) + value
                self._step += 1
                bar.update()
                is_logged = self._is_logged(total)
                if is_logged:
                    self._note(total)
                if is_logged or time.monotonic() - saved_at > _SECONDS_BETWEEN:
                    self._save()
                    saved_at = time.monotonic()
        self._swap()

    def _updated(self) -> dict[str, float]:
        config, processes = self._config, self._processes
        seed = (config.seed * _STREAMS + self._step) * _STREAMS + processes.rank
        torch.manual_seed(seed % (1 << 63))
        rows = self._objective.rows(self._step)
        weight = self._objective.weight(rows)
        mine, share = rows[processes.rank :: processes.size], 1.0
        if not len(mine):  # a process without rows logs the same names, and adds nothing
            mine, share = rows[:1], 0.0
        logged: dict[str, float] = {}
        for first in range(0, len(mine), config.micro_batch):
            loss, sums = self._objective.loss(mine[first : first + config.micro_batch])
            (share * loss / weight).backward()
            for name, value in ({"loss": float(loss.detach())} | sums).items():
                logged[name] = logged.get(name, 0.0) + share * value / weight
        self._step_optimizer()
        return logged

    def _step_optimizer(self) -> None:
        gradients = []
        for weight in self._weights.values():
            if weight.grad is None:  # it had no part in this step
                weight.grad = torch.zeros_like(weight)
            gradients.append(weight.grad)
        self._processes.summed(gradients)
        torch.nn.utils.clip_grad_norm_(self._weights.values(), _CLIP)
        done = self._step / self._objective.num_steps
        warm = (self._step + 1) / max(1, min(_WARM_UP, self._objective.num_steps // 10))
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.lr * min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * done))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        # Early on the average forgets faster, or it would remember the random start.
        share = max(self._config.average, 9 / (10 + self._step))
        share = 1.0 if self._config.average == 1 else share
        with torch.no_grad():
            for name, weight in self._weights.items():
                self._averaged[name].lerp_(weight, share)

    def _is_logged(self, total: int) -> bool:
        return self._step == total or self._step % max(1, total // _VALIDATIONS) == 0

    def _note(self, total: int) -> None:
        """Log the means since the last note, and what validation says."""
        sums, self._sums = self._sums, {}
        values = torch.tensor([*sums.values()], dtype=torch.float64)
        self._processes.summed([values])
        before = int(self.log[-1]["step"]) if self.log else 0
        means = values / (self._step - before)
        line = {"step": float(self._step)} | dict(zip(sums, means.tolist(), strict=True))
        self._swap()
        line |= self._objective.validate()
        self._swap()
        self.log.append(line)
        if self._processes.is_first:
            said = ", ".join(f"{key} {line[key]:.4g}" for key in line if key != "step")
            logger.info("%s: step %d of %d, %s", self._path.parent.name, self._step, total, said)

    def _swap(self) -> None:
        """Exchange the weights and their averages."""
        with torch.no_grad():
            for name, weight in self._weights.items():
                kept = weight.detach().clone()
                weight.copy_(self._averaged[name])
                self._averaged[name].copy_(kept)

    def _save(self) -> None:
        if not self._processes.is_first:
            return
        state = {"made_of": self._config.made_of, "step": self._step, "log": self.log}
        head = {"state": json.dumps(state | {"sums": self._sums})}
        with replaced(self._path) as side:
            safetensors.torch.save_file(self._tensors(), side, metadata=head)

    def _tensors(self) -> dict[str, torch.Tensor]:
        found = {}
        for name, weight in self._weights.items():
            found[f"weight {name}"] = weight.detach()
            found[f"average {name}"] = self._averaged[name]
            for key, value in self._optimizer.state[weight].items():
                found[f"{key} {name}"] = value
        return {name: tensor.contiguous() for name, tensor in found.items()}

    def _restore(self) -> None:
        mend = "Remove the stage's folder to train it from the start."
        try:
            with safetensors.safe_open(self._path, "pt") as file:
                state = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if state["made_of"] != self._config.made_of:
                raise InputError(
                    f"Expected a checkpoint of these settings in {self._path}. Received: one of "
                    f"others. {mend}"
                )
            self._step, self.log = int(state["step"]), list(state["log"])
            if self._processes.is_first:
                self._sums = dict(state["sums"])
            for name, weight in self._weights.items():
                with torch.no_grad():
                    weight.copy_(tensors[f"weight {name}"])
                self._averaged[name].copy_(tensors[f"average {name}"])
                self._optimizer.state[weight] = {
                    key: tensors[f"{key} {name}"].to("cpu" if key == "step" else weight.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"Expected a checkpoint in {self._path}. Received: {told(error)}. {mend}"
            ) from error
