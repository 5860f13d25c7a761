"""HDF5 files read in a process of their own: the library crashes on some damaged files.

That process, which is begun once, opens files, checks what is in them before it reads any of it,
and sends numbers; if it dies or takes too long, the file is refused and the next one has another.

    parent → child   a line of JSON: {"path", "modalities", "rows", "limits"}
    child → parent   a line of JSON: what there is, or why it is refused; the bytes of arrays; and a
                     line `closed`
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from drrec.errors import told
from drrec.limits import Limits, current, hold
from drrec.types import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import h5py

ATTRIBUTES = (
    *("encoder", "weights_sha256", "pooling", "library_versions", "fingerprint", "source"),
)
"""Of a modality; all are text."""

_MEMORY = 4 << 30  # bytes of address space of the reading process
_BLOCK = 1 << 24  # bytes that are read at a time
_LONGEST_ATTRIBUTE = 1 << 20
_SECONDS, _SECONDS_A_BYTE = 20.0, 1e-7  # after which reading is given up
_TYPES = ("float16", "float32")
_CLOSED = b"closed\n"


class Rows(NamedTuple):
    """One modality, as the file has it."""

    features: np.ndarray  # [rows, dim] float16 or float32; [0, dim] where rows were not asked for
    present: np.ndarray  # [rows] bool
    attributes: dict[str, str]


class Stored(NamedTuple):
    """A feature file."""

    version: Any
    dataset: Any
    ids: list[str]
    modalities: dict[str, Rows]


class Damaged(Exception):
    """A file that is not what it should be; the message says why."""


class Locked(Exception):
    """A file that another process has open to write."""


def read_file(
    path: str | os.PathLike[str], modalities: Sequence[str] | None = None, *, rows: bool = True
) -> Stored:
    """Read a feature file.

    Args:
        path: the file.
        modalities: of which to read; those that it lacks are left out. None is all there are.
        rows: whether to read features and ids, and not attributes alone.

    Raises:
        Damaged: it is no HDF5 file, or what it holds is of another form, is elsewhere, is more than
            `limits.current()` allows, or crashes the library.
        Locked: another process has it open.
    """
    asked = {
        "path": os.path.abspath(path),
        "modalities": list(MODALITIES if modalities is None else modalities),
        "rows": rows,
        "limits": dataclasses.asdict(current()),
    }
    seconds = _SECONDS + _SECONDS_A_BYTE * pathlib.Path(path).stat().st_size
    with _reader.answering(seconds) as process:
        to, of = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        to.write(json.dumps(asked).encode() + b"\n")
        to.flush()
        said = json.loads(of.readline())
        found = {
            name: Rows(
                _received(of, one["shape"], one["dtype"]),
                _received(of, one["shape"][:1], "bool"),
                one["attributes"],
            )
            for name, one in said.get("modalities", {}).items()
        }
        if of.readline() != _CLOSED:
            raise EOFError
        if "refused" in said:
            raise (Locked if said["is_locked"] else Damaged)(said["refused"])
        return Stored(said["version"], said["dataset"], said["ids"], found)


class _Reader:
    """The process that reads; another one after it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    @contextlib.contextmanager
    def answering(self, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            process = self._begun()
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                yield process
            except (Damaged, Locked):
                raise
            except MemoryError as error:
                self._ended(process, seconds)
                raise Damaged("more numbers than there is memory for") from error
            except (BrokenPipeError, EOFError, json.JSONDecodeError) as error:
                timer.cancel()
                raise Damaged(self._ended(process, seconds)) from error
            except BaseException:  # it may have more to say than was heard
                self._ended(process, seconds)
                raise
            finally:
                timer.cancel()

    def _begun(self) -> subprocess.Popen[bytes]:
        is_there = self._process is not None and self._process.poll() is None
        if self._process is None or not is_there or self._owner != os.getpid():
            package = str(pathlib.Path(__file__).parents[2])
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import answer; answer()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is the parent's; the end of its input is its own
            )
            self._owner = os.getpid()
        return self._process

    def close(self) -> None:
        """End the process, if there is one and it is this one's."""
        if self._process is not None and self._owner == os.getpid():
            self._ended(self._process, 0)

    def _ended(self, process: subprocess.Popen[bytes], seconds: float) -> str:
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process = None
        if status == -9:
            return f"a file that could not be read within {seconds:.0f} s"
        return f"a file that the HDF5 library crashes on (status {status})"


_reader = _Reader()
atexit.register(_reader.close)


def _received(pipe: IO[bytes], shape: Sequence[int], dtype: str) -> np.ndarray:
    array = np.empty(shape, dtype)
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    while len(view):
        count = pipe.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]
    return array


def answer() -> None:
    """The reading process: answer until there is nothing more to read."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        hold(Limits(**asked["limits"]))
        _answer(asked, out)
        out.write(_CLOSED)
        out.flush()


def _answer(asked: dict[str, Any], out: IO[bytes]) -> None:
    """One file. What goes wrong after the first numbers were sent ends the process."""
    import h5py

    is_told = False
    try:
        with h5py.File(asked["path"], "r") as file:
            said, tables = _described(file, asked["modalities"], asked["rows"])
            blocks = [_blocks(table) for table in tables]
            firsts = [next(each, b"") for each in blocks]  # checks what can be checked early
            out.write(json.dumps(said).encode() + b"\n")
            is_told = True
            for first, rest in zip(firsts, blocks, strict=True):
                out.write(first)
                for block in rest:
                    out.write(block)
    # h5py raises whatever the library's words remind it of.
    except Exception as error:
        if is_told:
            raise
        refused = "too little memory for it" if isinstance(error, MemoryError) else told(error)
        is_locked = isinstance(error, BlockingIOError)
        out.write(json.dumps({"refused": refused, "is_locked": is_locked}).encode() + b"\n")


def _described(
    file: h5py.File, names: Sequence[str], with_rows: bool
) -> tuple[dict[str, Any], list[h5py.Dataset]]:
    """What the file says of itself, and the tables to send, all of them checked."""
    said: dict[str, Any] = {
        "version": _attribute(file, "schema_version"),
        "dataset": _attribute(file, "dataset"),
        "ids": [],
        "modalities": {},
    }
    tables: list[h5py.Dataset] = []
    for name in MODALITIES:
        if name not in file or name not in names:
            continue
        group = _part(file, name, "Group")
        attributes = {key: str(_attribute(group, key) or "") for key in ATTRIBUTES}
        shape, dtype = (0, 0), "float32"
        if with_rows:
            features, present = _part(group, "features"), _part(group, "present")
            _check_tables(features, present, name)
            shape, dtype = features.shape, features.dtype.name
            tables += [features, present]
        said["modalities"][name] = {"shape": shape, "dtype": dtype, "attributes": attributes}
    if with_rows:
        said["ids"] = _ids(_part(file, "item_ids"))
        for name, one in said["modalities"].items():
            if one["shape"][0] != len(said["ids"]):
                raise Damaged(f"{name} of {one['shape'][0]:,} rows and {len(said['ids']):,} ids")
    return said, tables


def _part(group: h5py.Group, name: str, kind: str = "Dataset") -> Any:
    """What lies in the group itself: a link to elsewhere is not followed."""
    import h5py

    if name not in group:
        raise Damaged(f"no {name} in {group.name}")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise Damaged(f"{name} in {group.name} that is a link to elsewhere")
    found = group[name]
    if type(found).__name__ != kind:
        raise Damaged(f"{name} in {group.name} that is a {type(found).__name__.lower()}")
    if kind == "Dataset" and (found.external or found.is_virtual):
        raise Damaged(f"{name} in {group.name} that lies in another file")
    return found


def _check_tables(features: h5py.Dataset, present: h5py.Dataset, name: str) -> None:
    limits = current()
    if features.ndim != 2 or not 0 < features.shape[1] <= limits.max_dim:
        raise Damaged(
            f"{name} features {list(features.shape or ())}, where [items, dim] is right, with at "
            f"most {limits.max_dim:,} dimensions (see --max-dim)"
        )
    if (size := features.shape[0] * features.shape[1] * features.dtype.itemsize) > limits.max_bytes:
        raise Damaged(f"{size:,} bytes of {name} features (see --max-bytes)")
    if features.dtype not in _TYPES:
        raise Damaged(f"{name} features of {features.dtype}, where float16 or float32 is right")
    if present.shape != features.shape[:1] or present.dtype != np.bool_:
        raise Damaged(
            f"`present` of {name} as {list(present.shape or ())} {present.dtype}, where "
            f"[{features.shape[0]:,}] bool is right"
        )


def _ids(table: h5py.Dataset) -> list[str]:
    limits = current()
    if table.ndim != 1 or table.shape[0] > limits.max_rows:
        raise Damaged(f"item_ids {list(table.shape or ())}")
    longest = 4 * limits.max_id_length  # bytes
    if table.dtype.kind == "S" and table.dtype.itemsize > longest:
        raise Damaged(f"ids of {table.dtype.itemsize:,} bytes each (see --max-id-length)")
    ids: list[str] = []
    step = max(1, _BLOCK // max(table.dtype.itemsize, longest))
    for start in range(0, table.shape[0], step):
        block = table.asstr()[start : start + step].tolist()
        if any(len(each) > limits.max_id_length for each in block):
            raise Damaged(
                f"an id of more than {limits.max_id_length:,} characters (see --max-id-length)"
            )
        ids += block
    return ids


def _blocks(table: h5py.Dataset) -> Iterator[bytes]:
    width = max(1, table.dtype.itemsize * int(np.prod(table.shape[1:])))
    step = max(1, _BLOCK // width)
    for start in range(0, table.shape[0], step):
        yield np.ascontiguousarray(table[start : start + step]).tobytes()


def _attribute(group: Any, name: str) -> Any:
    """A number or text, None if there is none of the name."""
    if name not in group.attrs:
        return None
    size = group.attrs.get_id(name).get_storage_size()
    if size > _LONGEST_ATTRIBUTE:
        raise Damaged(f"{size:,} bytes of {name}")
    value = group.attrs[name]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        value.encode()  # half a character is none
    if not isinstance(value, str | int | float) or len(str(value)) > _LONGEST_ATTRIBUTE:
        raise Damaged(f"{name} that is no text and no number")
    return value
