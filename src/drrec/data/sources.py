"""Where the known data sets come from, and how they get into `data/`."""

from __future__ import annotations

import dataclasses
import errno
import logging
import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from drrec.data.archives import check_sha256, unpack
from drrec.data.download import Unreachable, download
from drrec.data.published.prepare import PUBLISHED, absent
from drrec.data.readers.checks import nearest
from drrec.errors import InputError, shown
from drrec.lazy import resolved
from drrec.locks import held

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Source:
    """A MovieLens archive as GroupLens serves it."""

    name: str
    size: int  # bytes
    sha256: str
    num_ratings: int

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"https://files.grouplens.org/datasets/movielens/{self.name}.zip"


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "ml-100k",
            4_924_029,
            "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
            100_000,
        ),
        Source(
            "ml-1m",
            5_917_549,
            "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
            1_000_209,
        ),
        Source(
            "ml-20m",
            198_702_078,
            "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
            20_000_263,
        ),
        Source(
            "ml-25m",
            261_978_986,
            "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
            25_000_095,
        ),
        Source(
            "ml-latest-small",
            978_202,
            "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
            100_836,
        ),
    )
}

MADE: dict[str, str] = {"demo": "drrec.worlds.demo:make_demo"}
"""Data sets that are made and not downloaded: where the function is that fills a new folder."""

RECBOLE = "recbole==1.2.1"
RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"


def fetch(name: str, data_dir: str | os.PathLike[str] = "data") -> pathlib.Path:
    """Put a known data set into `<data_dir>/<name>`, unless it is there; whole or not at all.

    Of two processes that ask for one the second waits.
    A `<data_dir>/raw/<name>.zip` that is there already, say brought by hand, is checked and used.
    What stands in `MADE` is made and not downloaded; what stands in `PUBLISHED` is neither.

    Returns:
        The folder.

    Raises:
        InputError: the name is unknown, the host cannot be reached, what came is not what it
            should be, the disk is full, or the data set has to be got by hand.
    """
    if name not in {*SOURCES, *MADE, *PUBLISHED}:
        known = nearest(name, [*SOURCES, *MADE, *PUBLISHED])
        raise InputError(f"Expected a known data set. Received: {shown(name)}. {known}")
    folder = pathlib.Path(data_dir) / name
    if folder.exists():
        logger.debug("%s is there already", folder)
        return folder
    if name in PUBLISHED:
        raise absent(name)
    try:
        with held(folder, f"{name} in {data_dir}", wait=True):
            if folder.exists():
                return folder  # another process has made it meanwhile
            if name in MADE:
                resolved(MADE[name])(folder)
            else:
                _fetch(SOURCES[name], folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        raise InputError(
            f"Expected to write {name} into {data_dir}. Received: {error.strerror}. "
            "Make room there, or name another folder."
        ) from error
    return folder


def _fetch(source: Source, folder: pathlib.Path) -> None:
    archive = folder.parent / "raw" / f"{source.name}.zip"
    if not archive.exists():
        try:
            download(source.url, archive, source.size, source.sha256)
        except Unreachable as unreachable:
            if source.name not in FALLBACKS:
                raise _by_hand(source, archive, str(unreachable)) from unreachable
            logger.warning("%s. Trying the package index instead", unreachable)
            try:
                FALLBACKS[source.name](folder)
            except Unreachable as error:
                raise _by_hand(source, archive, f"{unreachable}; {error}") from error
            return
    check_sha256(archive, source.sha256)
    unpack(archive, folder, inside=source.name)


def from_recbole(folder: pathlib.Path) -> None:
    """Take MovieLens-100K out of the RecBole wheel, which holds it as an example.

    Through pip, so that the user's index, mirror, proxy and certificates are used. Wheels alone:
    to learn the name of a source archive, pip runs its `setup.py`, before any checksum. pip
    compares the SHA-256 before it opens the file, whatever the index says; so is it done here.

    Raises:
        Unreachable: the package index is, or has no such wheel.
        InputError: what came is not what it should be.
    """
    name = "ml-100k"
    with tempfile.TemporaryDirectory() as place:
        wanted = pathlib.Path(place) / "wanted.txt"
        wanted.write_text(f"{RECBOLE} --hash=sha256:{RECBOLE_SHA256}\n", encoding="ascii")
        # -P: a pip.py in the working folder is not taken for pip.
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
        command += ["--only-binary", ":all:", "--require-hashes"]
        command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
        command += ["--dest", place, "--requirement", str(wanted)]
        logger.info("Downloading %s", RECBOLE)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unreachable(f"{RECBOLE} cannot be downloaded ({(said or ['pip failed'])[-1]})")
        wheels = list(pathlib.Path(place).glob("*.whl"))
        if len(wheels) != 1:
            raise Unreachable(f"{RECBOLE} did not come as one wheel")
        check_sha256(wheels[0], RECBOLE_SHA256)
        unpack(
            wheels[0],
            folder,
            inside=f"recbole/dataset_example/{name}",
            only=[f"{name}.inter", f"{name}.item", f"{name}.user"],
        )


FALLBACKS: dict[str, Callable[[pathlib.Path], None]] = {"ml-100k": from_recbole}
"""What to try where GroupLens cannot be reached."""


def _by_hand(source: Source, archive: pathlib.Path, reason: str) -> InputError:
    return InputError(
        f"Expected to download {source.url}. Received: {reason}. To mend: get that file by "
        f"another way, put it at {archive} and run this again; it is then checked and used."
    )
