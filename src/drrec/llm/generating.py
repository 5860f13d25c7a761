"""Answers written token by token, with explicit settings: a model's own would change sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import transformers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.llm.loading import Language


@torch.no_grad()
def written(
    language: Language,
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    *,
    count: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    beside: dict[str, torch.Tensor] | None = None,
) -> list[list[list[int]]]:
    """`count` answers to each prompt, as token ids up to the end of the turn, which they include.

    Args:
        language: the model.
        prompts: lists of token ids.
        max_new_tokens: the most that an answer has.
        count: answers of each prompt.
        temperature: of sampling; 0 takes the likeliest token.
        top_p: share of the probability among whose tokens is drawn.
        beside: what the model takes beside the prompts, such as pictures, by name.
    """
    pad, ends = _pad(language), sorted(end_tokens(language))
    ids, is_token = left_padded(prompts, pad)
    drawing = {"temperature": temperature, "top_p": top_p, "top_k": 0} if temperature else {}
    settings = transformers.GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=temperature > 0,
        num_return_sequences=count,
        pad_token_id=pad,
        eos_token_id=ends,
        **drawing,
    )
    language.plain.generation_config = settings  # else what it lacks is taken from the model's
    was_training = language.model.training
    language.model.eval()
    made = language.plain.generate(
        input_ids=ids.to(language.device),
        attention_mask=is_token.to(language.device),
        generation_config=settings,
        **(beside or {}),
    )
    language.model.train(was_training)
    answers = [_until(row, ends) for row in made[:, ids.shape[1] :].tolist()]
    return [answers[first : first + count] for first in range(0, len(answers), count)]


def left_padded(prompts: Sequence[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, T] token ids, and [B, T] 1 where they are no padding, which stands on the left."""
    width = max(map(len, prompts))
    ids = [[pad] * (width - len(one)) + one for one in prompts]
    is_token = [[0] * (width - len(one)) + [1] * len(one) for one in prompts]
    return torch.tensor(ids), torch.tensor(is_token)


def text_of(language: Language, tokens: Sequence[int]) -> str:
    """An answer's text, without the tokens that end it; those of thinking stay."""
    ends = end_tokens(language)
    kept = [token for token in tokens if token not in ends]
    return language.tokenizer.decode(kept, skip_special_tokens=False)


def end_tokens(language: Language) -> set[int]:
    """Ids of tokens that end a turn."""
    own = language.plain.config.get_text_config().eos_token_id
    several = own if isinstance(own, list) else [own]
    return {int(each) for each in [*several, language.tokenizer.eos_token_id] if each is not None}


def _pad(language: Language) -> int:
    pad = language.tokenizer.pad_token_id
    return min(end_tokens(language)) if pad is None else int(pad)


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    for place, token in enumerate(ids):
        if token in ends:
            return ids[: place + 1]
    return ids
