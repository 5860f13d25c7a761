"""Measures preprocessing: the part `data` of `bash scripts/benchmark.sh`.

A log of the size asked for is generated in the form that the data set is published in, prepared by
`run.py data`, and loaded; each in a process of its own, so that peaks of memory are each one's.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from zipf import ZipfLog, written

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
CHUNK = 200_000
LASTFM = "userid-timestamp-artid-artname-traid-traname.tsv"
LOG = "log.csv"
LOAD = (
    "from drrec.data.datasets import load_dataset; "
    "print(len(load_dataset('data/made').interactions))"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """Rows a second, and peak memory, of `run.py data --from` and of loading what it made."""

    name: Literal["both", "log", "lastfm-1k", "amazon-2023"] = "both"
    """What is prepared: a log of one's own as CSV, or one in the form of a published data set;
    both are log and lastfm-1k."""
    rows: int = 1_000_000
    """Of the generated log: 20000000 and 100000000 for the figures of the docs; Last.fm-1K has
    19,150,868."""
    repeats: Literal["drop", "keep"] = "drop"
    """As of `run.py data`."""
    max_memory: int = 1000
    """As of `run.py data`, megabytes."""
    place: pathlib.Path | None = None
    """Folder for some 400 bytes a row; by default the system's for temporary files."""
    json: bool = False
    """Print one JSON object."""


def measure_preparation(options: Preparation) -> dict[str, Any]:
    """Generate logs, prepare them and load them."""
    if options.name == "both":
        names: tuple[Any, ...] = ("log", "lastfm-1k")
        each = {name: _measure(dataclasses.replace(options, name=name)) for name in names}
        return {f"{name} {key}": value for name in names for key, value in each[name].items()}
    return _measure(options)


def _measure(options: Preparation) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=options.place) as temporary:
        folder = pathlib.Path(temporary)
        size = _generate(options, folder)
        flags = ["--from", "." if options.name != "log" else LOG, "--to", "made"]
        flags += ["--repeats", options.repeats, "--max-memory", str(options.max_memory)]
        flags += ["--min-user", "5", "--min-item", "5"]
        flags += ["--split", "temporal"] if options.name == "log" else []
        prepared = _measured([str(ROOT / "run.py"), "data", options.name, *flags], folder)
        loaded = _measured(["-c", LOAD], folder)
    return {
        "rows": options.rows,
        "repeats": options.repeats,
        "megabytes": size / 1e6,
        "rows_kept": int(loaded["printed"]),
        "prepare_seconds": prepared["seconds"],
        "prepare_rows_per_second": options.rows / prepared["seconds"],
        "prepare_cpu_seconds": prepared["cpu_seconds"],
        "prepare_peak_rss_mb": prepared["peak_rss_mb"],
        "load_seconds": loaded["seconds"],
        "load_cpu_seconds": loaded["cpu_seconds"],
        "load_peak_rss_mb": loaded["peak_rss_mb"],
    }


def _generate(options: Preparation, folder: pathlib.Path) -> int:
    """Write a log; how many bytes."""
    if options.name == "log":
        log = ZipfLog(
            users=max(options.rows // 100, 100),
            items=min(max(options.rows // 50, 100), 300_000),
            rows=options.rows,
            order="random",
            user_exponent=0.5,
            item_exponent=0.9,
        )
        collections.deque(written(log.blocks(), folder / LOG), maxlen=0)
        return (folder / LOG).stat().st_size
    is_lastfm = options.name == "lastfm-1k"
    path = folder / (LASTFM if is_lastfm else "Generated.csv")
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_plays(options.rows) if is_lastfm else _ratings(options.rows))
    return path.stat().st_size


def _measured(command: list[str], folder: pathlib.Path) -> dict[str, Any]:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DRREC_HOME": str(folder)},
    )
    with process:
        printed = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return {
        "printed": printed.strip(),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": usage.ru_maxrss / 1024,
    }


def _plays(num_rows: int, num_users: int = 992, num_artists: int = 176_949) -> Iterator[str]:
    """Lines of Last.fm-1K: user by user, latest first, four artists in ten without an id."""
    rng = np.random.default_rng(0)
    first = np.datetime64("2005-02-14T00:00:00")
    for start in range(0, num_rows, CHUNK):
        row = np.arange(start, min(start + CHUNK, num_rows))
        user = row * num_users // num_rows
        when = first + (num_rows - row) * 7 % 130_000_000
        artist = (num_artists * rng.random(len(row)) ** 4).astype(int)
        track = rng.integers(0, 40, len(row))
        for who, moment, what, song in zip(
            user.tolist(), when.astype(str).tolist(), artist.tolist(), track.tolist(), strict=True
        ):
            artist_id = f"{what:08x}-acd3-4ce0-8f36-{what:012x}" if what % 10 > 3 else ""
            track_id = f"{what:08x}-4b5d-4d2a-9e5f-{song:012x}" if song % 10 else ""
            yield (
                f"user_{who:06}\t{moment}Z\t{artist_id}\tArtist number {what}\t{track_id}\t"
                f"Song {song} of artist {what}\n"
            )


def _ratings(num_rows: int) -> Iterator[str]:
    """Lines of Amazon's CSV of 2023: ten rows a user, three hundred an item."""
    rng = np.random.default_rng(0)
    yield "user_id,parent_asin,rating,timestamp\n"
    for start in range(0, num_rows, CHUNK):
        size = min(CHUNK, num_rows - start)
        user = rng.integers(0, max(num_rows // 10, 1), size).tolist()
        item = (max(num_rows // 300, 1) * rng.random(size) ** 2).astype(int).tolist()
        rating = rng.integers(1, 6, size).tolist()
        stamp = rng.integers(1_400_000_000_000, 1_690_000_000_000, size).tolist()
        for who, what, stars, when in zip(user, item, rating, stamp, strict=True):
            yield f"AE{who:026},B{what:09},{stars}.0,{when}\n"
