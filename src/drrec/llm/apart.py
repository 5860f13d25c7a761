"""Trains and scores in PyTorch's process, from one that may have loaded TensorFlow."""

from __future__ import annotations

import atexit
import functools
import hashlib
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

from drrec.features.apart import Apart
from drrec.llm.config import ScoreConfig
from drrec.llm.wall import read_scores, write_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from drrec.llm.config import ModelConfig, Stage, TrainingConfig
    from drrec.llm.samples import TrainingLog
    from drrec.llm.wall import Requests

LOG = "train.npz"
"""The training log in the folder of a run."""


class _Process:
    """PyTorch's process, which is begun when it is first needed: it takes seconds to load."""

    def __init__(self) -> None:
        self._apart: Apart | None = None

    def call(self, work: Callable[..., Any], *given: object) -> Any:
        if self._apart is None or not self._apart.is_open:
            self._apart = Apart()
        return self._apart.call(work, *given)

    def close(self) -> None:
        if self._apart is not None:
            self._apart.close()


_process = _Process()
atexit.register(_process.close)


def trained(folder: pathlib.Path, log: TrainingLog, config: TrainingConfig, stage: Stage) -> str:
    """Train up to a stage in the folder of a run, or go on there; returns the model's folder.

    Raises:
        InputError: as of `stages.Stages`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log.save(folder / LOG)
    return _process.call(_train, folder, config, stage)


def scored(requests: Requests, folder: str, config: ModelConfig) -> np.ndarray:
    """[B, C] scores by the model in a folder.

    Raises:
        InputError: as of `score.score_requests`.
    """
    with tempfile.TemporaryDirectory(prefix="drrec-") as between:
        asked, answered = pathlib.Path(between, "requests.npz"), pathlib.Path(between, "scores.npz")
        write_requests(asked, requests)
        _process.call(_score, asked, answered, folder, config)
        return read_scores(answered, requests)


@functools.cache
def temporary_folder(*of: str) -> pathlib.Path:
    """A folder that goes with this process; the same for the same words."""
    made = tempfile.TemporaryDirectory(prefix="drrec-llm-")
    atexit.register(made.cleanup)
    name = hashlib.sha256("\0".join(of).encode()).hexdigest()[:12]
    return pathlib.Path(made.name, name)


def _train(folder: pathlib.Path, config: TrainingConfig, stage: Stage) -> str:
    from drrec.features.encoders import chosen_device
    from drrec.llm.stages import Stages

    stages = Stages(folder, config, chosen_device(None))
    return str(stages.run("sft-merged" if stage == "sft" else stage))


def _score(asked: pathlib.Path, answered: pathlib.Path, folder: str, config: ModelConfig) -> None:
    import dataclasses

    from drrec.features.encoders import chosen_device
    from drrec.llm.score import score_requests

    model = dataclasses.replace(config, model=folder)
    score_requests(asked, answered, model, ScoreConfig(), chosen_device(None))
