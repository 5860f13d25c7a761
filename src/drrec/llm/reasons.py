"""Reasoning about what a user chooses next, from the history and its captions, never the target.

Each is of a user and a position, and looked up by these. Beside it stands its gain: how much it
raises the log-probability of the item that came next, in the prompt that training has.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from drrec.errors import InputError
from drrec.features.hub import weights_sha256
from drrec.llm.blocks import log_probs
from drrec.llm.catalogue import without_thoughts
from drrec.llm.generating import text_of, written
from drrec.llm.loading import opened, wants_bfloat16
from drrec.llm.prompts import STEPS, Prompts
from drrec.llm.records import Records
from drrec.llm.samples import Sampler
from drrec.reading import read_json_lines

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from drrec.llm.config import ReasonConfig, TrainingConfig
    from drrec.llm.records import Record
    from drrec.llm.samples import TrainingLog

logger = logging.getLogger(__name__)

REASONS = "reasoning.jsonl"
"""File of reasoning in the folder of a run."""

RETRY_TEMPERATURE = 0.7
"""Of what is written again because there was nothing the first time."""

_VERSION = 1
_CANDIDATES_OF = -1  # the epoch whose candidates the gain is measured among, which no training has
_DECLARED = {
    **{"user": int, "position": int, "reasoning": str},
    **{"gain": float, "fingerprint": str},
}

Place = tuple[int, int]


class Reasons:
    """Reasoning by user and position, to be mixed into training."""

    def __init__(self, texts: dict[Place, str], log: TrainingLog, config: TrainingConfig) -> None:
        """`texts` are those to train with."""
        self._texts = texts
        self._share = config.sft.cot_prob
        self._seed = [config.seed, int(log.fingerprint[:12], 16)]
        self._positions: dict[int, list[int]] = {}
        for user, position in sorted(texts):
            self._positions.setdefault(user, []).append(position)

    @property
    def sha256(self) -> str:
        """Of all of it."""
        return hashlib.sha256(json.dumps(sorted(self._texts.items())).encode()).hexdigest()

    def mixed(
        self, places: Sequence[tuple[int, int, str]], epoch: int
    ) -> list[tuple[int, int, str]]:
        """Users and positions, of which some are exchanged for ones with reasoning.

        Args:
            places: user, position and reasoning, which is "".
            epoch: which users are exchanged depends on the seed, the log, the epoch and the user.
        """
        made = []
        for user, position, none in places:
            rng = np.random.default_rng([*self._seed, epoch, user, 2])
            known = self._positions.get(user, [])
            if known and rng.random() < self._share:
                at = known[int(rng.integers(len(known)))]
                made.append((user, at, self._texts[user, at]))
            else:
                made.append((user, position, none))
        return made


def read_reasons(path: pathlib.Path, log: TrainingLog, config: TrainingConfig) -> Reasons:
    """The reasoning to train with, of `--keep`.

    Raises:
        InputError: the file is missing or damaged, or of another training log.
    """
    if not path.exists():
        raise InputError(
            f"Expected reasoning in {path} for --cot-prob. Received: nothing there. Write it "
            "first: drrec llm reason."
        )
    texts, every = {}, read_json_lines(path, _DECLARED)
    for each in every:
        if each["fingerprint"] != log.fingerprint:
            raise InputError(
                f"Expected reasoning about this training log in {path}. Received: that about "
                "another. Write it again: drrec llm reason."
            )
        if config.sft.keep == "all" or each["gain"] > 0:
            texts[each["user"], each["position"]] = each["reasoning"]
    logger.info("reasoning: %d of %d kept (--keep %s)", len(texts), len(every), config.sft.keep)
    return Reasons(texts, log, config)


class Reasoner:
    """Writes reasoning about the training log of a run; what is there already of it stays."""

    def __init__(
        self,
        config: ReasonConfig,
        training: TrainingConfig,
        log: TrainingLog,
        captions: Sequence[str],
        folder: pathlib.Path,
        device: str,
    ) -> None:
        """`folder` is the model's before training; `captions [I]` are "" where there is none.

        Raises:
            InputError: the model reads no titles, or is none.
        """
        self._config, self._log, self._captions = config, log, captions
        model = training.model
        self._language = opened(
            folder,
            device,
            bfloat16=wants_bfloat16(model, device),
            device_map=model.device_map,
        )
        self._prompts = Prompts(self._language.tokenizer, log.titles, model)
        if self._prompts.has_item_tokens:
            raise InputError(
                "Expected a language model that reads titles. Received: one with a token per "
                "item. Name another: --model."
            )
        self._sampler = Sampler(log, training.seed, training.held_out)
        self._seed, self._negatives = training.seed, training.sft.negatives
        decisive = [
            *(_VERSION, STEPS, log.fingerprint, self._prompts.titles, list(captions)),
            *(weights_sha256(folder, "the language model"), dataclasses.asdict(model)),
            *(config.reason_tokens, self._seed, training.held_out, self._negatives),
        ]
        self._made_of = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def prompt(self, user: int, position: int) -> list[int]:
        """Token ids of what the model is asked: the history before the position, and no more."""
        history = self._log.sequence(user)[:position]
        return self._prompts.reason_prompt(history, self._captions)

    def run(self, path: pathlib.Path) -> str:
        """Write reasoning into a file; returns what was done.

        A position that fails is tried again, and once more in the next run.

        Raises:
            InputError: there is none at all, or the file is damaged or being written.
        """
        places = self._sampler.last_places(self._config.reasons)
        wanted = set(places)

        def made_of(key: tuple[int, ...]) -> str | None:
            return self._made_of if key in wanted else None

        with Records(path, _DECLARED, ["user", "position"], made_of) as kept:
            first = len(kept.found)
            for attempt in range(self._config.reason_tries):
                left = len(places) - len(kept.found)
                if not left:
                    break
                size = 1 if attempt else self._config.reason_batch
                with tqdm(total=left, desc="reasoning") as bar:
                    for group in kept.batches(places, size):
                        kept.add(self._attempted(group, attempt))
                        bar.update(len(group))
            if not kept.found:
                raise InputError(
                    f"Expected reasoning about one of {len(places):,} positions at least. "
                    "Received: none, the model wrote nothing. Name another: --model."
                )
            kept.finish(places)
            helpful = sum(each["gain"] > 0 for each in kept.found.values())
        failed = len(places) - len(kept.found)
        return (
            f"reasoning: {len(kept.found):,} of {len(places):,} positions, {first:,} of them there "
            f"already; {helpful:,} ({helpful / len(kept.found):.1%}) raise the log-probability of "
            f"the next item (--keep helpful); {failed:,} failed; {self._prompts.said_cut()}; {path}"
        )

    @torch.no_grad()
    def _attempted(self, group: list[Place], attempt: int) -> list[Record]:
        torch.manual_seed(self._seed * 1_000_003 + attempt)
        answers = written(
            self._language,
            [self.prompt(*place) for place in group],
            self._config.reason_tokens,
            temperature=RETRY_TEMPERATURE if attempt else 0.0,
        )
        texts = [without_thoughts(text_of(self._language, answer)).strip() for (answer,) in answers]
        there = [(place, text) for place, text in zip(group, texts, strict=True) if text]
        return self._records(there) if there else []

    def _records(self, there: list[tuple[Place, str]]) -> list[Record]:
        return [
            {
                **{"user": user, "position": position, "reasoning": text, "gain": gain},
                "fingerprint": self._log.fingerprint,
            }
            for ((user, position), text), gain in zip(there, self.gains(there), strict=True)
        ]

    @torch.no_grad()
    def gains(self, there: Sequence[tuple[Place, str]]) -> list[float]:
        """By how much each raises the log-probability of the right answer, in nats."""
        prompts, answers = [], []
        for place, text in there:
            sample = self._sampler.sample(_CANDIDATES_OF, *place, self._negatives)
            answer = self._prompts.answer(int(sample.candidates[sample.place]))
            for thoughts in (text, ""):
                prompts.append(
                    self._prompts.answer_prompt(sample.history, sample.candidates, thoughts)
                )
                answers.append([answer])
        found = torch.cat(log_probs(self._language, prompts, answers))
        return (found[0::2] - found[1::2]).tolist()
