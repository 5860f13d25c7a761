"""Tiny logs and tiny language models: one with a token per item, one that spells titles."""

import dataclasses
import pathlib

import numpy as np
import tokenizers
import torch
import transformers

from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.llm.apart import LOG
from drrec.llm.config import GRPOConfig, ModelConfig, SFTConfig, TrainingConfig
from drrec.llm.samples import TrainingLog
from drrec.llm.stages import Stages

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SMALL = ModelConfig(width=16, layers=1, heads=2, history=12)


def chain(num_users: int = 24, num_items: int = 30, length: int = 12, seed: int = 0) -> Dataset:
    """Users who go from item to item, each to the next one; where they begin is drawn."""
    start = np.random.default_rng(seed).integers(num_items, size=num_users)
    item = (start[:, None] + np.arange(length)) % num_items + 1
    user = np.repeat(np.arange(num_users), length)
    log = Interactions.from_raw(
        [f"u{each:02}" for each in user],
        [f"i{each:02}" for each in item.ravel()],
        np.full(len(user), 5.0),
        np.tile(np.arange(length), num_users),
    )
    titles = [f"Film {'abcdefghij'[n % 10]}{n}" if n else "" for n in range(log.num_items)]
    return Dataset("chain", log, np.array(titles))


def training_log(data: Dataset) -> TrainingLog:
    return TrainingLog.of(data.interactions, np.array(data.titles.tolist(), object))


def configured(model=SMALL, seed=0, held_out=4, sft=None, grpo=None) -> TrainingConfig:
    """Brief training."""
    return TrainingConfig(
        model=model,
        sft=SFTConfig(**({"next_epochs": 2, "batch_size": 8, "micro_batch": 4} | (sft or {}))),
        grpo=GRPOConfig(**({"grpo_epochs": 1, "grpo_batch_size": 8} | (grpo or {}))),
        held_out=held_out,
        seed=seed,
    )


def stages(folder: pathlib.Path, data: Dataset, config: TrainingConfig) -> Stages:
    """In a folder that has a training log."""
    folder.mkdir(parents=True, exist_ok=True)
    training_log(data).save(folder / LOG)
    return Stages(folder, config, "cpu")


def save_speller(folder: pathlib.Path, *, template: str | None = TEMPLATE) -> pathlib.Path:
    """A Qwen3 that reads and writes bytes."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: number for number, letter in enumerate(["<pad>", "</s>", *alphabet])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>"
    )
    tokenizer.chat_template = template
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.Qwen3ForCausalLM(config)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(3)  # or all that it says would be alike
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spelling(folder: pathlib.Path, **changed) -> ModelConfig:
    """Settings of the model that `save_speller` has put there."""
    return dataclasses.replace(ModelConfig(model=str(folder), history=6, context=1024), **changed)


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
