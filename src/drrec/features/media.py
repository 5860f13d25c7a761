"""Frames and sound out of media files: any container that FFmpeg reads, any image of Pillow."""

from __future__ import annotations

import pathlib
import warnings
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FOLDERS = {"video": ("trailers", "images"), "audio": ("trailers", "audio")}
"""Where each modality is looked for, in this order."""

_BROKEN = (
    *(av.FFmpegError, OSError, EOFError, SyntaxError, ValueError, TypeError),
    *(ArithmeticError, LookupError, RuntimeError, MemoryError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
_SNAP_FRAMES = 48
"""From so many frames a sample on, the nearest key frame stands for the exact one."""


class Unusable(Exception):
    """A file that holds nothing to encode; the message says why."""


class Media(NamedTuple):
    """The files of a data set's items, and those that belong to none."""

    files: dict[str, list[pathlib.Path]]  # by raw id, in the order to try
    unknown: list[str]  # paths of media named for items that do not exist


def find_media(folder: pathlib.Path, modality: str, items: Collection[str]) -> Media:
    """The media of each item: `<kind>/<raw id>.<any suffix>`, kinds in the order of `FOLDERS`."""
    found: dict[str, list[pathlib.Path]] = {}
    unknown = []
    for kind in FOLDERS[modality]:
        for path in sorted((folder / kind).glob("*")):
            if path.name.startswith(".") or not path.is_file():
                continue
            if path.stem in items:
                found.setdefault(path.stem, []).append(path)
            else:
                unknown.append(f"{kind}/{path.name}")
    return Media(found, unknown)


def frames_of(path: pathlib.Path, count: int) -> list[Image.Image]:
    """At most `count` RGB frames: of a video sampled evenly, of an image the one there is.

    Raises:
        Unusable: the file is broken, empty, or holds no picture.
    """
    if path.parent.name == "images":
        return [_image(path)]
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unusable("no video stream")
            frames = _sampled(container, count)
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error
    if not frames:
        raise Unusable("no frames")
    return frames


def sound_of(path: pathlib.Path, rate: int, seconds: float) -> np.ndarray:
    """The first `seconds` of a sound track, or all of a shorter one.

    Returns:
        [samples] float32 in −1 … 1, mono, `rate` a second.

    Raises:
        Unusable: the file is broken, empty, or holds no sound.
    """
    wanted = int(rate * seconds)
    blocks: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise Unusable("no sound track")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            heard = 0
            for frame in container.decode(container.streams.audio[0]):
                blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
                heard = sum(map(len, blocks))
                if heard >= wanted:
                    break
            if heard < wanted:
                blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error
    sound = np.concatenate([np.empty(0, np.float32), *blocks])[:wanted]
    if not sound.size:
        raise Unusable("no sound in its sound track")
    if not np.isfinite(sound).all():
        raise Unusable("sound that is no number")
    return sound


def _image(path: pathlib.Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error


class _Index(NamedTuple):
    """When frames are shown, in the stream's units, read off the packets without decoding."""

    shown: list[int]
    keys: list[int]


def _sampled(container: av.container.InputContainer, count: int) -> list[Image.Image]:
    stream = container.streams.video[0]
    packets = [packet for packet in container.demux(stream) if packet.size]
    if any(packet.pts is None for packet in packets):
        container.seek(0, backward=True)
        places = {_middle(i, len(packets), count) for i in range(count)}
        decoded = enumerate(container.decode(stream))
        return [frame.to_image() for place, frame in decoded if place in places]
    index = _Index(
        sorted(packet.pts for packet in packets if packet.pts is not None),
        sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None),
    )
    return list(_at(container, stream, index, _targets(index, count)))


def _middle(segment: int, size: int, count: int) -> int:
    return int((segment + 0.5) * size / count)


def _targets(index: _Index, count: int) -> list[int]:
    """When to look: the middles of `count` equal segments, or key frames inside long ones."""
    size = len(index.shown)
    if not size:
        return []
    targets = []
    for segment in range(count):
        target = index.shown[_middle(segment, size, count)]
        if size >= _SNAP_FRAMES * count:
            first = index.shown[int(segment * size / count)]
            last = index.shown[min(int((segment + 1) * size / count), size) - 1]
            inside = [key for key in index.keys if first <= key <= last]
            target = min(inside, key=lambda key: abs(key - target), default=target)
        targets.append(target)
    return sorted(set(targets))


def _at(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    index: _Index,
    targets: list[int],
) -> Iterator[Image.Image]:
    """The frames shown at `targets`, decoding no more than from the key frame before each."""
    container.seek(index.shown[0], backward=True, stream=stream)
    frames = container.decode(stream)
    now = index.shown[0] - 1
    for target in targets:
        key = max((key for key in index.keys if key <= target), default=now)
        if key > max(now, index.shown[0]):
            container.seek(key, backward=True, stream=stream)
            frames = container.decode(stream)
        for frame in frames:
            if frame.pts is not None:
                now = frame.pts
            if now >= target:
                yield frame.to_image()
                break


def _reason(path: pathlib.Path, error: BaseException) -> str:
    if path.is_file() and not path.stat().st_size:
        return "an empty file"
    said = str(getattr(error, "strerror", None) or error).replace(str(path), "it")
    return " ".join(f"{type(error).__name__}: {said}".split())
