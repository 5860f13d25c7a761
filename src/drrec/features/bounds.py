"""What decoding a media file may take: a file that asks for more is unusable."""

from __future__ import annotations

import dataclasses

CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf"),
    *("wav", "w64", "aiff", "au", "caf", "mp3", "flac", "aac", "ac3", "amr", "ape", "wv"),
    *("mpegvideo", "m4v", "gif", "apng"),
    *("bmp_pipe", "jpeg_pipe", "png_pipe", "tiff_pipe", "webp_pipe"),
)
"""FFmpeg's names of the containers that are opened; mov is MP4, too, and matroska is WebM.

Nothing that reads other files stands here: no playlists, no lists of files, no patterns of names.
"""

PICTURES = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are opened; none of them starts a program, as EPS does."""

MOST_PICTURES = 10_000
"""Pictures of an animation, or pages of a TIFF."""
MOST_CHANNELS = 64
"""Of a sound track."""
RATES = (1_000, 768_000)
"""Samples a second of a sound track."""
MOST_SAMPLES = 1 << 24
"""Samples of a sound track's packet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaLimits:
    """Limits with a flag each; `ExtractConfig` has the defaults."""

    pixels: int = 100_000_000  # of a picture or frame, by its header and as it is decoded
    duration: float = 86_400.0  # seconds of a film or sound track
    timeout: float = 120.0  # seconds that decoding a file may take
    memory: float = 4.0  # GiB beyond what a decoding process has at first
