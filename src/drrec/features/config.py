"""Settings of the two stages that make features: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from drrec.errors import InputError
from drrec.ranges import check_ranges
from drrec.registry import check_choices

SMALL = "small"
"""Stands, in place of a hub name, for the seeded encoder that is built on the spot."""

DEFAULT_MODELS = {
    "video": "google/vit-base-patch16-224-in21k",
    "audio": "MIT/ast-finetuned-audioset-10-10-0.4593",
    "text": "bert-base-uncased",
}
PINNED = {
    "google/vit-base-patch16-224-in21k": "b4569560a39a0f1af58e3ddaf17facf20ab919b0",
    "MIT/ast-finetuned-audioset-10-10-0.4593": "f826b80d28226b62986cc218e5cec390b1096902",
    "bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
}
"""The commit of each default on the hub: a branch may move, these do not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """Which features to make of which items, with which encoders."""

    dataset: str = "demo"
    """A known name, or the path of a data set of one's own."""
    modality: str = "video,audio,text"
    """Modalities to extract, joined by commas; others that are in the file stay."""
    media: pathlib.Path | None = None
    """Folder with trailers/, images/, audio/, files named by item; by default data/<dataset>/media,
    or media/ beside the ratings of a data set of one's own."""
    text_file: pathlib.Path | None = None
    """CSV with columns item_id and plot, text or description; by default plots.csv beside media/,
    if there."""
    video_model: str | None = None
    """Encoder of frames and images: a hub name, a folder, or `small`, an untrained one built here;
    by default google/vit-base-patch16-224-in21k, for demo small."""
    audio_model: str | None = None
    """Encoder of sound, in the same way; by default MIT/ast-finetuned-audioset-10-10-0.4593, for
    demo small."""
    text_model: str | None = None
    """Encoder of text, in the same way; by default bert-base-uncased, for demo small."""
    video_revision: str | None = None
    """Commit, tag or branch on the hub; by default the commit that a default model is pinned to,
    for others main."""
    audio_revision: str | None = None
    """The same for --audio-model."""
    text_revision: str | None = None
    """The same for --text-model."""
    pooling: Literal["cls", "mean"] = "mean"
    """How an encoder's tokens become one vector: the class token, or the mean of the real ones."""
    frames: int = 8
    """Frames of a trailer, sampled evenly. [>= 1]"""
    frame_pooling: Literal["mean", "mean_std"] | None = None
    """How frames become one vector: their mean, or beside it their spread, which shows motion; by
    default mean, for small encoders mean_std."""
    seconds: float = 30.0
    """How much of a sound track to hear, from its start, in windows of the encoder's. [> 0]"""
    max_tokens: int = 256
    """Longest text, in tokens; the rest is cut. [>= 8]"""
    batch_size: int = 16
    """Frames, windows of sound or texts that an encoder takes at once. [>= 1]"""
    workers: int | None = None
    """Processes that decode ahead of the encoder; by default one less than there are cores.
    [>= 1]"""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the encoder's products; auto takes bfloat16 where processor or card has it natively."""
    dtype: Literal["float32", "float16"] = "float32"
    """Of the stored features."""
    seed: int = 0
    """Of small encoders. [>= 0]"""
    strict: bool = False
    """Stop at the first broken file, and at media or plots of unknown items."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_ranges(
            self,
            {
                "[1, inf)": ("frames", "batch_size", "workers"),
                "[0.1, inf)": ("seconds",),
                "[8, inf)": ("max_tokens",),
                "[0, inf)": ("seed",),
            },
        )
        if not self.modalities:
            raise InputError("Expected `modality` to name at least one. Received: ''.")

    @property
    def modalities(self) -> list[str]:
        """The modalities that were asked for, each once."""
        named = (name.strip() for name in self.modality.split(","))
        return list(dict.fromkeys(name for name in named if name))

    def model(self, modality: str, dataset_name: str) -> str:
        """The encoder of a modality."""
        by_default = SMALL if dataset_name == "demo" else DEFAULT_MODELS[modality]
        return getattr(self, f"{modality}_model") or by_default

    def revision(self, modality: str, dataset_name: str) -> str:
        """The commit, tag or branch of that encoder."""
        pinned = PINNED.get(self.model(modality, dataset_name), "main")
        return getattr(self, f"{modality}_revision") or pinned


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """Which features of others to take over."""

    format: Literal["mmrec", "ducho", "json", "csv"]
    """Form they are in: MMRec's *_feat.npy, a Ducho tree, JSON {item: [numbers]}, or CSV."""
    source: Annotated[pathlib.Path, tyro.conf.arg(name="from")]
    """Folder or file to read."""
    dataset: str
    """A known name, or the path of a data set of one's own."""
    modality: str = ""
    """Modality that the features are of, where the form does not say; of MMRec and Ducho the ones
    to take, joined by commas, by default all."""
    encoder: str = ""
    """What made the features, for reports; by default where they come from."""

    @property
    def modalities(self) -> list[str]:
        """The modalities that were named, each once."""
        named = (name.strip() for name in self.modality.split(","))
        return list(dict.fromkeys(name for name in named if name))
