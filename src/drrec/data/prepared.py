"""Prepared folders: a log of any size as Parquet, with ids as numbers, read column by column."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.engine import engine, literal, quoted
from drrec.data.ids import IdMap
from drrec.data.interactions import Interactions
from drrec.data.logs import understood
from drrec.data.published.prepare import made_alike, not_as_made
from drrec.data.readers import files
from drrec.data.readers.checks import are_sound
from drrec.data.readers.staged import staging
from drrec.data.scale import RatingScale
from drrec.data.split import SplitConfig, parts_of
from drrec.data.thinning import core, last_of_pairs
from drrec.errors import InputError, told
from drrec.files import scratch_folder, whole_folder, write_json
from drrec.locks import held
from drrec.reading import conform, read_json

if TYPE_CHECKING:
    import pathlib

    import duckdb

    from drrec.data.interactions import Repeats
    from drrec.data.logs import Log
    from drrec.data.published.config import PrepareConfig
    from drrec.data.rows import Columns

logger = logging.getLogger(__name__)

LOG = "log"
"""What `run.py data` calls a log of one's own."""

RECORD = "prepared.json"
VERSION = 1
USERS, ITEMS, ROWS = "users.parquet", "items.parquet", "rows"

_BLOCK = 1 << 20
_VECTORS = 256
"""Of 2,048 rows each, that are read at a time."""
_FILE = 1 << 23
"""Rows of a Parquet file."""
_TYPES = {
    "user": ("INTEGER", np.int32),
    "item": ("INTEGER", np.int32),
    "rating": ("FLOAT", np.float32),
    "timestamp": ("BIGINT", np.int64),
    "session": ("INTEGER", np.int32),
    "weight": ("FLOAT", np.float32),
    "part": ("TINYINT", np.int8),
}
_NEEDED = ("user", "item", "rating", "timestamp")


def is_prepared(folder: pathlib.Path) -> bool:
    """Whether a folder was made by `prepare_log`."""
    return (folder / USERS).is_file() and (folder / RECORD).is_file()


def prepare_log(
    config: PrepareConfig, log_config: LogConfig, data_dir: pathlib.Path
) -> pathlib.Path:
    """Make `<data_dir>/<config.to>` of a log of one's own; whole or not at all.

    Of two processes that make one the second waits. What does not fit into `limits.max_memory`
    goes to temporary files.

    Returns:
        The folder.

    Raises:
        InputError: there is no such file or row, nothing is left, or the folder is there and was
            made otherwise.
    """
    found_at, found = _checked(config)
    folder = data_dir / (config.to or files.name_of(found_at))
    kept = ("repeats", "min_user", "min_item", "split")
    settings = {
        "name": LOG,
        "files": [[file.name, file.stat().st_size] for file in found],
        **{name: getattr(config, name) for name in kept},
        **dataclasses.asdict(log_config),
    }
    with held(folder, f"{folder.name} in {data_dir}", wait=True):
        if folder.exists():
            made = _record(folder) if (folder / RECORD).exists() else {}
            return made_alike(folder, made, settings)
        with scratch_folder() as scratch, whole_folder(folder) as side:
            with staging(str(found_at), found, scratch) as raw:
                for file in found:
                    files.read(file, log_config, raw)
                log = understood(raw, log_config)
                columns, words = log.rows.mapped(config.repeats, scratch), log.words(config.repeats)
            with engine(scratch, made=side) as connection:  # with the memory of the one before
                record = _write(connection, log, columns, words, config, side)
            write_json(side / RECORD, {"version": VERSION, "settings": settings, **record})
    logger.info("%s: %s", folder, record)
    return folder


def _checked(config: PrepareConfig) -> tuple[pathlib.Path, list[pathlib.Path]]:
    """Where the log is, and its files.

    Raises:
        InputError: there are none, or a flag is for published data sets alone.
    """
    if config.source is None:
        raise InputError(
            f"Expected `--from` and a file, a folder or a pattern such as 'logs/*.parquet', with "
            f"{LOG}. Received: none of them."
        )
    others = {"file": None, "item": "artist", "session_gap": 30.0, "bad_rows": None}
    for name, default in others.items():
        if getattr(config, name) != default:
            flag = name.replace("_", "-")
            raise InputError(
                f"Expected no --{flag} with {LOG}. Received: {getattr(config, name)}. Leave it out."
            )
    return config.source, files.found(config.source)


def _write(
    connection: duckdb.DuckDBPyConnection,
    log: Log,
    columns: Columns,
    words: Columns,
    config: PrepareConfig,
    folder: pathlib.Path,
) -> dict[str, Any]:
    """Write all but the record, which is returned."""
    least = config.min_user or 0, config.min_item or 0
    sizes, has_repeats = (len(log.users), len(log.items)), config.repeats == "keep"
    columns, has_user, has_item = core(columns, sizes, least, has_repeats=has_repeats)
    if np.count_nonzero(has_user) < 2:
        raise InputError(
            f"Expected two users or more with {least[0]} items, and items with {least[1]} users. "
            f"Received: {np.count_nonzero(has_user)}. Pass a lower `--min-user` or `--min-item`."
        )
    items = log.items[has_item]
    part = columns.pop("part", None)
    interactions = Interactions(
        **columns,
        users=IdMap(log.users[has_user], "user"),
        items=IdMap(np.concatenate([np.array([""], object), items]), "item"),
    )
    if config.split:
        part = parts_of(interactions, SplitConfig(strategy=config.split), part)
    (folder / ROWS).mkdir()
    for number, start in enumerate(range(0, len(interactions), _FILE)):
        piece = columns if part is None else columns | {"part": part}
        piece = {name: np.asarray(each[start : start + _FILE]) for name, each in piece.items()}
        _write_parquet(connection, piece, folder / ROWS / f"{number:05}.parquet")
    _write_parquet(connection, {"id": interactions.users.raw}, folder / USERS)
    named = {name: each[1:][has_item] for name, each in words.items()}
    _write_parquet(connection, {"id": items, **named}, folder / ITEMS)
    return {
        "rows_read": len(log.raw),
        "rows": len(interactions),
        "users": interactions.num_users,
        "items": len(items),
        "scale": None if log.scale is None else list(dataclasses.astuple(log.scale)),
    }


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, columns: Columns, path: pathlib.Path
) -> None:
    connection.register("given", columns)
    chosen = ", ".join(
        f"{name}::{_TYPES[name][0] if name in _TYPES else 'VARCHAR'} AS {name}" for name in columns
    )
    target = quoted(str(path.resolve()))
    connection.execute(f"COPY (SELECT {chosen} FROM given) TO {target} (FORMAT parquet)")
    connection.unregister("given")


def load(
    folder: pathlib.Path, repeats: Repeats | None = None, config: LogConfig | None = None
) -> Dataset:
    """Read a folder that `prepare_log` has made, into 20 bytes a row.

    Args:
        folder: the folder.
        repeats: whether to keep repeated rows; None as the folder was made.
        config: must say nothing, as columns and ratings were understood when the log was prepared.

    Raises:
        InputError: a file is missing, or not as it was made, or repeats are asked for of a folder
            without.
    """
    import duckdb

    if config not in (None, LogConfig()):
        raise InputError(
            f"Expected no flags of columns or ratings with {folder}, which is prepared. Received: "
            "some. Pass them to `run.py data log`."
        )
    record = _record(folder)
    made = record["settings"]["repeats"]
    if repeats == "keep" and made == "drop":
        raise not_as_made(folder, "one without repeats, where they are to be kept")
    rows = sorted((folder / ROWS).glob("*.parquet"))
    places = [*rows, folder / USERS, folder / ITEMS]
    if missing := [place for place in places if not place.is_file()]:
        raise not_as_made(folder, f"no {missing[0].name}")
    try:
        with scratch_folder() as scratch, engine(scratch, places) as connection:
            users = _texts(connection, folder / USERS, ("id",), record["users"])
            items = _texts(connection, folder / ITEMS, ("id", "titles", "genres"), record["items"])
            columns = _columns(connection, rows, record)
    except (duckdb.Error, ValueError) as error:
        received = told(error)
        raise not_as_made(folder, received) from error
    parts = columns.pop("part", None)
    log = Interactions(
        **columns,
        users=IdMap(users["id"][1:], "user"),
        items=IdMap(items["id"], "item"),
    )
    _check(log, parts, folder)
    scale = RatingScale(*record["scale"]) if record["scale"] else None
    titles = items.get("titles", np.full(log.num_items, "", dtype=object))
    genres = items.get("genres", np.empty(0, object))
    dataset = Dataset(folder.resolve().name, log, titles, genres, parts=parts, scale=scale)
    if repeats == "drop" and made == "keep":
        keep = last_of_pairs(log.user, log.item)
        left = None if parts is None else parts[keep]
        dataset = dataclasses.replace(dataset, interactions=log.where(keep), parts=left)
    return dataset


def _record(folder: pathlib.Path) -> dict[str, Any]:
    number = {"rows": int, "users": int, "items": int, "version": int}
    declared = {"settings": {"repeats": str}, "scale": (list, None), **number}
    try:
        record = read_json(folder / RECORD, declared)
        conform(record["scale"] or [], [float], f"{folder / RECORD}, scale")
    except InputError as error:
        raise not_as_made(folder, str(error)) from error
    if record["version"] != VERSION or (record["scale"] and len(record["scale"]) != 3):
        raise not_as_made(folder, f"version {record['version']}")
    return dict(record)


def _texts(
    connection: duckdb.DuckDBPyConnection, path: pathlib.Path, known: tuple[str, ...], size: int
) -> dict[str, np.ndarray]:
    """Columns of text, "" before them."""
    names = _described(connection, [path])
    if set(names.values()) != {"VARCHAR"} or not {"id"} <= set(names) <= set(known):
        raise ValueError(f"the columns {', '.join(names)} in {path.name}")
    chosen = ", ".join(f"coalesce({name}, '') AS {name}" for name in names)
    query = f"SELECT {chosen} FROM read_parquet(?)"
    found = connection.execute(query, [literal(path)]).fetchnumpy()
    if any(len(each) != size for each in found.values()):
        raise ValueError(f"other rows than {size:,} in {path.name}")
    ids = set(found["id"].tolist())
    if len(ids) != size or "" in ids:
        raise ValueError(f"ids that are empty or repeated in {path.name}")
    return {
        name: np.concatenate([np.array([""], object), np.asarray(each, object)])
        for name, each in found.items()
    }


def _columns(
    connection: duckdb.DuckDBPyConnection, rows: list[pathlib.Path], record: dict[str, Any]
) -> Columns:
    names = _described(connection, rows)
    expected = {name: _TYPES[name][0] for name in names if name in _TYPES}
    if names != expected or not set(_NEEDED) <= set(names):
        raise ValueError(f"the columns {', '.join(names)} in {ROWS}")
    files = [[literal(path) for path in rows]]
    (size,) = connection.execute("SELECT count(*) FROM read_parquet(?)", files).fetchall()[0]
    if size != record["rows"]:
        raise ValueError(f"{size:,} rows where {record['rows']:,} were written")
    columns: Columns = {name: np.empty(size, _TYPES[name][1]) for name in names}
    result = connection.execute("SELECT * FROM read_parquet(?)", files)
    end = 0
    while len(frame := result.fetch_df_chunk(_VECTORS)):
        for name, column in columns.items():
            values = frame[name].to_numpy()
            if values.dtype != column.dtype:  # NULL makes them others
                raise ValueError(f"an empty {name}")
            column[end : end + len(frame)] = values
        end += len(frame)
    if end != size:
        raise ValueError(f"{end:,} rows of {size:,}")
    return columns


def _described(connection: duckdb.DuckDBPyConnection, paths: list[pathlib.Path]) -> dict[str, str]:
    query = "DESCRIBE SELECT * FROM read_parquet(?)"
    fields = connection.execute(query, [[literal(path) for path in paths]]).fetchall()
    return {name: str(type_) for name, type_, *_ in fields}


def _check(log: Interactions, parts: np.ndarray | None, folder: pathlib.Path) -> None:
    """See that rows are in their order, and values in range."""
    for start in range(0, len(log), _BLOCK):
        piece = slice(start, start + _BLOCK + 1)  # with the first row of the next
        user, item, time = (each[piece] for each in (log.user, log.item, log.timestamp))
        steps = np.diff(user)
        is_sound = (
            are_sound(log.rating[piece], time)
            and bool((user >= 0).all() and (user < log.num_users).all())
            and bool((item > 0).all() and (item < log.num_items).all())
            and bool((steps >= 0).all() and ((np.diff(time) >= 0) | (steps > 0)).all())
            and bool(parts is None or np.isin(parts[piece], (0, 1, 2)).all())
        )
        if not is_sound:
            raise not_as_made(folder, f"a value out of range near row {start:,}")
