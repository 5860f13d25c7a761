"""Group relative policy optimisation (Shao et al. 2024) of rankings or of written answers."""

from __future__ import annotations

import contextlib
import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from drrec.llm import plackett_luce
from drrec.llm.catalogue import named_items
from drrec.llm.generating import text_of, written
from drrec.llm.measuring import hit_rate, sample_scores
from drrec.llm.rewards import answer_reward, rank_rewards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.llm.config import TrainingConfig
    from drrec.llm.loading import Language
    from drrec.llm.prompts import Prompts
    from drrec.llm.samples import Sample, Sampler

_LEAST_SPREAD = 1e-4

Loss = tuple[torch.Tensor, dict[str, float]]


class Answers(NamedTuple):
    """Groups of answers to prompts."""

    prompts: list[list[int]]  # B
    tokens: list[list[list[int]]]  # B × G
    rewards: torch.Tensor  # [B, G]


class PolicyOptimisation:
    """The objective of GRPO; each step is on policy, so that no ratio has to be clipped."""

    def __init__(
        self,
        language: Language,
        reference: Language | None,
        prompts: Prompts,
        sampler: Sampler,
        config: TrainingConfig,
    ) -> None:
        """`reference` is the fine-tuned model; None where it is `language` without its adapters."""
        self._language, self._reference, self._prompts = language, reference, prompts
        self._sampler, self._settings = sampler, config.grpo
        self._size, self._is_checkpointed = config.sft.micro_batch, config.sft.checkpointing
        self._per_epoch = math.ceil(len(sampler.users) / self._settings.grpo_batch_size)
        self.num_steps = round(self._settings.grpo_epochs * self._per_epoch)
        self._validation = sampler.validation(self._settings.grpo_negatives)

    def rows(self, step: int) -> Sequence[Sample]:
        """Samples of an epoch of their own: fine-tuning has drawn others."""
        epoch, number = divmod(step, self._per_epoch)
        drawn = self._epoch(epoch)
        cuts = np.linspace(0, len(drawn), self._per_epoch + 1).astype(int)
        return drawn[cuts[number] : cuts[number + 1]]

    def weight(self, rows: Sequence[Sample]) -> float:
        """The number of samples."""
        return float(len(rows))

    def loss(self, rows: Sequence[Sample]) -> Loss:
        """Minus the advantage-weighted log-probability, and β times the divergence, summed."""
        # Dropout would have one policy draw and another one learn; checkpointing asks for train().
        self._language.model.train(self._is_checkpointed)
        if self._settings.rollouts == "generated":
            return self._of_answers(rows)
        scores = torch.stack(sample_scores(self._language, self._prompts, rows))
        scores = scores.log_softmax(dim=1)  # [B, C]
        with torch.no_grad(), self._as_reference() as reference:
            before = torch.stack(sample_scores(reference, self._prompts, rows)).log_softmax(dim=1)
        divergence = (scores.exp() * (scores - before)).sum(dim=1)  # [B] exact
        place = torch.tensor([sample.place for sample in rows], device=scores.device)
        table = torch.tensor(rank_rewards(self._settings, scores.shape[1]), device=scores.device)
        if self._settings.rollouts == "exact":
            length = min(self._settings.reward_k, scores.shape[1])
            reward = plackett_luce.expected_reward(scores, place, table[: max(length, 1)])
            loss, logged = -reward, {"reward": float(reward.detach().sum())}
        else:
            loss, logged = self._of_rankings(scores, place, table)
        total = (loss + self._settings.beta * divergence).sum()
        return total, logged | {"kl": float(divergence.detach().sum())}

    def validate(self) -> dict[str, float]:
        """HR@1 of the users who are held out, by scores or by answers as they are trained."""
        if self._settings.rollouts != "generated":
            return hit_rate(self._language, self._prompts, self._validation, self._size)
        hits = 0
        for first in range(0, len(self._validation), self._size):
            samples = self._validation[first : first + self._size]
            asked = [self._prompts.answer_prompt(s.history, s.candidates) for s in samples]
            answers = written(self._language, asked, self._settings.max_new_tokens)
            for sample, own in zip(samples, answers, strict=True):
                named = named_items(self._text(own[0]), self._prompts.titles, sample.candidates)
                hits += named[:1] == [int(sample.candidates[sample.place])]
        return {"validation_hr": hits / len(self._validation)} if self._validation else {}

    def _of_rankings(self, scores: torch.Tensor, place: torch.Tensor, table: torch.Tensor) -> Loss:
        """[B] losses of groups of rankings drawn from the scores."""
        rankings = plackett_luce.drawn(scores, self._settings.generations)  # [B, G, C]
        reward = table[plackett_luce.rank_of(rankings, place)]  # [B, G]
        advantage, logged = self._advantages(reward)
        length = max(self._settings.reward_k, 1)  # later places earn nothing, whoever has them
        log_prob = plackett_luce.log_probability(scores, rankings, length)
        return -(advantage * log_prob).mean(dim=1), logged

    def _advantages(self, reward: torch.Tensor) -> Loss:
        """[B, G] rewards less their group's mean, over their group's spread."""
        spread = reward.std(dim=1, keepdim=True)
        advantage = (reward - reward.mean(dim=1, keepdim=True)) / (spread + _LEAST_SPREAD)
        return advantage, {
            "reward": float(reward.mean(dim=1).sum()),
            "without_spread": float((spread < _LEAST_SPREAD).sum()),
        }

    def _of_answers(self, rows: Sequence[Sample]) -> Loss:
        """Token by token, with the divergence estimated as exp(d) − d − 1 of each token."""
        made = self._answered(rows)
        advantage, logged = self._advantages(made.rewards)
        log_prob, is_token = self._token_log_probs(self._language, made)  # [B·G, T]
        with torch.no_grad(), self._as_reference() as reference:
            before, _ = self._token_log_probs(reference, made)
        apart = before - log_prob
        divergence = apart.exp() - apart - 1
        each = self._settings.beta * divergence - advantage.reshape(-1, 1) * log_prob
        length = is_token.sum(dim=1)  # [B·G]
        group = self._settings.generations
        total = ((each * is_token).sum(dim=1) / length).sum() / group
        kl = ((divergence.detach() * is_token).sum(dim=1) / length).sum() / group
        return total, logged | {"kl": float(kl), "length": float(length.sum()) / group}

    def _answered(self, rows: Sequence[Sample]) -> Answers:
        settings = self._settings
        prompts = [self._prompts.answer_prompt(row.history, row.candidates) for row in rows]
        tokens = written(
            self._language,
            prompts,
            settings.max_new_tokens,
            count=settings.generations,
            temperature=settings.temperature,
            top_p=settings.top_p,
        )
        rewards = [
            [
                answer_reward(
                    settings, self._text(one), self._prompts.titles, row.candidates, row.place
                )
                for one in own
            ]
            for row, own in zip(rows, tokens, strict=True)
        ]
        return Answers(prompts, tokens, torch.tensor(rewards, device=self._language.device))

    def _token_log_probs(
        self, language: Language, made: Answers
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B·G, T] log-probabilities of the answers' tokens, and which of them are tokens."""
        pairs = [(p, a) for p, own in zip(made.prompts, made.tokens, strict=True) for a in own]
        width = max(len(prompt) + len(answer) for prompt, answer in pairs)
        longest = max(len(answer) for _, answer in pairs)
        ids = torch.zeros(len(pairs), width, dtype=torch.long)
        places = torch.zeros(len(pairs), longest, dtype=torch.long)
        is_token = torch.zeros(len(pairs), longest)
        for number, (prompt, answer) in enumerate(pairs):
            ids[number, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
            places[number, : len(answer)] = torch.arange(len(answer)) + len(prompt) - 1
            is_token[number, : len(answer)] = 1
        device = language.device
        ids, places = ids.to(device), places.to(device)
        hidden = language.hidden(ids)
        rows = torch.arange(len(pairs), device=device)[:, None]
        table = language.logits(hidden[rows, places]).log_softmax(dim=-1)  # [B·G, T, V]
        target = ids[rows, places + 1]
        return table.gather(2, target[:, :, None]).squeeze(2), is_token.to(device)

    def _as_reference(self) -> contextlib.AbstractContextManager[Language]:
        if self._reference is not None:
            return contextlib.nullcontext(self._reference)
        return _without_adapters(self._language)

    def _text(self, tokens: list[int]) -> str:
        return text_of(self._language, tokens)

    @functools.lru_cache(maxsize=1)  # noqa: B019 (one objective lives as long as its stage)
    def _epoch(self, epoch: int) -> list[Any]:
        return self._sampler.samples(_OTHER_EPOCHS + epoch, self._settings.grpo_negatives)


_OTHER_EPOCHS = 1_000_000
"""From this one on epochs are GRPO's."""


@contextlib.contextmanager
def _without_adapters(language: Language) -> Any:
    with language.model.disable_adapter():
        yield language
