"""The data set `demo`: films that can be seen, heard and read, made by code from a seed."""

from __future__ import annotations

import csv
import io
import logging
import pathlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.files import whole_folder, write_text
from drrec.worlds import demo_media, demo_text
from drrec.worlds.demo_log import Log, watched
from drrec.worlds.truth import WORLD
from drrec.worlds.world import KINDS, World

if TYPE_CHECKING:
    import os

logger = logging.getLogger(__name__)

HINTS = ("video", "audio", "text")
MISLEADING = 0.15
"""Share of the films of which a modality hints at a kind drawn at random."""
BLUR = 0.25
"""Standard deviation of what a modality hints of a trait."""
FOLDER = "demo"


class Hint(NamedTuple):
    """What one modality says of all films, in places wrongly."""

    kind: np.ndarray  # [I'] int
    trait: np.ndarray  # [I', T] in [−1, 1]


def make_demo(
    folder: str | os.PathLike[str],
    seed: int = 0,
    *,
    num_films: int = 400,
    num_users: int = 1000,
    with_media: bool = True,
) -> None:
    """Make the data set in a new folder, whole or not at all.

    It has `demo.inter` and `demo.item`, `plots.csv`, the hidden truth `world.npz`, and
    `media/trailers/<item>.mp4` and `media/images/<item>.jpg`. The same seed gives the same bytes,
    in media as far as the codecs are the same.

    Args:
        folder: what to make; it must not exist.
        seed: of everything.
        num_films: I'.
        num_users: U'.
        with_media: make trailers and posters too.
    """
    folder = pathlib.Path(folder)
    logger.info("making %d films and %d users in %s", num_films, num_users, folder)
    rng = np.random.default_rng(seed)
    log, world = watched(World.drawn(rng, num_films, num_users), rng)
    hints = {name: _hinted(world, rng) for name in HINTS}
    with whole_folder(folder) as side:
        world.save(side / WORLD)
        write_text(side / f"{FOLDER}.inter", _inter(world, log))
        _write_words(side, world, hints["text"], rng)
        if with_media:
            _write_media(side / "media", world, hints, seed)


def _hinted(world: World, rng: np.random.Generator) -> Hint:
    misleads = rng.random(len(world.items)) < MISLEADING
    drawn = rng.integers(0, len(KINDS), len(world.items))
    trait = world.trait + rng.normal(0, BLUR, world.trait.shape)
    return Hint(np.where(misleads, drawn, world.kind), trait.clip(-1, 1))


def _inter(world: World, log: Log) -> str:
    columns = (world.users[log.user], world.items[log.item], log.rating, log.timestamp)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    return "\n".join([*lines, *("\t".join(map(str, row)) for row in rows)]) + "\n"


def _write_words(side: pathlib.Path, world: World, hint: Hint, rng: np.random.Generator) -> None:
    items = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    plots = io.StringIO()
    writer = csv.writer(plots, lineterminator="\n")
    writer.writerow(["item_id", "plot"])
    titles = demo_text.titles(len(world.items), rng)
    for film, (item, title) in enumerate(zip(world.items.tolist(), titles, strict=True)):
        kind, year = int(hint.kind[film]), int(rng.integers(1960, 2025))
        items.append(f"{item}\t{title}\t{year}\t{demo_text.genres(kind, rng)}")
        writer.writerow([item, demo_text.synopsis(kind, hint.trait[film], rng)])
    write_text(side / f"{FOLDER}.item", "\n".join(items) + "\n")
    write_text(side / "plots.csv", plots.getvalue())


def _write_media(media: pathlib.Path, world: World, hints: dict[str, Hint], seed: int) -> None:
    for name in ("trailers", "images"):
        (media / name).mkdir(parents=True)
    seen, heard = hints["video"], hints["audio"]
    for film, item in enumerate(world.items.tolist()):
        rng = np.random.default_rng([seed, film])
        pictures = demo_media.frames(int(seen.kind[film]), seen.trait[film], rng)
        samples = demo_media.sound(int(heard.kind[film]), heard.trait[film], rng)
        demo_media.write_trailer(media / "trailers" / f"{item}.mp4", pictures, samples)
        pictures[0].save(media / "images" / f"{item}.jpg", quality=90)
        if film % 100 == 99:
            logger.info("media: %d of %d films", film + 1, len(world.items))
