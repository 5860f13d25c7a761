"""A disk that forgets: what a power loss may leave of what a piece of code wrote.

`Disk` watches a folder while code works in it. Before each call that has to do with order (fsync,
rename, unlink, mkdir, rmdir) it looks at the whole tree, and it knows what was flushed: the
content of a file by the fsync of the file, the names in a folder by the fsync of the folder.
`Disk.losses` then gives, for a loss before each of these calls, what may be there: names as they
were flushed, or as they were at any later moment, for a file system may write them by itself; and
of content that was not flushed none, all, half, zeros in its place, or new bytes over old ones.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

WATCHED = ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir")


class Tree(NamedTuple):
    """What a program sees at one moment, by inode."""

    names: dict[int, dict[str, int]]  # of each folder: the inode of each name in it
    content: dict[int, bytes]  # of each file


class Loss(NamedTuple):
    """What a power loss may leave, and how far the code had come."""

    folder: pathlib.Path
    done: int
    how: str


class Disk:
    """Watches `root` within `watching`."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.done = root, 0
        self._handles: dict[int, int] = {}  # kept open, so that no inode is used twice
        self._root_inode = root.stat().st_ino
        first = self._seen()
        self._names, self._content = dict(first.names), dict(first.content)  # on the disk
        self._moments: list[tuple[int, Tree, dict, dict, dict[int, int]]] = []
        self._named_at: dict[int, int] = dict.fromkeys(first.names, -1)

    @contextlib.contextmanager
    def watching(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Watch what the body does; `done` says how far it is, and the body may count it up."""
        plain = {name: getattr(os, name) for name in WATCHED}

        def wrapped(name):
            def call(*args, **kwargs):
                self._look()
                result = plain[name](*args, **kwargs)
                if name == "fsync":
                    self._flushed(args[0])
                return result

            return call

        with patch.context() as inside:
            for name in WATCHED:
                inside.setattr(os, name, wrapped(name))
            yield
        self._look()

    def losses(self, place: pathlib.Path) -> Iterator[Loss]:
        """Each different loss, laid out in a folder of its own below `place`."""
        seen = set()
        for number, (done, now, names, content, named_at) in enumerate(self._moments):
            for earlier in range(-1, number + 1):
                then = self._moments[earlier][1].names if earlier >= 0 else {}
                held = {
                    inode: then.get(inode, {})
                    if earlier > named_at.get(inode, -2) and inode in then
                    else names.get(inode, {})
                    for inode in {*names, *then}
                }
                for how in ("lost", "whole", "half", "zeros", "over"):
                    tree = self._laid_out(held, now.content, content, how)
                    key = done, tuple(sorted(tree.items()))
                    if key in seen:
                        continue
                    seen.add(key)
                    folder = place / str(len(seen))
                    _write(folder, tree)
                    yield Loss(folder, done, f"{how}, call {number}, names of {earlier}: {tree}")

    def _laid_out(self, names, now, flushed, how) -> dict[str, bytes | None]:
        tree: dict[str, bytes | None] = {}

        def put(inode: int, path: str) -> None:
            for name, child in names.get(inode, {}).items():
                if child in now or child in flushed:
                    tree[path + name] = _torn(flushed.get(child, b""), now.get(child), how)
                else:
                    tree[path + name] = None
                    put(child, f"{path}{name}/")

        put(self._root_inode, "")
        return tree

    def _look(self) -> None:
        tree = self._seen()
        self._moments.append(
            (self.done, tree, dict(self._names), dict(self._content), dict(self._named_at))
        )

    def _flushed(self, handle: int) -> None:
        inode, tree = os.fstat(handle).st_ino, self._seen()
        if inode in tree.names:
            self._names[inode] = tree.names[inode]
            self._named_at[inode] = len(self._moments) - 1
        elif inode in tree.content:
            self._content[inode] = tree.content[inode]

    def _seen(self) -> Tree:
        names: dict[int, dict[str, int]] = {}
        content: dict[int, bytes] = {}
        for place, folders, files in os.walk(self.root):
            here = pathlib.Path(place)
            names[self._kept(here)] = {
                name: self._kept(here / name) for name in sorted(folders + files)
            }
            for name in files:
                content[self._kept(here / name)] = (here / name).read_bytes()
        return Tree(names, content)

    def _kept(self, path: pathlib.Path) -> int:
        inode = path.stat().st_ino
        if inode not in self._handles:
            self._handles[inode] = os.open(path, os.O_RDONLY)
        return inode

    def close(self) -> None:
        for handle in self._handles.values():
            os.close(handle)


def _torn(flushed: bytes, now: bytes | None, how: str) -> bytes:
    if now is None or now == flushed or how == "lost":
        return flushed
    if how == "whole":
        return now
    if how == "over":  # written, but not cut shorter
        return now + flushed[len(now) :]
    pairs = zip(flushed, now, strict=False)
    num_same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(flushed), len(now)))
    same, left = now[:num_same], len(now) - num_same
    return now[: num_same + left // 2] if how == "half" else same + b"\0" * left


def _write(folder: pathlib.Path, tree: dict[str, bytes | None]) -> None:
    folder.mkdir(parents=True)
    for name, content in sorted(tree.items()):
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
