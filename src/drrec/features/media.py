"""Frames and sound out of media files of listed kinds, within limits."""

from __future__ import annotations

import bisect
import contextlib
import fractions
import itertools
import math
import pathlib
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
from PIL import Image, ImageOps

from drrec.features.bounds import (
    CONTAINERS,
    MOST_CHANNELS,
    MOST_PICTURES,
    MOST_SAMPLES,
    PICTURES,
    RATES,
    MediaLimits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_BROKEN = (
    *(av.FFmpegError, OSError, EOFError, SyntaxError, ValueError, TypeError),
    *(ArithmeticError, LookupError, RuntimeError, MemoryError, AttributeError, AssertionError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_DEFAULTS = MediaLimits()
NO_MEMORY = "it takes more memory than there is (--decode-memory)"
_OTHER_KIND = "broken, or of a kind that is not opened"
_FILMS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")
_CANCELS = 0.05
"""Channels cancel each other where their mean has less than this share of the louder's power."""
_SNAP_FRAMES = 48
"""From so many frames a sample on, the nearest key frame stands for the exact one."""


class Unusable(Exception):
    """A file that holds nothing to encode; the message says why."""


def frames_of(path: pathlib.Path, count: int, limits: MediaLimits = _DEFAULTS) -> list[Image.Image]:
    """At most `count` RGB frames: of a video sampled evenly, of an image the one there is.

    Raises:
        Unusable: the file is broken, empty, of no listed kind, beyond a limit, or holds no
            picture.
    """
    if "images" in path.parent.parts and _is_image(path):
        return _images(path, count, limits)
    try:
        with _opened(path, limits) as container:
            if not container.streams.video:
                raise Unusable("no video stream")
            frames = _sampled(container, count, limits)
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error
    if not frames:
        raise Unusable("no frames")
    return frames


def sound_of(
    path: pathlib.Path,
    rate: int,
    seconds: float,
    window: int | None = None,
    limits: MediaLimits = _DEFAULTS,
) -> np.ndarray:
    """All of a sound track, or of a longer one `seconds` in windows spread evenly over it.

    Channels are averaged; where they cancel each other, the loudest is taken.

    Args:
        path: the file.
        rate: samples a second.
        seconds: how much to hear.
        window: samples of a window; None hears one.
        limits: beyond which the file is unusable.

    Returns:
        [samples] float32 in −1 … 1, mono, `rate` a second.

    Raises:
        Unusable: the file is broken, empty, of no listed kind, beyond a limit, or holds no sound.
    """
    wanted = int(rate * seconds)
    window = min(window or wanted, wanted)
    try:
        with _opened(path, limits) as container:
            if not container.streams.audio:
                raise Unusable("no sound track")
            stream = container.streams.audio[0]
            _check_sound(stream)
            begins = _begins(stream, container, wanted / rate, window / rate)
            size = window if begins else wanted
            pieces = [_heard(container, stream, begin, size, rate) for begin in begins or [0.0]]
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error
    sound = np.concatenate([np.empty(0, np.float32), *pieces])[:wanted]
    if not sound.size:
        raise Unusable("no sound in its sound track")
    if not np.isfinite(sound).all():
        raise Unusable("sound that is no number")
    return sound


@contextlib.contextmanager
def _opened(path: pathlib.Path, limits: MediaLimits) -> Iterator[av.container.InputContainer]:
    """A file of a listed container, from which FFmpeg opens no other."""
    options = {
        "format_whitelist": ",".join(CONTAINERS),
        "protocol_whitelist": "file",
        "max_pixels": _decoder_pixels(limits),
    }
    # "file:" keeps FFmpeg from taking the front of a name for a protocol.
    with av.open(f"file:{path}", options=options) as container:
        _check_duration((container.duration or 0) / av.time_base, limits)
        yield container


def _check_duration(seconds: float, limits: MediaLimits) -> None:
    if seconds > limits.duration:
        raise Unusable(
            f"{seconds:,.0f} seconds long, more than {limits.duration:,.0f} (--max-duration)"
        )


def _too_large(limits: MediaLimits, size: str = "") -> Unusable:
    return Unusable(f"{size}more than {limits.pixels:,} pixels (--max-pixels)")


def _check_frames(stream: av.VideoStream, limits: MediaLimits) -> None:
    """Refuse frames that are too large by the header; the decoder refuses those that grow."""
    context = stream.codec_context
    if context.width * context.height > limits.pixels:
        raise _too_large(limits, f"frames of {context.width:,} × {context.height:,}, ")
    context.options = {"max_pixels": _decoder_pixels(limits)}


def _decoder_pixels(limits: MediaLimits) -> str:
    return str(2 * limits.pixels + 65_536)  # it counts padding, too


def _check_sound(stream: av.AudioStream) -> None:
    context = stream.codec_context
    low, high = RATES
    if not low <= context.sample_rate <= high:
        raise Unusable(
            f"sound of {context.sample_rate:,} samples a second, not {low:,} to {high:,}"
        )
    if context.channels > MOST_CHANNELS:
        raise Unusable(f"sound of {context.channels:,} channels, more than {MOST_CHANNELS}")
    context.options = {"max_samples": str(MOST_SAMPLES)}


def _begins(
    stream: av.AudioStream, container: av.container.InputContainer, wanted: float, window: float
) -> list[float]:
    """Where windows of a track begin, in seconds: in the middles of equal segments.

    None where all of it is heard, or where its length is not known.
    """
    total = float(stream.duration * _unit(stream)) if stream.duration else 0.0
    total = total or (container.duration or 0) / av.time_base
    if total <= wanted:
        return []
    count = max(1, math.ceil(wanted / window - 1e-9))
    return [(index + 0.5) * total / count - window / 2 for index in range(count)]


def _heard(
    container: av.container.InputContainer,
    stream: av.AudioStream,
    start: float,
    size: int,
    rate: int,
) -> np.ndarray:
    """At most `size` samples from `start` on, in seconds."""
    unit = _unit(stream)
    first = (stream.start_time or 0) * unit
    container.seek(int((float(first) + max(start, 0)) / unit), stream=stream, backward=True)
    resampler = av.AudioResampler(format="fltp", layout=_layout(stream), rate=rate)
    blocks: list[np.ndarray] = []
    skip: int | None = None
    heard = 0
    for frame in itertools.chain(container.decode(stream), [None]):  # None: what is held back
        if skip is None and frame is not None:
            begins = (
                start if frame.pts is None else float(frame.pts * (frame.time_base or unit) - first)
            )
            skip = max(0, round((start - begins) * rate))
        for resampled in resampler.resample(frame):
            block = resampled.to_ndarray()
            passed = min(skip or 0, block.shape[1])
            skip = (skip or 0) - passed
            blocks.append(block[:, passed:])
            heard += block.shape[1] - passed
            if heard == 0:
                blocks.clear()
        if heard >= size:
            break
    if not heard:
        return np.empty(0, np.float32)
    return _mono(np.concatenate(blocks, axis=1)[:, :size])


def _unit(stream: av.AudioStream | av.VideoStream) -> fractions.Fraction:
    """Seconds of a unit of the stream's times."""
    return stream.time_base or fractions.Fraction(1, av.time_base)


def _layout(stream: av.AudioStream) -> str:
    return "mono" if stream.channels == 1 else "stereo"


def _mono(channels: np.ndarray) -> np.ndarray:
    """[samples] of [channels, samples]."""
    mixed = channels.mean(axis=0)
    power = np.square(channels, dtype=np.float64).mean(axis=1)
    if len(channels) > 1 and np.square(mixed, dtype=np.float64).mean() < _CANCELS * power.max():
        mixed = channels[power.argmax()]
    return np.ascontiguousarray(mixed, np.float32)


def _is_image(path: pathlib.Path) -> bool:
    return path.suffix.lower() not in _FILMS


def _images(path: pathlib.Path, count: int, limits: MediaLimits) -> list[Image.Image]:
    """The picture of a file, or of an animation pictures at the middles of equal times."""
    try:
        with _at_most(limits.pixels), Image.open(path, formats=PICTURES) as image:
            return [_as_seen(image) for _ in _moments(image, count)]
    except _BOMBS as error:
        raise _too_large(limits) from error
    except _BROKEN as error:
        raise Unusable(_reason(path, error)) from error


@contextlib.contextmanager
def _at_most(pixels: int) -> Iterator[None]:
    """Pillow compares the size in the header, and that of each page, before it decodes."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _moments(image: Image.Image, count: int) -> Iterator[None]:
    """Turn an animation to each moment that counts; a picture has one."""
    size = getattr(image, "n_frames", 1)
    if size > MOST_PICTURES:
        raise Unusable(f"{size:,} pictures in one file, more than {MOST_PICTURES:,}")
    if size == 1 or not getattr(image, "is_animated", False):
        yield
        return
    ends: list[float] = []
    for place in range(size):
        image.seek(place)
        image.load()
        ends.append((ends[-1] if ends else 0.0) + (image.info.get("duration") or 100))
    times = [(segment + 0.5) * ends[-1] / count for segment in range(count)]
    for place in sorted({bisect.bisect_right(ends, time) for time in times}):
        image.seek(place)
        yield


def _as_seen(image: Image.Image) -> Image.Image:
    """A picture as it looks on a white page: turned upright, with all of its range, in RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        page = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(page, seen)
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """[H, W] uint8 of whole numbers of 16 bits, or of numbers up to 1, or else up to their top."""
    if not np.isfinite(values).all():
        raise ValueError("a picture with values that are no number")
    top = float(values.max(initial=0))
    if np.issubdtype(values.dtype, np.integer):
        top = 65_535.0 if top <= 65_535 else top
    elif top <= 1:
        top = 1.0
    elif top <= 255:
        top = 255.0
    return np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)


class _Packet(NamedTuple):
    """When a frame is shown and for how long, in the stream's units."""

    pts: int | None
    duration: int
    is_keyframe: bool


class _Index(NamedTuple):
    """When frames are shown, in the stream's units, read off the packets without decoding."""

    shown: list[int]
    keys: list[int]
    end: int


def _sampled(
    container: av.container.InputContainer, count: int, limits: MediaLimits
) -> list[Image.Image]:
    stream = container.streams.video[0]
    _check_frames(stream, limits)
    packets = [  # without what they hold: a film does not have to fit into memory
        _Packet(packet.pts, packet.duration or 0, packet.is_keyframe)
        for packet in container.demux(stream)
        if packet.size
    ]
    if any(packet.pts is None for packet in packets):
        container.seek(0, backward=True)
        places = {int((segment + 0.5) * len(packets) / count) for segment in range(count)}
        decoded = enumerate(container.decode(stream))
        return [_upright(frame) for place, frame in decoded if place in places]
    shown = sorted(packet.pts for packet in packets if packet.pts is not None)
    steps = np.diff(shown)
    last = max((p.duration for p in packets if p.pts == shown[-1]), default=0) if shown else 0
    index = _Index(
        shown,
        sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None),
        (shown[-1] if shown else 0) + (last or (int(np.median(steps)) if len(steps) else 1)),
    )
    if shown:
        _check_duration(float((index.end - shown[0]) * _unit(stream)), limits)
    return list(_at(container, stream, index, _targets(index, count)))


def _upright(frame: av.VideoFrame) -> Image.Image:
    """A frame as players show it, turned by the film's display matrix."""
    image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation % 360 else image


def _targets(index: _Index, count: int) -> list[int]:
    """The frames shown at the middles of `count` equal times, or key frames inside long ones."""
    if not index.shown:
        return []
    begin, total = index.shown[0], index.end - index.shown[0]
    targets = []
    for segment in range(count):
        middle = begin + (2 * segment + 1) * total // (2 * count)
        target = index.shown[max(bisect.bisect_right(index.shown, middle) - 1, 0)]
        if len(index.shown) >= _SNAP_FRAMES * count:
            first = begin + segment * total // count
            last = begin + (segment + 1) * total // count
            inside = [key for key in index.keys if first <= key < last]
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
                yield _upright(frame)
                break


def _reason(path: pathlib.Path, error: BaseException) -> str:
    if path.is_file() and not path.stat().st_size:
        return "an empty file"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no picture of a kind that is opened ({', '.join(PICTURES)})"
    if isinstance(error, av.error.ArgumentError):  # as for a container that is not listed
        log: Any = error.log or (0, "", "")  # the stubs call it a pair
        _, kind, told = log
        is_named = told.startswith("Format not on whitelist")
        return f"of the kind {kind}, which is not opened" if is_named else _OTHER_KIND
    if isinstance(error, MemoryError):
        return NO_MEMORY
    said = str(getattr(error, "strerror", None) or error)
    said = said.replace(f"file:{path}", "it").replace(str(path), "it")
    return " ".join(f"{type(error).__name__}: {said}".split())[:200]
