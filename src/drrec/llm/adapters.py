"""Which weights are trained: all of a model, or LoRA adapters, which are merged afterwards."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import torch

from drrec.errors import InputError, told
from drrec.features.encoders import quiet
from drrec.llm.loading import Language, opened

if TYPE_CHECKING:
    from drrec.llm.config import SFTConfig

ADAPTER = "adapter"
"""Folder of adapters in a stage's folder."""

LARGEST_DIFFERENCE = 1e-4
"""Between logits of a merged model and of its adapters."""


def with_adapters(language: Language, config: SFTConfig, seed: int) -> Language:
    """The same model with new LoRA adapters, which alone ask for gradients.

    Raises:
        InputError: the model has no layers of these names.
    """
    peft = _peft()
    names = [name.strip() for name in config.lora_targets.split(",") if name.strip()]
    targets: Any = names[0] if names == ["all-linear"] else names
    settings = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules=targets,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = peft.get_peft_model(language.model, settings)
    except ValueError as error:
        raise InputError(
            f"Expected layers of the model for --lora-targets. Received: {config.lora_targets} "
            f"({told(error)}). all-linear is every linear layer."
        ) from error
    return Language(model, language.tokenizer)


def with_saved_adapters(language: Language, folder: pathlib.Path) -> Language:
    """The same model with the adapters in a folder, which it may not name another model for.

    Raises:
        InputError: there are none, or they fit another model.
    """
    peft = _peft()
    try:
        with quiet():
            model = peft.PeftModel.from_pretrained(language.model, folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"Expected adapters of the model in {folder}. Received: {told(error)}. Train them "
            "again: drrec llm sft."
        ) from error
    return Language(model.eval().requires_grad_(False), language.tokenizer)


def save(language: Language, folder: pathlib.Path) -> None:
    """Write adapters into `adapter/` of a folder; or else all weights and the tokenizer into it."""
    with quiet():
        if hasattr(language.model, "peft_config"):
            language.model.save_pretrained(folder / ADAPTER)
            return
        language.model.save_pretrained(folder)
        language.tokenizer.save_pretrained(folder)


def merge(base: pathlib.Path, stage: pathlib.Path, folder: pathlib.Path) -> float:
    """Write a model with its adapters merged into its weights, in float32.

    In float16 or bfloat16 the sum would round much of the adapters away.

    Args:
        base: folder of the model that the adapters were trained on.
        stage: folder with `adapter/`.
        folder: exists, and takes the merged model.

    Returns:
        The largest difference of a logit between the merged model and the adapters.

    Raises:
        InputError: it is more than `LARGEST_DIFFERENCE`.
    """
    language = with_saved_adapters(opened(base, "cpu"), stage / ADAPTER)
    size = language.plain.config.vocab_size
    ids = torch.randint(size, (2, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = language.logits(language.hidden(ids))
        merged = Language(language.model.merge_and_unload(), language.tokenizer)
        difference = float((merged.logits(merged.hidden(ids)) - before).abs().max())
    if not difference <= LARGEST_DIFFERENCE:
        raise InputError(
            f"Expected logits of the merged model within {LARGEST_DIFFERENCE} of its adapters'. "
            f"Received: {difference:.2g}. Lower --lora-alpha or --lr, and train again."
        )
    save(merged, folder)
    return difference


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise InputError(
            "Expected the package peft for adapters. Received: none of that name. Install "
            "requirements-llm.txt: bash scripts/setup.sh requirements-llm.txt."
        ) from error
    return peft
