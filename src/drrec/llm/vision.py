"""Vision-language models that caption pictures: Qwen's families, without torchvision."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from drrec.errors import InputError, told
from drrec.features.encoders import quiet
from drrec.features.hub import check_loads_nothing_else, weights_sha256
from drrec.features.media import Unusable, frames_of
from drrec.features.processors import Prepared, ProcessorConfig
from drrec.llm.generating import left_padded, written
from drrec.llm.loading import Language, guarded, loaded

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

WHAT = "the vision-language model"

_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureConfig(ProcessorConfig):
    """What a decoding process loads for a vision-language model."""

    pixels: int
    """To which a picture is made smaller, at most."""

    def load(self) -> Pictures:
        """Load it.

        Raises:
            InputError: the folder holds no image processor of this kind.
        """
        return Pictures(self)


class Pictures:
    """Frames of a film, or the picture of a file, as patches of a vision-language model."""

    def __init__(self, config: PictureConfig) -> None:
        self._config = config
        self._process: Any = guarded(
            WHAT,
            config.folder,
            lambda: transformers.AutoImageProcessor.from_pretrained(
                config.folder, backend="pil", local_files_only=True, trust_remote_code=False
            ),
        )
        size = dict(self._process.size)
        if not size.get("longest_edge") or not getattr(self._process, "merge_size", None):
            raise InputError(
                f"Expected {WHAT} in {config.folder} to read pictures of any size. Received: "
                f"{type(self._process).__name__}. Name one of Qwen's, such as Qwen3-VL."
            )
        most = min(size["longest_edge"], config.pixels)
        self._size = {"shortest_edge": min(size["shortest_edge"], most), "longest_edge": most}

    def __call__(self, path: pathlib.Path) -> Prepared:
        """Prepare at most `frames` of a file's pictures; `lengths` are the tokens of each.

        Raises:
            Unusable: it holds none.
        """
        self._config.check(path)
        frames = frames_of(path, self._config.frames, self._config.limits)
        try:
            made = self._process(images=frames, return_tensors="np", size=self._size)
        except _BROKEN as error:  # such as a picture that is one pixel wide
            raise Unusable(f"{type(error).__name__}: {error}") from error
        grids = made["image_grid_thw"]
        lengths = grids.prod(axis=1) // self._process.merge_size**2
        inputs = {"pixel_values": made["pixel_values"], "image_grid_thw": grids}
        return Prepared(inputs, lengths, 1)


@dataclasses.dataclass(eq=False)
class VisionLanguage(Language):
    """A model that writes text about pictures, and its tokenizer."""

    @property
    def picture_token(self) -> int:
        """The id of the token that stands for a part of a picture."""
        return int(self.plain.config.image_token_id)

    def prompt(self, request: str, prepared: Prepared) -> list[int]:
        """Token ids of a message with pictures, each as long as it is in the model.

        Raises:
            InputError: the chat template has no place for pictures.
        """
        pictures = [{"type": "image"}] * len(prepared.lengths)
        message = {"role": "user", "content": [*pictures, {"type": "text", "text": request}]}
        try:
            text = self.tokenizer.apply_chat_template(
                [message], add_generation_prompt=True, tokenize=False, enable_thinking=False
            )
        except Exception as error:  # a template is a program of others
            raise _no_place(told(error)) from error
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        token = self.picture_token
        if ids.count(token) != len(pictures):
            raise _no_place(f"{ids.count(token)} places for {len(pictures)} pictures")
        sizes = iter(prepared.lengths.tolist())
        return [each for one in ids for each in ([one] * next(sizes) if one == token else [one])]

    def beside(self, prompts: Sequence[list[int]], pictures: Sequence[Prepared]) -> dict[str, Any]:
        """What the model takes beside the ids of left-padded prompts."""
        ids, _ = left_padded(prompts, 0 if self.picture_token else 1)
        made = {
            name: torch.from_numpy(np.concatenate([each.inputs[name] for each in pictures]))
            for name in ("pixel_values", "image_grid_thw")
        }
        made["pixel_values"] = made["pixel_values"].to(self.plain.dtype)
        made["mm_token_type_ids"] = (ids == self.picture_token).int()
        return {name: tensor.to(self.device) for name, tensor in made.items()}

    def answers(
        self, request: str, pictures: Sequence[Prepared], max_new_tokens: int, temperature: float
    ) -> list[str]:
        """What the model writes about each; likeliest tokens at a temperature of 0."""
        prompts = [self.prompt(request, each) for each in pictures]
        made = written(
            self,
            prompts,
            max_new_tokens,
            temperature=temperature,
            beside=self.beside(prompts, pictures),
        )
        decode = self.tokenizer.decode
        return [decode(one, skip_special_tokens=True).strip() for (one,) in made]


def opened_vision(
    folder: pathlib.Path, device: str, *, bfloat16: bool = False, device_map: str = ""
) -> VisionLanguage:
    """Load a vision-language model and its tokenizer.

    Args:
        folder: as `transformers` saves it.
        device: a torch device.
        bfloat16: hold the weights in bfloat16, else in float32.
        device_map: spread over several cards, in place of `device`.

    Raises:
        InputError: the folder is no model, or a model of another kind.
    """
    check_vision(folder)
    kind = transformers.AutoModelForImageTextToText
    return VisionLanguage(*loaded(WHAT, kind, folder, device, bfloat16, device_map))


def check_vision(folder: pathlib.Path) -> None:
    """Refuse a folder that holds no vision-language model, before any weight is read.

    Raises:
        InputError: it holds none, or one whose pictures have another form than Qwen's.
    """
    check_loads_nothing_else(folder, WHAT)
    weights_sha256(folder, WHAT)
    with quiet():
        config: Any = guarded(
            WHAT,
            folder,
            lambda: transformers.AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            ),
        )
    known = transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    has_grids = hasattr(getattr(config, "vision_config", None), "spatial_merge_size")
    if type(config) not in known or not has_grids or not hasattr(config, "image_token_id"):
        kind = "a model" if type(config) in known else "a model without pictures"
        raise InputError(
            f"Expected {WHAT} in {folder} to read pictures as Qwen's do. Received: {kind} of kind "
            f"{config.model_type}. Name one such as Qwen/Qwen3-VL-8B-Instruct: --vision-model."
        )


def _no_place(received: str) -> InputError:
    return InputError(
        f"Expected a chat template with a place for each picture. Received: {received}. Add the "
        "model's chat_template.jinja to its folder."
    )
