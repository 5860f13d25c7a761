"""Captions of items' pictures or trailers, by a vision-language model, into JSON lines."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from drrec.errors import InputError
from drrec.features.checks import listed
from drrec.features.decoding import Decoders
from drrec.features.hub import model_folder, weights_sha256
from drrec.features.sources import find_media
from drrec.llm.catalogue import without_thoughts
from drrec.llm.loading import wants_bfloat16
from drrec.llm.records import Records
from drrec.llm.vision import WHAT, PictureConfig, check_vision, opened_vision
from drrec.reading import read_json_lines

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from drrec.data.dataset import Dataset
    from drrec.features.processors import Prepared
    from drrec.features.sources import Source
    from drrec.llm.config import CaptionConfig, ModelConfig
    from drrec.llm.records import Record
    from drrec.llm.vision import VisionLanguage

logger = logging.getLogger(__name__)

CAPTIONS = "captions.jsonl"
"""File of captions in the folder of a run."""

RETRY_TEMPERATURE = 0.7
"""Of what is written again because there was nothing the first time."""

_VERSION = 1
_DECLARED = {"item_id": str, "caption": str}
_REQUEST = (
    "{} Describe what can be seen in one caption of at most {} words: genre, people, setting, "
    "colours and mood. Do not name a title. Write the caption alone."
)
_SEEN = {True: "This is the picture of an item.", False: "These are frames of one trailer."}


def read_captions(path: pathlib.Path, dataset: Dataset) -> list[str]:
    """[I] captions by dense id, "" where there is none.

    Raises:
        InputError: the file is missing or damaged, or has captions of none of the items.
    """
    ids = dataset.interactions.items.raw.tolist()
    found = {one["item_id"]: one["caption"] for one in read_json_lines(path, _DECLARED)}
    captions = ["", *(" ".join(found.get(raw, "").split()) for raw in ids[1:])]
    if not any(captions):
        raise InputError(
            f"Expected captions of items of {dataset.name} in {path}. Received: none. Write them: "
            "drrec llm caption."
        )
    return captions


class Captioner:
    """Captions the media of a data set; what is there already of them stays."""

    def __init__(
        self,
        config: CaptionConfig,
        model: ModelConfig,
        dataset: Dataset,
        source: Source,
        device: str,
    ) -> None:
        """`model` says how the vision-language model is held in memory.

        Raises:
            InputError: there are no media, or the model cannot be had or is of another kind.
        """
        self._config, self._model, self._device = config, model, device
        ids = dataset.interactions.items.raw[1:].tolist()
        media = find_media(source.media, "video", set(ids))
        if not media.files:
            raise InputError(
                f"Expected media of {dataset.name} in trailers/ or images/ of {source.media}. "
                f"Received: none named by an item, such as images/{ids[0]}.jpg. Put them there, or "
                "name another folder: --media."
            )
        if media.unknown:
            told = listed(media.unknown, most=50)
            logger.warning("%d media belong to no item (%s)", len(media.unknown), told)
        self._files = {raw: media.files[raw] for raw in ids if raw in media.files}
        name, revision = config.vision_model, config.vision_revision
        self._folder = model_folder(name, revision, WHAT, "--vision-model")
        check_vision(self._folder)
        self._homes = () if config.follow_links else source.homes()
        self._made_of = self._hashes()

    def run(self, path: pathlib.Path, seed: int) -> str:
        """Write captions into a file; returns what was done, and what could not be and why.

        An item that fails is tried again, and once more in the next run.

        Raises:
            InputError: no item could be captioned, or the file is damaged or being written.
        """
        reasons: dict[str, str] = {}
        with Records(path, _DECLARED, ["item_id"], lambda key: self._made_of.get(key[0])) as kept:
            first = len(kept.found)
            for records, failed in self._captioned(kept, seed):
                kept.add(records)
                reasons |= failed
            if not kept.found:
                named = [f"{raw}: {why}" for raw, why in reasons.items()]
                raise InputError(
                    f"Expected a caption of at least one item. Received: none ({listed(named, 3)})."
                    " Mend the media, or name another model: --vision-model."
                )
            kept.finish((raw,) for raw in self._files)
            lines = [
                f"captions: {len(kept.found):,} of {len(self._files):,} items with media, "
                f"{first:,} of them there already, in {path}"
            ]
            lines += [f"  {raw}: {reasons[raw]}" for raw in self._files if (raw,) not in kept.found]
        return "\n".join(lines)

    def _captioned(self, kept: Records, seed: int) -> Iterator[tuple[list[Record], dict[str, str]]]:
        """Records of each batch, and reasons by item where there is none, attempt by attempt."""
        if len(kept.found) == len(self._files):
            return
        vision = self._opened()
        with contextlib.closing(self._decoders()) as decoders:
            for attempt in range(self._config.caption_tries):
                size = 1 if attempt else self._config.caption_batch  # one alone: the least memory
                batches = [
                    [raw for (raw,) in batch]
                    for batch in kept.batches([(raw,) for raw in self._files], size)
                ]
                if not batches:
                    return
                yield from self._attempted(vision, decoders, batches, attempt, seed)

    def _attempted(
        self,
        vision: VisionLanguage,
        decoders: Decoders,
        batches: list[list[str]],
        attempt: int,
        seed: int,
    ) -> Iterator[tuple[list[Record], dict[str, str]]]:
        temperature = RETRY_TEMPERATURE if attempt else 0.0
        ids = [raw for batch in batches for raw in batch]
        decoded = decoders.decoded(tuple(map(str, self._files[raw])) for raw in ids)
        with tqdm(total=len(ids), desc="captions") as bar:
            for group in batches:
                each = dict(zip(group, decoded, strict=False))
                there = {raw: one.prepared for raw, one in each.items() if one.prepared is not None}
                failed = {raw: one.reason for raw, one in each.items() if raw not in there}
                torch.manual_seed(seed * 1_000_003 + attempt)
                texts = self._texts(vision, there, temperature)
                failed |= {raw: "the model wrote nothing" for raw in there if not texts[raw]}
                records = [{"item_id": raw, "caption": text} for raw, text in texts.items() if text]
                yield records, failed
                bar.update(len(group))

    def _texts(
        self, vision: VisionLanguage, there: dict[str, Prepared], temperature: float
    ) -> dict[str, str]:
        texts = {}
        for is_one in (True, False):
            some = {raw: one for raw, one in there.items() if (len(one.lengths) == 1) == is_one}
            if not some:
                continue
            request = _REQUEST.format(_SEEN[is_one], self._config.caption_words)
            tokens = self._config.caption_tokens
            answers = vision.answers(request, list(some.values()), tokens, temperature)
            for raw, answer in zip(some, answers, strict=True):
                texts[raw] = shortened(without_thoughts(answer), self._config.caption_words)
        return texts

    def _decoders(self) -> Decoders:
        config = self._config
        processor = PictureConfig(
            modality="video",
            folder=str(self._folder),
            frames=config.frames,
            seconds=1.0,
            limits=config.limits,
            homes=self._homes,
            pixels=config.image_pixels,
        )
        return Decoders(processor, config.workers)

    def _opened(self) -> VisionLanguage:
        model = dataclasses.replace(self._model, model=self._config.vision_model)
        bfloat16 = wants_bfloat16(model, self._device)
        return opened_vision(
            self._folder, self._device, bfloat16=bfloat16, device_map=model.device_map
        )

    def _hashes(self) -> dict[str, str]:
        """Of all that decides an item's caption, by raw id."""
        config = self._config
        decisive: list[Any] = [
            *(_VERSION, _REQUEST, weights_sha256(self._folder, WHAT), self._model.precision),
            *(config.frames, config.image_pixels, config.caption_words, config.caption_tokens),
        ]
        found = {}
        for raw, paths in self._files.items():
            stats = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
            found[raw] = hashlib.sha256(json.dumps([*decisive, stats]).encode()).hexdigest()
        return found


def shortened(text: str, most: int) -> str:
    """At most so many words, up to the end of a sentence where one ends among them.

    Examples:
        >>> from drrec.llm.captions import shortened
        >>> shortened("A storm at sea. Two ships, one of them", 6)
        'A storm at sea.'
    """
    words = text.split()
    if len(words) <= most:
        return " ".join(words)
    kept = " ".join(words[:most])
    ended = re.match(r".*[.!?](?=\s|$)", kept)
    return ended[0] if ended else kept
