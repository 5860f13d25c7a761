"""Language models as recommenders: they learn and score in PyTorch's process, by way of files."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drrec.base import interactions_of
from drrec.baselines.sequential.following import Following
from drrec.data.dataset import Dataset
from drrec.data.histories import items_of
from drrec.errors import InputError, shown
from drrec.llm import apart
from drrec.llm.config import TrainingConfig
from drrec.llm.samples import TrainingLog
from drrec.llm.wall import Requests

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.llm.config import Stage

MOST_KEPT = 256 << 20
"""Bytes of a model that `save` puts into its file."""

_PLAIN_NAME = re.compile(r"\w[\w.-]*")


class LanguageModel(Following):
    """A language model that scores each candidate by the log-probability of its title.

    Fine-tuned on the training log, then optimised by GRPO. By default a small Qwen3 in which each
    item is a token; any causal language model reads and writes titles.

    Args:
        seed: random seed of weights, order, negatives and draws.
        folder: of the run to train in, as `drrec llm` has it: what is done there is not done
            again; '' trains in a temporary one.
        settings: those of `drrec.llm.config`, by name, such as `model`, `next_epochs` or `beta`.

    Examples:
        >>> import drrec
        >>> model = drrec.LanguageModel(width=32, next_epochs=10)
        >>> model.settings()
        {'seed': 0, 'folder': '', 'width': 32, 'next_epochs': 10}
    """

    reads_titles = True
    """Whether `fit` wants a data set with titles, and not its interactions alone."""
    stage: ClassVar[Stage] = "grpo"
    times: ClassVar[float] = 1.0
    """Length of fine-tuning, as a multiple of the settings'."""

    def __init__(self, *, seed: int = 0, folder: str = "", **settings: Any) -> None:
        self.seed, self.folder = seed, folder
        self._settings = settings
        config = TrainingConfig.of(seed, settings)
        epochs = ("next_epochs", "list_epochs", "answer_epochs")
        longer = {name: self.times * getattr(config.sft, name) for name in epochs}
        self._config = TrainingConfig.of(seed, settings | longer)

    def settings(self) -> dict[str, Any]:
        """Constructor arguments by name."""
        return {"seed": self.seed, "folder": self.folder} | self._settings

    def fit(self, train: Dataset | Interactions) -> Self:
        """Train on the users' sequences; a model of text needs a data set with titles.

        Raises:
            InputError: the model cannot be had, or titles are missing or not different.
        """
        log = interactions_of(train)
        titles = train.titles if isinstance(train, Dataset) else np.full(log.num_items, "")
        self._titles = np.array([str(title) for title in titles], object)
        kept = TrainingLog.of(log, self._titles)
        config = self._config
        if self.folder:
            run = pathlib.Path(self.folder)
        else:  # shared by the stages of the same settings
            of = [dataclasses.asdict(config), self._titles.tolist()]
            run = apart.temporary_folder(log.fingerprint, json.dumps(of))
        self._place = apart.trained(run, kept, config, self.stage)
        self._fingerprint = log.fingerprint
        is_trained = np.isin(np.arange(log.num_items), log.item)
        self._is_known = is_trained if config.is_small else np.ones(log.num_items, bool)
        self._follow(log, log, config.model.history)
        self._note(train)
        return self

    def state(self) -> dict[str, Any]:
        """Fitted attributes by name, the model's files among them.

        Raises:
            InputError: the model is not fitted, or has more than `MOST_KEPT` bytes.
        """
        found = super().state()
        for name in ("_settings", "_config", "_place"):
            del found[name]
        return found | {"files": _read(pathlib.Path(self._place))}

    def restore(self, state: dict[str, Any]) -> Self:
        """Set fitted attributes, as `state` returns them."""
        files = state.pop("files")
        self._place = str(_written(files))
        return super().restore(state)

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """Log-probability of each candidate after the user's sequence and the new of the history.

        Items that are not in `train` get the user's lowest score from a model with a token per
        item, which knows nothing of them; a model of text reads their titles.

        Args:
            users: [B].
            histories: [B, L'].
            candidates: [B, C] or None.

        Returns:
            [B, C] or [B, I]; see `Recommender.score`.
        """
        asked = np.zeros((len(users), 0), np.int32) if candidates is None else candidates
        sequences = self._followed(users, items_of(histories)).astype(np.int32)
        requests = Requests(self._fingerprint, sequences, asked.astype(np.int32), self._titles)
        scores = apart.scored(requests, self._place, self._config.model)
        items = np.arange(len(self._is_known)) if candidates is None else candidates
        is_known = np.broadcast_to(self._is_known[items], scores.shape)
        lowest = np.where(is_known, scores, np.inf).min(axis=1, keepdims=True)
        return np.where(is_known, scores, np.where(np.isfinite(lowest), lowest, 0))


class UntrainedLanguageModel(LanguageModel):
    """The language model as it is, without any training on the log.

    Examples:
        >>> from drrec.baselines.language_model import UntrainedLanguageModel
        >>> UntrainedLanguageModel().stage
        'zero'
    """

    stage = "zero"


class TunedLanguageModel(LanguageModel):
    """The language model after supervised fine-tuning, without GRPO."""

    stage = "sft"


class LongTunedLanguageModel(TunedLanguageModel):
    """The same, fine-tuned twice as long: what GRPO has to beat."""

    times = 2.0


def _read(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The files of a model's folder."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if sum(path.stat().st_size for path in paths) > MOST_KEPT:
        raise InputError(
            f"Expected a model of at most {MOST_KEPT:,} bytes to save in one file. Received: a "
            f"larger one. It stays in {folder}; fit again with folder= to use it from there."
        )
    return {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in paths}


def _written(files: dict[str, np.ndarray]) -> pathlib.Path:
    """A folder with these files."""
    for name in files:
        if not _PLAIN_NAME.fullmatch(name):
            raise InputError(f"Expected plain names of files. Received: {shown(name)}.")
    folder = apart.temporary_folder("saved", secrets.token_hex(8))
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(np.asarray(content, np.uint8).tobytes())
    return folder
