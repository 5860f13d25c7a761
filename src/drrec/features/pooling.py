"""From an encoder's tokens to one vector: which tokens are real, and how they are pooled."""

from __future__ import annotations

from typing import Any

import torch

from drrec.errors import InputError

AST = "audio-spectrogram-transformer"
_AST_HOP, _AST_WINDOW = 160, 400
"""Samples between and in frames of a spectrogram, 10 and 25 ms at 16 kHz (Gong et al. 2021)."""


def class_tokens(config: Any, num_tokens: int, size: tuple[int, ...]) -> int:
    """How many tokens stand before those of patches of an image or a spectrogram.

    Args:
        config: the encoder's.
        num_tokens: T, in all.
        size: [B, …] of what the encoder was given.
    """
    if config.model_type == AST:
        return 2  # class and distillation
    patch = getattr(config, "patch_size", None)
    if len(size) != 4 or not isinstance(patch, int):
        return 0
    extra = num_tokens - (size[2] // patch) * (size[3] // patch)
    return extra if 0 <= extra <= 16 else 0


def real_tokens(config: Any, num_tokens: int, lengths: torch.Tensor, window: int) -> torch.Tensor:
    """Which tokens of a padded window of sound have heard something.

    Args:
        config: the encoder's.
        num_tokens: T.
        lengths: [B] samples that are not padding.
        window: samples of a whole window.

    Returns:
        [B, T] bool; class tokens are True.
    """
    if config.model_type != AST:
        heard = (lengths * num_tokens + window - 1) // window
        return torch.arange(num_tokens) < heard.clamp(min=1)[:, None]
    frames = 1 + (lengths - _AST_WINDOW).clamp(min=0) // _AST_HOP
    across = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    along = (num_tokens - 2) // across
    heard = (frames - config.patch_size).clamp(min=0) // config.time_stride + 1
    patches = (torch.arange(along) < heard[:, None]).repeat(1, across)  # [B, across × along]
    return torch.cat([torch.ones(len(lengths), 2, dtype=torch.bool), patches], dim=1)


def pooled(tokens: torch.Tensor, real: torch.Tensor, leading: int, pooling: str) -> torch.Tensor:
    """One vector for each sequence.

    Args:
        tokens: [B, T, W].
        real: [B, T] bool, False for padding.
        leading: class tokens before the others; at least one for `cls`.
        pooling: `cls`, the class token (of AST's two the mean, as its authors do); `mean`, over
            real tokens that are no class tokens; or `last`, the last real token, on whichever side
            the padding is.

    Returns:
        [B, W] float32.
    """
    tokens = tokens.float()
    if pooling == "cls":
        return tokens[:, :leading].mean(dim=1)
    if pooling == "last":
        from_end = real.flip(dims=[1]).int().argmax(dim=1)
        return tokens[torch.arange(len(tokens)), tokens.shape[1] - 1 - from_end]
    weight = real[:, leading:, None].to(tokens)
    return (tokens[:, leading:] * weight).sum(dim=1) / weight.sum(dim=1)


def check_tokens(tokens: Any, leading: int, pooling: str, what: str) -> None:
    """Refuse what cannot be pooled so.

    Raises:
        InputError: these are no tokens, or there is no class token among them.
    """
    if not isinstance(tokens, torch.Tensor) or tokens.ndim != 3:
        raise InputError(
            f"Expected {what} to give tokens [B, T, W]. Received: "
            f"{list(getattr(tokens, 'shape', []))}. Take a transformer."
        )
    if pooling == "cls" and leading < 1:
        raise InputError(
            f"Expected {what} to have a class token for --pooling cls. Received: a model without. "
            "Use --pooling mean."
        )
