"""Scores requests: log-probabilities of candidates, or what a written answer names.

    torchrun --nproc_per_node=2 -m drrec.llm.score --requests requests.npz --model FOLDER

shares the rows among processes; the scores are those of one process.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import sys
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from drrec.errors import InputError, escaped
from drrec.features.encoders import chosen_device
from drrec.features.hub import weights_sha256
from drrec.features.journal import Batch, Journal
from drrec.llm.blocks import log_probs
from drrec.llm.catalogue import distinct, named_items
from drrec.llm.config import SMALL, ModelConfig, ScoreConfig
from drrec.llm.generating import text_of, written
from drrec.llm.loading import located, opened, wants_bfloat16
from drrec.llm.processes import joined, own_device
from drrec.llm.prompts import Prompts
from drrec.llm.stages import model_config, notes_of
from drrec.llm.wall import read_requests, write_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.llm.loading import Language
    from drrec.llm.processes import Processes
    from drrec.llm.wall import Requests

logger = logging.getLogger(__name__)


class Scorer:
    """A model that scores requests of one catalogue."""

    def __init__(self, language: Language, prompts: Prompts, config: ScoreConfig) -> None:
        """`prompts` are of the requests' catalogue."""
        self._language, self._prompts, self._config = language, prompts, config

    @torch.inference_mode()
    def scores(self, requests: Requests, rows: slice) -> np.ndarray:
        """[b, C] of some rows; padding has the row's least score."""
        history = [items[items != 0] for items in requests.history[rows]]
        candidates = requests.candidates[rows]
        if not requests.candidates.shape[1]:
            every = np.arange(requests.width, dtype=np.int32)
            candidates = np.broadcast_to(every, (len(history), requests.width))
        if self._config.answer == "generate":
            return self._answered(history, candidates)
        table = self._of_items(history, candidates)
        scores = np.full(candidates.shape, np.inf, np.float32)
        for own, row, line in zip(table, candidates, scores, strict=True):
            line[:] = [own.get(int(item), np.inf) for item in row]
        least = np.where(np.isfinite(scores), scores, 0).min(axis=1, keepdims=True)
        return np.where(np.isfinite(scores), scores, least)

    def _of_items(
        self, history: list[np.ndarray], candidates: np.ndarray
    ) -> list[dict[int, float]]:
        """For each row the log-probability of each candidate; in the order of items, for the last
        digits of a sum depend on its order.
        """
        prompts = [self._prompts.next_prompt(items) for items in history]
        wanted = [np.unique(row[row != 0]).tolist() for row in candidates]
        found: list[dict[int, float]] = [{} for _ in prompts]
        while any(wanted):
            some = [self._taken(row) for row in wanted]
            live = [number for number, items in enumerate(some) if items]
            codes = [[self._prompts.codes[item] for item in some[number]] for number in live]
            made = log_probs(self._language, [prompts[number] for number in live], codes)
            for number, values in zip(live, made, strict=True):
                found[number] |= dict(zip(some[number], values.tolist(), strict=True))
                wanted[number] = wanted[number][len(some[number]) :]
        return found

    def _taken(self, items: list[int]) -> list[int]:
        """As many of them as fit into one row, one at least."""
        sizes = np.cumsum([len(self._prompts.codes[item]) - 1 for item in items])
        return items[: max(1, int(np.searchsorted(sizes, self._config.block_tokens, "right")))]

    def _answered(self, history: list[np.ndarray], candidates: np.ndarray) -> np.ndarray:
        asked = [
            self._prompts.answer_prompt(items, row[row != 0])
            for items, row in zip(history, candidates, strict=True)
        ]
        answers = written(self._language, asked, self._config.answer_tokens)
        scores = np.zeros(candidates.shape, np.float32)
        count = self._config.answer_k
        for row, (own, may) in enumerate(zip(answers, candidates, strict=True)):
            text = text_of(self._language, own[0])
            named = distinct(named_items(text, self._prompts.titles, may), count)
            for rank, item in enumerate(named):
                scores[row, may == item] = count - rank
        return scores


def score_requests(
    requests_path: pathlib.Path,
    out: pathlib.Path,
    model: ModelConfig,
    config: ScoreConfig,
    device: str,
) -> str:
    """Score what `requests_path` asks for, and write `out`; says what was done.

    Batches that are done are kept beside `out` until all are: a process that was killed goes on.

    Raises:
        InputError: the requests or the model are damaged, or of different splits.
    """
    requests = read_requests(requests_path)
    device = own_device(device)
    folder = located(model, pathlib.Path(model.model))
    notes = notes_of(folder)
    if notes and notes["fingerprint"] != requests.fingerprint:
        raise InputError(
            f"Expected requests of the split that {folder} was trained on. Received: those of "
            f"another, in {requests_path}. Write them for that split, or train on this one."
        )
    model = model_config(folder, model)
    with joined(device) as processes:
        bfloat16 = wants_bfloat16(model, device)
        language = opened(folder, device, bfloat16=bfloat16, device_map=model.device_map)
        prompts = Prompts(language.tokenizer, requests.titles, model)
        of = f"{requests.sha256} {weights_sha256(folder, 'the language model')} {model} {config}"
        scorer = Scorer(language, prompts, config)
        scores = torch.from_numpy(_all_scores(scorer, requests, config, out, of, processes))
        counts = torch.tensor([prompts.num_prompts, prompts.num_cut])
        scores, counts = _summed([scores, counts], device, processes)
        if processes.is_first:
            write_scores(out, requests, scores.numpy())
        processes.wait()
        if processes.is_first:
            for left in out.parent.glob(f".{out.name}.*-of-*.part"):
                left.unlink()
    prompts.num_prompts, prompts.num_cut = counts.tolist()
    said = f"{len(scores):,} rows scored; {prompts.said_cut()}"
    if config.answer == "generate":
        named = (scores > 0).sum(dim=1)
        short = int((named < config.answer_k).sum())
        said += f"; {short:,} answers name fewer than {config.answer_k} distinct candidates"
    return said


def _all_scores(
    scorer: Scorer,
    requests: Requests,
    config: ScoreConfig,
    out: pathlib.Path,
    of: str,
    processes: Processes,
) -> np.ndarray:
    """[B, C], 0 in the rows of other processes. Batches are the same however many processes."""
    size, total = config.score_batch, len(requests.history)
    mine = [slice(at, min(at + size, total)) for at in range(0, total, size)]
    mine = mine[processes.rank :: processes.size]
    sizes = [rows.stop - rows.start for rows in mine]
    scores = np.zeros((total, requests.width), np.float32)
    with Journal(_journal(out, processes), of, sizes) as journal:
        for rows in _with_progress(mine[len(journal.batches) :], processes):
            made = scorer.scores(requests, rows)
            journal.add(Batch(made, np.ones(len(made), bool), [""] * len(made)))
        for rows, batch in zip(mine, journal.batches, strict=True):
            scores[rows] = batch.features
    return scores


def _with_progress(rows: list[slice], processes: Processes) -> Iterator[slice]:
    return iter(tqdm(rows, desc="score", disable=None if processes.is_first else True))


def _journal(out: pathlib.Path, processes: Processes) -> pathlib.Path:
    return out.with_name(f".{out.name}.{processes.rank}-of-{processes.size}.part")


def _summed(tensors: list[torch.Tensor], device: str, processes: Processes) -> list[torch.Tensor]:
    there = [tensor.to(device) for tensor in tensors]  # nccl adds what is on cards alone
    processes.summed(there)
    return [tensor.cpu() for tensor in there]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments:
    """Score requests by a language model."""

    requests: pathlib.Path
    """File of requests, as drrec llm score writes it."""
    out: pathlib.Path = pathlib.Path("scores.npz")
    """File of scores."""
    gpu: int | None = None
    """GPU index; -1 is the CPU. By default the first GPU, if there is one."""
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    score: ScoreConfig = dataclasses.field(default_factory=ScoreConfig)


def main() -> int:
    """Do what the command line asks for; the exit status."""
    import tyro

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        given = tyro.cli(_Arguments, config=(tyro.conf.OmitArgPrefixes,))
        if given.model.model == SMALL:
            raise InputError(
                "Expected --model to name a folder or a model on the hub. Received: small, which "
                "has to be trained first: drrec llm train."
            )
        device = chosen_device(given.gpu)
        said = score_requests(given.requests, given.out, given.model, given.score, device)
    except (InputError, OSError) as error:
        sys.stderr.write(escaped(" ".join(str(error).split())) + "\n")
        return 2
    logger.info("%s in %s", said, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
