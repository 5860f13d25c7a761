"""Pre-trained encoders of frames, sound and text, by any name or folder that `Auto*` reads."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import torch
import transformers

from drrec.errors import InputError
from drrec.features.hub import check_loads_nothing_else, weights_sha256
from drrec.features.pooling import check_tokens, class_tokens, pooled, real_tokens

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from drrec.features.processors import Prepared

READS = {
    "video": ("pixel_values",),
    "audio": ("input_values", "input_features"),
    "text": ("input_ids",),
}
_KINDS = {
    "pixel_values": "a model of images",
    "input_values": "a model of sound",
    "input_features": "a model of sound",
    "input_ids": "a model of text",
}
_TOWERS = {"video": "vision_model", "audio": "audio_model", "text": "text_model"}
_BROKEN = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError),
    safetensors.SafetensorError,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Which encoder, and how its tokens are pooled."""

    modality: str
    folder: pathlib.Path
    name: str
    pooling: str
    bfloat16: bool
    device: str = "cpu"

    @property
    def what(self) -> str:
        """The encoder in an error's words."""
        return f"the {self.modality} model {self.name}"


class Encoder:
    """One encoder on its device: arrays in, vectors out."""

    def __init__(self, config: EncoderConfig) -> None:
        """Load it; only safetensors, no code of others.

        Raises:
            InputError: the folder is no model, or one of another kind than the modality.
        """
        self.config = config
        self.weights_sha256 = weights_sha256(config.folder, config.what)
        with quiet():
            check_kind(config)
            model, loading = _guarded(
                config,
                lambda: transformers.AutoModel.from_pretrained(
                    config.folder,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    output_loading_info=True,
                ),
            )
        tower = _tower(model, config.modality)
        missing = sorted(key for key in loading["missing_keys"] if "pool" not in key)
        if missing:
            raise InputError(
                f"Expected all weights of {config.what} in {config.folder}. Received: "
                f"{len(missing)} missing, such as {missing[0]}. Get the folder again."
            )
        self._tower = tower.to(config.device).eval().requires_grad_(False)
        self._decodes = bool(model.config.is_encoder_decoder)
        _check_pooling(self._tower, config)

    @torch.inference_mode()
    def vectors(self, prepared: Prepared) -> np.ndarray:
        """Encode a batch.

        Args:
            prepared: what a processor made of B frames, windows of sound or texts.

        Returns:
            [B, W] float32.
        """
        inputs = {
            name: torch.from_numpy(array).to(self.config.device)
            for name, array in prepared.inputs.items()
        }
        device = torch.device(self.config.device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bfloat16):
            tokens = self._tower(**inputs).last_hidden_state
        num_tokens = tokens.shape[1] if getattr(tokens, "ndim", 0) == 3 else 0
        leading = self._leading(num_tokens, next(iter(inputs.values())).shape)
        check_tokens(tokens, leading, self.config.pooling, self.config.what)
        if self.config.modality == "text" and self.config.pooling != "cls":
            leading = 0  # as sentence encoders do it: their first token is one among others
        real = self._real(prepared, num_tokens).to(tokens.device)
        return pooled(tokens, real, leading, self.config.pooling).cpu().numpy()

    def _leading(self, num_tokens: int, size: tuple[int, ...]) -> int:
        if self.config.modality == "text":
            return int(not self._decodes)
        return class_tokens(self._tower.config, num_tokens, size)

    def _real(self, prepared: Prepared, num_tokens: int) -> torch.Tensor:
        if self.config.modality == "text":
            return torch.from_numpy(prepared.inputs["attention_mask"]).bool()
        if self.config.modality == "audio":
            lengths = torch.from_numpy(prepared.lengths)
            return real_tokens(self._tower.config, num_tokens, lengths, prepared.window)
        return torch.ones(len(prepared.lengths), num_tokens, dtype=torch.bool)


def has_bfloat16(device: str) -> bool:
    """Whether the processor or card multiplies bfloat16 natively."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device) >= (8, 0)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def chosen_device(gpu: int | None) -> str:
    """The torch device that a number stands for, as `drrec.device.select` has it.

    Raises:
        InputError: there is no such card.
    """
    cards = torch.cuda.device_count()
    if gpu is not None and (gpu < -1 or gpu >= cards):
        raise InputError(
            f"Expected `gpu` to be −1 or the number of one of {cards} cards. Received: {gpu}. "
            "Use --gpu -1 for the processor, or install a torch that knows the card."
        )
    return "cpu" if gpu == -1 or not cards else f"cuda:{gpu or 0}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the library says of itself while it loads."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.logging.set_verbosity(before)


def check_kind(config: EncoderConfig) -> None:
    """Refuse a model of another kind than the modality, before any weight is read.

    Raises:
        InputError: it is of another kind, or no model at all, or more than one of its own.
    """
    check_loads_nothing_else(config.folder, config.what)

    def empty() -> Any:
        settings = transformers.AutoConfig.from_pretrained(
            config.folder, local_files_only=True, trust_remote_code=False
        )
        with torch.device("meta"):
            return transformers.AutoModel.from_config(settings, trust_remote_code=False)

    tower = _tower(_guarded(config, empty), config.modality)
    reads = tower.main_input_name
    if reads not in READS[config.modality]:
        kind = _KINDS.get(reads, f"a model of {reads}")
        raise InputError(
            f"Expected {config.what} to be {_KINDS[READS[config.modality][0]]}. Received: {kind} "
            f"({type(tower).__name__}). Give --{config.modality}-model one that fits."
        )


@torch.inference_mode()
def _check_pooling(tower: Any, config: EncoderConfig) -> None:
    """Refuse a token that has not read the whole text: the first of a causal model, or the last of
    any other.

    Whether a model is causal is seen by what its first token makes of the second.
    """
    if config.pooling == "mean" or config.modality != "text":
        return
    ids = torch.tensor([[1, 2], [1, 3]], device=config.device)
    first = tower(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 0]
    is_causal = torch.allclose(first[0], first[1], rtol=1e-4, atol=1e-5)
    if is_causal == (config.pooling == "last"):
        return
    kind, mend = ("a causal language model", "last") if is_causal else ("another", "mean or cls")
    raise InputError(
        f"Expected {config.what} to have read all of a text in the token of --pooling "
        f"{config.pooling}. Received: {kind}. Use --pooling {mend}."
    )


def _guarded(config: EncoderConfig, load: Any) -> Any:
    try:
        return load()
    except _BROKEN as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"Expected {config.what} in {config.folder} as `transformers` saves it. "
            f"Received: {line}. Name the folder of a model, or get it again."
        ) from error


def _tower(model: Any, modality: str) -> Any:
    """Of a model of two kinds the half that is asked for, of encoder and decoder the encoder."""
    half = getattr(model, _TOWERS[modality], None)
    if half is not None:
        return half
    return model.get_encoder() if model.config.is_encoder_decoder else model
