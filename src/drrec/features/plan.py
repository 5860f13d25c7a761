"""What an extraction will do: for each modality what there is to encode, and with what."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import pathlib
from typing import TYPE_CHECKING

from drrec.errors import InputError
from drrec.features.checks import listed
from drrec.features.config import SMALL
from drrec.features.encoders import EncoderConfig, check_kind, has_bfloat16
from drrec.features.hub import encoder_folder, weights_sha256
from drrec.features.processors import ProcessorConfig
from drrec.features.small import build_small_encoders, small_name
from drrec.features.sources import FOLDERS, Source, find_media, kept_with
from drrec.features.texts import Texts
from drrec.features.work import MediaWork, TextWork

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset
    from drrec.features.config import ExtractConfig
    from drrec.features.work import Work

logger = logging.getLogger(__name__)

READING = 2
"""Of how media are read; features of another way are made anew."""

LIBRARIES = ("av", "numpy", "pillow", "torch", "transformers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One modality, ready to be encoded."""

    encoder: EncoderConfig
    work: Work
    pooling: str
    fingerprint: str
    source: str


class Plan:
    """Finds it all before anything is encoded, so that what is wrong is said at once."""

    def __init__(
        self, config: ExtractConfig, dataset: Dataset, data_dir: pathlib.Path, device: str
    ) -> None:
        self._config, self._dataset, self._data_dir = config, dataset, data_dir
        self._device = device
        self._ids = dataset.interactions.items.raw[1:].tolist()
        self._source = Source.of(config, data_dir)
        self._texts = self._read_texts()

    def task(self, modality: str) -> Task:
        """What to do for one modality.

        Raises:
            InputError: its model or its media are not there or do not fit.
        """
        files = {} if modality == "text" else self._media(modality)
        if modality == "text" and not any(self._texts.words):
            raise InputError(
                f"Expected titles, genres or plots of {self._dataset.name}. Received: none. "
                "Name a CSV with columns item_id and plot: --text-file."
            )
        if modality != "text" and self._config.pooling == "last":
            raise InputError(
                f"Expected --pooling last for text alone. Received: {modality}. Pass --modality "
                "text; the file keeps its other modalities."
            )
        encoder = self._encoder(modality)
        check_kind(encoder)
        model = self._config.model(modality, self._dataset.name)
        spread = modality == "video" and (
            (self._config.frame_pooling or ("mean_std" if model == SMALL else "mean")) == "mean_std"
        )
        pooling = encoder.pooling + (", mean and spread of frames" if spread else "")
        work = self._work(encoder, files, spread)
        return Task(
            encoder=encoder,
            work=work,
            pooling=pooling,
            fingerprint=self._fingerprint(encoder, work, pooling),
            source=kept_with(self._config, self._data_dir, modality, self._dataset),
        )

    def _encoder(self, modality: str) -> EncoderConfig:
        config, name = self._config, self._dataset.name
        model = config.model(modality, name)
        if model == SMALL:
            small = self._data_dir / "features" / f"small-{self._dataset.key}-{config.seed}"
            build_small_encoders(small, self._texts.words, config.seed)
            folder, label = small / modality, small_name(modality, config.seed)
        else:
            folder = encoder_folder(model, config.revision(modality, name), modality)
            label = model
        is_native = config.precision == "auto" and has_bfloat16(self._device)
        return EncoderConfig(
            modality=modality,
            folder=folder,
            name=label,
            pooling=config.pooling,
            bfloat16=config.precision == "bfloat16" or is_native,
            device=self._device,
        )

    def _work(
        self, encoder: EncoderConfig, files: dict[str, list[pathlib.Path]], spread: bool
    ) -> Work:
        config, folder = self._config, str(encoder.folder)
        if encoder.modality == "text":
            return TextWork(config, folder, self._texts.words)
        processor = ProcessorConfig(
            modality=encoder.modality,
            folder=folder,
            frames=config.frames,
            seconds=config.seconds,
            limits=config.limits,
            homes=() if config.follow_links else self._source.homes(),
        )
        return MediaWork(config, processor, self._ids, files, spread)

    def _media(self, modality: str) -> dict[str, list[pathlib.Path]]:
        folder = self._source.media
        media = find_media(folder, modality, set(self._ids))
        if not media.files:
            kinds = FOLDERS[modality]
            others = f" but {listed(media.unknown)}" if media.unknown else ""
            raise InputError(
                f"Expected media of {self._dataset.name} in {'/ or '.join(kinds)}/ of {folder}. "
                f"Received: none named by an item, such as {kinds[0]}/{self._ids[0]}.mp4{others}. "
                "Put them there, name another folder (--media), or leave the modality out "
                "(--modality text)."
            )
        self._say_unknown(f"media in {folder}", media.unknown)
        return media.files

    def _read_texts(self) -> Texts:
        texts = self._source.texts(self._dataset)
        self._say_unknown(f"plots in {self._source.text_file}", texts.unknown)
        return texts

    def _say_unknown(self, what: str, names: list[str]) -> None:
        if not names:
            return
        if self._config.strict:
            raise InputError(
                f"Expected {what} of items of {self._dataset.name} alone. Received: {len(names):,} "
                f"of none ({listed(names)}). Rename or remove them, or leave out --strict."
            )
        logger.warning("%s: %d belong to no item (%s)", what, len(names), listed(names, most=50))

    def _fingerprint(self, encoder: EncoderConfig, work: Work, pooling: str) -> str:
        config = self._config
        settings = {
            name: getattr(config, name)
            for name in ("frames", "seconds", "max_tokens", "batch_size", "dtype")
        }
        if encoder.modality != "text":
            settings |= {"limits": dataclasses.asdict(config.limits), "links": config.follow_links}
        decisive = [
            *(READING, settings, pooling, encoder.modality, encoder.name, encoder.bfloat16),
            *(encoder.device.split(":")[0], versions(), self._ids, work.contents()),
            weights_sha256(encoder.folder, encoder.what),
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Of the libraries that decide what features come out."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
