"""Trailers and posters of made-up films: H.264 and AAC by PyAV, JPEG by Pillow.

Both libraries are imported where they are used, so that nothing else needs them.
"""

from __future__ import annotations

import colorsys
import fractions
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SIDE = 96
"""Pixels of a frame, either way."""
FRAMES_A_SECOND = 6
NUM_FRAMES = 12
SAMPLE_RATE = 16_000
SECONDS = NUM_FRAMES / FRAMES_A_SECOND
_HUES = (0.6, 0.0, 0.85, 0.14, 0.36)
"""Of each kind's palette: blue, red, pink, yellow, green."""
_HARMONICS = (
    (1.0, 0.1, 0.05, 0.02, 0.02, 0.02),
    (1.0, 0.8, 0.7, 0.6, 0.5, 0.4),
    (1.0, 0.05, 0.0, 0.0, 0.0, 0.0),
    (1.0, 0.0, 0.7, 0.0, 0.5, 0.0),
    (0.2, 1.0, 0.1, 0.0, 0.9, 0.0),
)
"""Of each kind's timbre; the first has wind besides."""
_WIND = (0.8, 0.05, 0.0, 0.0, 0.05)


def frames(kind: int, trait: np.ndarray, rng: np.random.Generator) -> list[Image]:
    """Pictures in a kind's colour and shape: bright, busy and quick, and vaulted, by the traits.

    Args:
        kind: which palette and shape.
        trait: [3] brightness, pace, depth in [−1, 1].
        rng: of places and small differences.

    Returns:
        `NUM_FRAMES` RGB images of `SIDE` by `SIDE`.
    """
    from PIL import Image, ImageDraw

    brightness, pace, depth = (trait + 1) / 2
    hue = (_HUES[kind] + rng.normal(0, 0.02)) % 1
    value = 0.2 + 0.6 * brightness
    down = np.linspace(1, -1, SIDE)[:, None, None] * 0.5 * depth  # [S, 1, 1]
    ground = np.array(colorsys.hsv_to_rgb(hue, 0.75, value)) * (1 + down)  # [S, 1, 3]
    canvas = np.broadcast_to(np.clip(ground * 255, 0, 255), (SIDE, SIDE, 3)).astype(np.uint8)
    lit = colorsys.hsv_to_rgb((hue + 0.08) % 1, 0.45, min(1, value + 0.2))
    colour = "#" + "".join(f"{int(255 * part):02x}" for part in lit)
    place = rng.uniform(0, SIDE, (1 + int(6 * pace), 2))
    heading = rng.uniform(0, 2 * np.pi, len(place))
    step = (1 + 12 * pace) * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    pictures = []
    for time in range(NUM_FRAMES):
        picture = Image.fromarray(canvas)
        for x, y in (place + time * step) % SIDE:
            _draw_shape(ImageDraw.Draw(picture), kind, (x, y), colour)
        pictures.append(picture)
    return pictures


def _draw_shape(draw: ImageDraw, kind: int, centre: tuple[float, float], colour: str) -> None:
    x, y = centre
    box = (x - 10, y - 10, x + 10, y + 10)
    if kind == 0:
        draw.line([(x - 8, y - 12), (x + 4, y - 2), (x - 4, y + 2), (x + 8, y + 12)], colour, 5)
    elif kind == 1:
        draw.polygon([(x - 10, y - 10), (x + 12, y), (x - 10, y + 10)], colour)
    elif kind == 2:
        draw.ellipse(box, colour)
    elif kind == 3:
        draw.rectangle(box, colour)
    else:
        draw.ellipse(box, None, colour, 4)


def sound(kind: int, trait: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tone in a kind's timbre: high, pulsing fast, and over a deep drone, by the traits.

    Args:
        kind: which timbre.
        trait: [3] brightness, pace, depth in [−1, 1].
        rng: of noise and small differences.

    Returns:
        [SECONDS · SAMPLE_RATE] float32 in [−1, 1].
    """
    brightness, pace, depth = (trait + 1) / 2
    time = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 180 * 2 ** (2 * brightness + rng.normal(0, 0.05))
    tone = sum(
        strength * np.sin(2 * np.pi * pitch * (number + 1) * time)
        for number, strength in enumerate(_HARMONICS[kind])
    )
    wind = _WIND[kind] * np.convolve(rng.normal(size=len(time)), np.ones(8) / 3, "same")
    beat = 1.5 * 6**pace  # pulses a second
    pulse = np.exp(-4 * ((time * beat + rng.random()) % 1))
    drone = 1.5 * depth * np.sin(2 * np.pi * 70 * time)
    return (0.15 * ((tone + wind) * pulse + drone)).clip(-1, 1).astype(np.float32)


def write_trailer(path: pathlib.Path, pictures: Iterable[Image], samples: np.ndarray) -> None:
    """Write an MP4 of RGB pictures and mono samples."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FRAMES_A_SECOND)
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        # Slower presets, and several threads, do not give the same bytes each time.
        video.options = {"crf": "23", "preset": "ultrafast", "threads": "1"}
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 48_000
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_image(picture)))
        container.mux(video.encode())
        heard = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        heard.sample_rate = SAMPLE_RATE
        heard.time_base = fractions.Fraction(1, SAMPLE_RATE)
        heard.pts = 0
        container.mux(audio.encode(heard))
        container.mux(audio.encode())
