"""Settings of the two stages that make features: each field's docstring is its `--help`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from drrec.data.config import LogConfig
from drrec.errors import InputError
from drrec.features.bounds import MediaLimits
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
class MediaConfig:
    """Where media are, and what decoding a file may take."""

    media: pathlib.Path | None = None
    """Folder with trailers/, images/ and audio/, files named by item id.
    By default data/<dataset>/media, or media/ beside your own ratings file."""
    frames: int = 8
    """Frames per trailer, sampled at even intervals. [1 to 10,000]"""
    workers: int | None = None
    """Decoding processes; by default the number of cores minus one. [1 to 1,000]"""
    max_pixels: int = 100_000_000
    """Largest picture or frame in pixels; larger ones are not decoded. [1 to 10^9)"""
    max_duration: float = 86_400.0
    """Longest film or sound track in seconds; longer ones are not decoded. [> 0]"""
    decode_timeout: float = 120.0
    """Seconds that decoding one file may take; then its process is ended. [> 0]"""
    decode_memory: float = 4.0
    """GiB of memory that decoding one file may take, in each process. [> 0]"""
    follow_links: bool = False
    """Follow symbolic links of single files that lead out of the media folder.
    The media folder, or trailers/, images/ and audio/ in it, may be links anyway."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            {
                "[1, 10000]": ("frames",),
                "[1, 1000]": ("workers",),
                "[1, 1e9)": ("max_pixels",),
                "(0, 31536000]": ("max_duration", "decode_timeout"),
                "(0, 65536]": ("decode_memory",),
            },
        )

    @property
    def limits(self) -> MediaLimits:
        """What decoding a media file may take."""
        return MediaLimits(
            pixels=self.max_pixels,
            duration=self.max_duration,
            timeout=self.decode_timeout,
            memory=self.decode_memory,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractConfig(MediaConfig):
    """Content features to extract, and their encoders."""

    dataset: str = "demo"
    """Built-in data set, or the path of your own."""
    modality: str = "video,audio,text"
    """Modalities to extract, joined by commas; other modalities in the file are kept."""
    text_file: pathlib.Path | None = None
    """CSV file, or JSON lines (.jsonl), with item_id and plot, text, description or caption.
    By default plots.csv beside media/, if there is one."""
    video_model: str | None = None
    """Encoder of frames and images: hub name, folder, or small, a randomly initialised one.
    By default google/vit-base-patch16-224-in21k, or small for demo."""
    audio_model: str | None = None
    """Encoder of sound: hub name, folder or small.
    By default MIT/ast-finetuned-audioset-10-10-0.4593, or small for demo."""
    text_model: str | None = None
    """Encoder of text: hub name, folder or small.
    By default bert-base-uncased, or small for demo."""
    video_revision: str | None = None
    """Commit, tag or branch of --video-model on the hub.
    By default a pinned commit for default models, else main."""
    audio_revision: str | None = None
    """The same for --audio-model."""
    text_revision: str | None = None
    """The same for --text-model."""
    pooling: Literal["cls", "mean", "last"] = "mean"
    """Pooling of an encoder's tokens: class token; mean over tokens without padding; or last, for
    text by a causal language model, the one token that has read all."""
    frame_pooling: Literal["mean", "mean_std"] | None = None
    """Pooling of frames: mean, or mean and standard deviation concatenated.
    By default mean, or mean_std for small encoders."""
    seconds: float = 30.0
    """Seconds of a sound track to encode, in windows spread evenly over it. [0.1 to 86,400]"""
    max_tokens: int = 256
    """Maximum tokens of a text; longer texts are truncated. [8 to 10^6]"""
    batch_size: int = 16
    """Batch size of an encoder: frames, sound windows or texts. [1 to 10,000]"""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the encoder; auto is bfloat16 if the device supports it natively."""
    dtype: Literal["float32", "float16"] = "float32"
    """Precision of the stored features."""
    seed: int = 0
    """Random seed of small encoders. [0 to 2^31 - 1]"""
    strict: bool = False
    """Stop at the first broken file, or at media or text of an unknown item."""

    log: LogConfig = dataclasses.field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self)
        check_ranges(
            self,
            {
                "[1, 10000]": ("batch_size",),
                "[0.1, 86400]": ("seconds",),
                "[8, 1000000]": ("max_tokens",),
                "[0, 2147483647]": ("seed",),
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
    """Precomputed features to import."""

    format: Literal["mmrec", "ducho", "json", "csv"]
    """Input format: MMRec's *_feat.npy, a Ducho tree, JSON {item: [numbers]}, or CSV."""
    source: Annotated[pathlib.Path, tyro.conf.arg(name="from")]
    """Folder or file to read."""
    dataset: str
    """Built-in data set, or the path of your own."""
    modality: str = ""
    """Modality of the features, for json and csv.
    For mmrec and ducho, modalities to import, joined by commas; '' is all."""
    encoder: str = ""
    """Name of the encoder, for reports; by default the source."""
    log: LogConfig = dataclasses.field(default_factory=LogConfig)

    @property
    def modalities(self) -> list[str]:
        """The modalities that were named, each once."""
        named = (name.strip() for name in self.modality.split(","))
        return list(dict.fromkeys(name for name in named if name))
