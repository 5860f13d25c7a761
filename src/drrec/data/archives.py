"""Archives: checked against their SHA-256, unpacked whole or not at all, never outside."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import stat
import zipfile
from typing import TYPE_CHECKING

from drrec.errors import InputError, shown, told
from drrec.files import whole_folder

if TYPE_CHECKING:
    from collections.abc import Collection

LARGEST_UNPACKED = 4 << 30
"""Bytes; an archive that says it holds more is refused. MovieLens-25M holds 1.2 GB."""

_CHUNK = 1 << 20


def check_sha256(path: pathlib.Path, expected: str) -> None:
    """Refuse a file with another digest.

    Raises:
        InputError: the digest is another.
    """
    with path.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != expected:
        raise InputError(
            f"Expected SHA-256 {expected} of {path}. Received: {received}. The file is damaged or "
            "another version: remove it and fetch it again."
        )


def unpack(
    archive: pathlib.Path, folder: pathlib.Path, inside: str, only: Collection[str] = ()
) -> None:
    """Unpack what lies under `inside/` of a zip file to a new `folder`, all of it or nothing.

    Args:
        archive: the zip file.
        folder: what to make; it must not exist.
        inside: the folder in the archive to take, without it in the paths.
        only: the files to take, all if empty.

    Raises:
        InputError: it is no zip file, or damaged; it lacks a file; it is too large; or a member
            is a link or leads out of the folder.
    """
    try:
        with whole_folder(folder) as side, zipfile.ZipFile(archive) as zipped:
            members = _checked(zipped, archive)
            chosen = {
                name: member
                for path, member in members.items()
                if path.startswith(f"{inside}/")
                and (not only or path.removeprefix(f"{inside}/") in only)
                and (name := path.removeprefix(f"{inside}/"))
            }
            if not chosen or set(only) - set(chosen):
                raise InputError(
                    f"Expected {', '.join(only) or 'files'} under {inside}/ in {archive}. "
                    "Received: an archive without. Remove it and fetch it again."
                )
            for name, member in chosen.items():
                target = side / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InputError(
            f"Expected a whole zip file at {archive}. Received: {told(error)}. "
            "Remove it and fetch it again."
        ) from error


def _checked(zipped: zipfile.ZipFile, archive: pathlib.Path) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by path, once every path in it is known to be harmless."""
    members = [member for member in zipped.infolist() if not member.is_dir()]
    for member in zipped.infolist():
        parts = pathlib.PurePosixPath(member.filename)
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        leads_out = parts.is_absolute() or ".." in parts.parts
        if is_link or leads_out or "\\" in member.filename or ":" in member.filename:
            raise InputError(
                f"Expected only plain files inside {archive}. Received: {shown(member.filename)}. "
                "The archive is not safe to unpack: remove it."
            )
    size = sum(member.file_size for member in members)
    if size > LARGEST_UNPACKED:
        raise InputError(
            f"Expected at most {LARGEST_UNPACKED:,} bytes in {archive}. Received: {size:,}. "
            "The archive is not what it should be: remove it."
        )
    return {member.filename: member for member in members}
