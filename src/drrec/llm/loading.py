"""Opens a language model from a folder: weights and settings alone, no code of others."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

import safetensors
import torch
import transformers

from drrec.errors import InputError, told
from drrec.features.encoders import has_bfloat16, quiet
from drrec.features.hub import check_loads_nothing_else, model_folder, weights_sha256
from drrec.llm.config import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.llm.config import ModelConfig

_BROKEN = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError),
    safetensors.SafetensorError,
)
_WHAT = "the language model"
_TRIED = 4
"""Tokens of the text by which a model is tried."""


@dataclasses.dataclass(eq=False)
class Language:
    """A causal language model on its device, and its tokenizer."""

    model: Any  # with adapters, the model of peft that wraps it
    tokenizer: Any

    @property
    def plain(self) -> Any:
        """The model of transformers, which may have adapters inside."""
        return self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return self.plain.get_input_embeddings().weight.device

    def hidden(self, ids: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """[B, T] token ids -> [B, T, D], what the head makes logits of."""
        return self.plain.base_model(input_ids=ids, use_cache=False, **inputs).last_hidden_state

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., V] float32."""
        return self.plain.get_output_embeddings()(hidden).float()


def located(config: ModelConfig, base: pathlib.Path) -> pathlib.Path:
    """The folder of a model: that of the small one is `base`.

    Raises:
        InputError: it cannot be had, or is no model with safetensors.
    """
    if config.model == SMALL:
        return base
    if config.model.endswith(".gguf"):
        return base  # converted into it
    folder = model_folder(config.model, config.revision, _WHAT, "--model")
    weights_sha256(folder, _WHAT)
    return folder


def opened(
    folder: pathlib.Path, device: str, *, bfloat16: bool = False, device_map: str = ""
) -> Language:
    """Load a causal language model and its tokenizer.

    Args:
        folder: as `transformers` saves it.
        device: a torch device.
        bfloat16: hold the weights in bfloat16, else in float32.
        device_map: spread over several cards, in place of `device`.

    Raises:
        InputError: the folder is no model, or a model of another kind.
    """
    check_loads_nothing_else(folder, _WHAT)
    weights_sha256(folder, _WHAT)
    with quiet():
        _check_kind(folder)
    kind = transformers.AutoModelForCausalLM
    model, tokenizer = loaded(_WHAT, kind, folder, device, bfloat16, device_map)
    language = Language(model, tokenizer)
    _check_head(language, folder)
    return language


def loaded(
    what: str, kind: Any, folder: pathlib.Path, device: str, bfloat16: bool, device_map: str
) -> tuple[Any, Any]:
    """A model of one of the `Auto*` kinds, whose weights ask for no gradients, and its tokenizer.

    Raises:
        InputError: the folder is none, or lacks weights.
    """
    with quiet():
        model, loading = guarded(
            what,
            folder,
            lambda: kind.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.bfloat16 if bfloat16 else torch.float32,
                output_loading_info=True,
                **({"device_map": device_map} if device_map else {}),
            ),
        )
        tokenizer = guarded(
            what,
            folder,
            lambda: transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            ),
        )
    if missing := sorted(loading["missing_keys"]):
        raise InputError(
            f"Expected all weights of {what} in {folder}. Received: {len(missing)} missing, such "
            f"as {missing[0]}. Get the folder again."
        )
    if not device_map:
        model = model.to(device)
    return model.eval().requires_grad_(False), tokenizer


def wants_bfloat16(config: ModelConfig, device: str) -> bool:
    """Whether a model's weights are held in bfloat16."""
    if config.model == SMALL or config.precision == "float32":
        return False
    is_card = device.startswith("cuda")
    return config.precision == "bfloat16" or (is_card and has_bfloat16(device))


def convert_gguf(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Write a quantised model of one GGUF file as float32 safetensors, with its tokenizer.

    Raises:
        InputError: it is no such file, or of an architecture that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"Expected {_WHAT} in {path}. Received: nothing there.")

    def read() -> tuple[Any, Any]:
        arguments: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
        model = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, dtype=torch.float32, **arguments
        )
        return model, transformers.AutoTokenizer.from_pretrained(path.parent, **arguments)

    with quiet():
        model, tokenizer = guarded(_WHAT, path, read)
        config = model.config
        for name in ("quantization_config", "_pre_quantization_dtype"):
            if hasattr(config, name):
                delattr(config, name)
        plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        plain.load_state_dict(model.state_dict())
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _check_kind(folder: pathlib.Path) -> None:
    """Refuse a model that does not write text from text alone, before any weight is read."""

    def empty() -> Any:
        settings = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(settings, trust_remote_code=False)

    model = guarded(_WHAT, folder, empty)
    if model.main_input_name != "input_ids" or model.get_output_embeddings() is None:
        raise InputError(
            f"Expected {_WHAT} in {folder} to write text. Received: {type(model).__name__}. Name a "
            "causal language model: --model."
        )


def _check_head(language: Language, folder: pathlib.Path) -> None:
    """See that logits are what the output embeddings make of the last hidden states."""
    ids = torch.arange(_TRIED, device=language.device)[None] % language.plain.config.vocab_size
    with torch.inference_mode():
        whole = language.plain(input_ids=ids, use_cache=False).logits.float()
        ours = language.logits(language.hidden(ids))
    if not torch.allclose(whole, ours, rtol=1e-2, atol=1e-2):
        raise InputError(
            f"Expected {_WHAT} in {folder} to have plain logits. Received: "
            f"{type(language.plain).__name__}, which scales or caps them. Name another model."
        )


def guarded(what: str, folder: object, load: Callable[[], Any]) -> Any:
    """What `load` returns from a folder with `what`.

    Raises:
        InputError: the library cannot load it.
    """
    try:
        return load()
    except _BROKEN as error:
        raise InputError(
            f"Expected {what} in {folder} as `transformers` saves it. Received: "
            f"{type(error).__name__}: {told(error, 300)}. Name the folder of such a model, or get "
            "it again."
        ) from error
