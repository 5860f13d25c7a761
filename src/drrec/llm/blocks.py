"""Log-probabilities of many continuations of a prompt in one row, behind a block mask.

A row is the prompt, then the tokens of each continuation. A token attends to the prompt and to its
own continuation up to itself, and its position counts on from the prompt's end: what a continuation
gets is what it would get alone, whatever stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drrec.llm.loading import Language

_MOST_LOGITS = 1 << 26
"""Logits held at once where no gradient is asked for."""


class Rows(NamedTuple):
    """B prompts with their continuations, padded on the right."""

    ids: torch.Tensor  # [B, T]
    position: torch.Tensor  # [B, T]
    block: torch.Tensor  # [B, T] 0 in the prompt, n in the n-th continuation, −1 in padding
    row: torch.Tensor  # [M] of each token that is predicted
    place: torch.Tensor  # [M] of the token that predicts it
    target: torch.Tensor  # [M] its id
    owner: torch.Tensor  # [M] the continuation that it is of, counted over all rows


def log_probs(
    language: Language, prompts: Sequence[list[int]], codes: Sequence[Sequence[list[int]]]
) -> list[torch.Tensor]:
    """Log-probability of each continuation after its prompt.

    Args:
        language: the model.
        prompts: B lists of token ids, none empty.
        codes: for each prompt, the token ids of its continuations, none empty.

    Returns:
        B tensors [C], of as many continuations as the prompt has; float32.
    """
    made = packed(prompts, codes, language.device)
    is_single = made.ids.shape[1] == max(map(len, prompts))  # no token predicts within a block
    inputs = {} if is_single else {"attention_mask": _mask(made, language.plain.dtype)}
    hidden = language.hidden(made.ids, position_ids=made.position, **inputs)
    if is_single:
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=hidden.device)
        rows = torch.arange(len(prompts), device=hidden.device)
        table = language.logits(hidden[rows, last]).log_softmax(dim=-1)  # [B, V]
        each = table[made.row, made.target]
    else:
        each = _token_log_probs(language, hidden[made.row, made.place], made.target)
    sizes = [len(one) for one in codes]
    summed = torch.zeros(sum(sizes), device=each.device).index_add(0, made.owner, each)
    return list(summed.split(sizes))


def packed(
    prompts: Sequence[list[int]], codes: Sequence[Sequence[list[int]]], device: torch.device
) -> Rows:
    """Rows of prompts and continuations; a continuation's last token predicts nothing."""
    columns: list[list[list[int]]] = [[], [], []]
    targets: list[tuple[int, int, int, int]] = []
    owner = 0
    for row, (prompt, own) in enumerate(zip(prompts, codes, strict=True)):
        ids, position, block = [*prompt], [*range(len(prompt))], [0] * len(prompt)
        for number, code in enumerate(own, start=1):
            places = [len(prompt) - 1, *range(len(ids), len(ids) + len(code) - 1)]
            targets += [(row, at, token, owner) for at, token in zip(places, code, strict=True)]
            ids += code[:-1]
            position += range(len(prompt), len(prompt) + len(code) - 1)
            block += [number] * (len(code) - 1)
            owner += 1
        for column, values in zip(columns, (ids, position, block), strict=True):
            column.append(values)
    width = max(map(len, columns[0]))
    filled = [
        torch.tensor([one + [fill] * (width - len(one)) for one in column], device=device)
        for column, fill in zip(columns, (0, 0, -1), strict=True)
    ]
    rest = torch.tensor(targets, dtype=torch.long, device=device).reshape(-1, 4).unbind(dim=1)
    return Rows(*filled, *rest)


def _mask(made: Rows, dtype: torch.dtype) -> torch.Tensor:
    """[B, 1, T, T] 0 where a token attends to another, else the least number."""
    width = made.ids.shape[1]
    is_before = torch.ones(width, width, dtype=torch.bool, device=made.ids.device).tril()
    own, other = made.block[:, :, None], made.block[:, None, :]
    attends = is_before & ((other == 0) | (other == own))
    zeros = torch.zeros(attends.shape, dtype=dtype, device=made.ids.device)
    return zeros.masked_fill(~attends, torch.finfo(dtype).min)[:, None]


def _token_log_probs(
    language: Language, hidden: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """[M, D], [M] -> [M] log-probability of each target."""
    size = len(hidden)
    if not torch.is_grad_enabled():
        size = max(1, _MOST_LOGITS // language.plain.config.vocab_size)
    parts = [
        -torch.nn.functional.cross_entropy(
            language.logits(hidden[first : first + size]),
            target[first : first + size],
            reduction="none",
        )
        for first in range(0, len(hidden), size)
    ]
    return torch.cat(parts)
