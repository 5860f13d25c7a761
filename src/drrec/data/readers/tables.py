"""Logs that are no delimited text: JSON lines, and Parquet."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import itertools
import json
import logging
from typing import TYPE_CHECKING, Any

from drrec.data.engine import Refused, literal, quoted, refusals
from drrec.data.readers import lines
from drrec.data.readers.checks import short
from drrec.data.readers.columns import described, recognised
from drrec.data.readers.opened import (
    BROKEN,
    check_rows,
    damaged,
    is_plain,
    measured,
    opened,
    unreadable,
)
from drrec.data.readers.staged import NUMBERS
from drrec.errors import InputError, told
from drrec.limits import current

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Sequence

    from drrec.data.config import LogConfig
    from drrec.data.readers.columns import Columns
    from drrec.data.readers.staged import Staged

logger = logging.getLogger(__name__)


def read_json_lines(path: pathlib.Path, config: LogConfig, log: Staged) -> None:
    """Append the rows of a file with a JSON object in each line.

    Raises:
        InputError: a line is none, or the columns are not found.
    """
    copy = None if is_plain(path) else log.scratch / f"{len(log)}.unpacked"
    num_rows = measured(path, copy=copy).num_lines
    check_rows(num_rows, path)
    with contextlib.suppress(Refused):
        if _append_json(path, copy or path, num_rows, config, log):
            return
    _append_json_exactly(path, config, log)


def _append_json(
    path: pathlib.Path, plain: pathlib.Path, num_rows: int, config: LogConfig, log: Staged
) -> bool:
    """Whether each line was an object, and all are appended."""
    rows = (
        "read_ndjson_objects(?, compression = 'none', hive_partitioning = false, "
        f"maximum_object_size = {min(current().max_line, 1 << 24)})"
    )
    objects = f"SELECT count(*) FROM {rows} WHERE json_type(json) = 'OBJECT'"
    names = f"SELECT DISTINCT unnest(json_keys(json)) AS name FROM {rows} ORDER BY name"
    with refusals():
        if log.connection.execute(objects, [literal(plain)]).fetchall() != [(num_rows,)]:
            return False
        header = [name for (name,) in log.connection.execute(names, [literal(plain)]).fetchall()]
    columns = _recognised(path, header, config)
    chosen = {
        name: f"json_extract_string(json, {quoted(_pointer(header[place]))})"
        for name, place in columns.places().items()
    }
    where = functools.partial(_line_of, path)
    log.add(str(path), rows, chosen, where, [literal(plain)], columns.kind)
    return True


def _append_json_exactly(path: pathlib.Path, config: LogConfig, log: Staged) -> None:
    header = list(dict.fromkeys(name for _, row in _objects(path) for name in row))
    if not header:
        raise lines.no_rows(path)
    columns = _recognised(path, header, config)
    places = columns.places()
    copy = log.scratch / f"{len(log)}.exact"
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for _, row in _objects(path):
            writer.writerow([_text(row.get(header[place])) for place in places.values()])
    names = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in places)
    source = (
        f"read_csv(?, columns = {{{names}}}, auto_detect = false, header = false, delim = ',', "
        f"""quote = '"', escape = '"', new_line = '\\n', compression = 'none')"""
    )
    chosen = {name: f'"{name}"' for name in places}
    where = functools.partial(_line_of, path)
    log.add(str(path), source, chosen, where, [str(copy)], columns.kind)
    copy.unlink()


def _objects(path: pathlib.Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file, each with the number of its line."""
    try:
        with io.TextIOWrapper(opened(path), encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    if "\\u" in line:
                        json.dumps(row, ensure_ascii=False).encode()  # half a character is none
                except (ValueError, RecursionError):
                    row = None
                if not isinstance(row, dict):
                    raise InputError(
                        f"Expected a JSON object in line {number} of {path}. Received: "
                        f"{short(line.strip())}. Mend or remove that line."
                    )
                yield number, row
    except OSError as error:
        raise unreadable(path, error) from error
    except (*BROKEN, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _line_of(path: pathlib.Path, row: int) -> str:
    number, _ = next(itertools.islice(_objects(path), row, None))
    return f"line {number} of {path}"


def _pointer(name: str) -> str:
    """Where JSON has a value, as RFC 6901 writes it."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def read_parquet(path: pathlib.Path, config: LogConfig, log: Staged) -> None:
    """Append the rows of a Parquet file.

    Raises:
        InputError: the file is damaged or too large, or the columns are not found.
    """
    import duckdb

    name = [literal(path)]
    query = log.connection.execute
    groups = "SELECT DISTINCT row_group_id, row_group_bytes FROM parquet_metadata(?)"
    try:
        num_rows = query("SELECT num_rows FROM parquet_file_metadata(?)", name).fetchall()[0][0]
        check_rows(num_rows, path)
        size = sum(size for _, size in query(groups, name).fetchall())
        if size > current().max_bytes:
            raise InputError(
                f"Expected at most {current().max_bytes:,} bytes in {path}. Received: "
                f"{size:,}. Pass --max-bytes if that is meant."
            )
        if num_rows < 1:
            raise lines.no_rows(path)
        rows = "read_parquet(?, hive_partitioning = false)"
        fields = query(f"DESCRIBE SELECT * FROM {rows}", name).fetchall()
        columns = _recognised(path, [field[0] for field in fields], config)
        chosen = {
            each: _as_read(
                each, f'"{fields[place][0].replace(chr(34), chr(34) * 2)}"', str(fields[place][1])
            )
            for each, place in columns.places().items()
        }
        log.add(str(path), rows, chosen, lambda row: f"row {row + 1} of {path}", name, columns.kind)
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, Refused) as error:
        raise InputError(
            f"Expected a Parquet file at {path}. Received: {told(error)}. Get it again."
        ) from error


def _as_read(column: str, name: str, type_: str) -> str:
    """An expression of a column: text, or the numbers and times that it holds."""
    is_time = type_.startswith(("TIMESTAMP", "DATE"))
    if column == "timestamp" and is_time:
        return f"{name}::TIMESTAMP"
    if column in NUMBERS and not is_time and type_ != "VARCHAR":
        return f"{name}::DOUBLE"
    return f"{name}::VARCHAR"


def _recognised(path: pathlib.Path, header: Sequence[str], config: LogConfig) -> Columns:
    columns = recognised(header, config, f"the columns of {path}")
    logger.info("%s: %s", path, described(columns, header))
    return columns
