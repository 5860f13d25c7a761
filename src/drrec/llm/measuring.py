"""How a model ranks samples, and what it is logged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from drrec.llm.blocks import log_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.llm.loading import Language
    from drrec.llm.prompts import Prompts
    from drrec.llm.samples import Sample


def sample_scores(
    language: Language, prompts: Prompts, samples: Sequence[Sample]
) -> list[torch.Tensor]:
    """Log-probabilities [C] of each sample's candidates."""
    return log_probs(
        language,
        [prompts.next_prompt(each.history) for each in samples],
        [[prompts.codes[item] for item in each.candidates] for each in samples],
    )


@torch.no_grad()
def hit_rate(
    language: Language, prompts: Prompts, samples: Sequence[Sample], batch: int
) -> dict[str, float]:
    """Validation HR@1: the share of samples whose next item scores highest; none without samples.

    Equal scores count by halves, so that a constant score is at chance.
    """
    was_training = language.model.training
    language.model.eval()
    hits = 0.0
    for first in range(0, len(samples), batch):
        some = samples[first : first + batch]
        for sample, scores in zip(some, sample_scores(language, prompts, some), strict=True):
            is_best = scores == scores.max()
            hits += float(is_best[sample.place]) / float(is_best.sum())
    language.model.train(was_training)
    return {"validation_hr": hits / len(samples)} if samples else {}
