"""A small Qwen3 with one token per item, built here from a seed."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import tokenizers
import torch
import transformers

from drrec.errors import InputError
from drrec.features.encoders import quiet
from drrec.llm.catalogue import ITEM
from drrec.llm.prompts import INSTRUCTIONS

if TYPE_CHECKING:
    from drrec.llm.config import ModelConfig

PAD, UNKNOWN, START, END = "<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>"
_THINK = ("<think>", "</think>")
_TEMPLATE = (
    "{% for message in messages %}"
    f"{START} {{{{ message.role }}}} {{{{ message.content }}}} {END} "
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{START} assistant {{% endif %}}"
)


def build_small_model(folder: pathlib.Path, num_items: int, config: ModelConfig, seed: int) -> None:
    """Put a model with random weights and its tokenizer into a folder.

    The same arguments give the same files, byte for byte.

    Args:
        folder: exists.
        num_items: I, padding included.
        config: width, layers and heads.
        seed: of the weights.

    Raises:
        InputError: the heads do not divide the width into even parts.
    """
    if config.width % (2 * config.heads):
        raise InputError(
            f"`heads` must divide `width` into even parts. Received: {config.heads} and "
            f"{config.width}."
        )
    tokenizer = _tokenizer(num_items)
    settings = transformers.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=2 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        head_dim=config.width // config.heads,
        max_position_embeddings=max(4096, config.context),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Qwen3ForCausalLM(settings)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _tokenizer(num_items: int) -> transformers.PreTrainedTokenizerFast:
    """Words of prompts and one token per item, between spaces."""
    special = [PAD, UNKNOWN, START, END, *_THINK]
    words = dict.fromkeys(word for text in INSTRUCTIONS for word in text.split())
    items = [ITEM.format(item) for item in range(1, num_items)]
    every = dict.fromkeys([*special, "system", "user", "assistant", *words, *items])
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {word: number for number, word in enumerate(every)}, unk_token=UNKNOWN
        )
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, unk_token=UNKNOWN, eos_token=END
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [START]})
    tokenizer.add_tokens(list(_THINK))
    tokenizer.chat_template = _TEMPLATE
    return tokenizer
