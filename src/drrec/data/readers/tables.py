"""Logs that are no delimited text: JSON lines, and Parquet."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from drrec.data.config import LogConfig
from drrec.data.logs import LogFrame
from drrec.data.readers import lines
from drrec.data.readers.checks import short
from drrec.data.readers.columns import described, recognised
from drrec.data.readers.opened import (
    BROKEN,
    check_rows,
    damaged,
    measured,
    opened,
    unreadable,
)
from drrec.errors import InputError, told
from drrec.limits import current

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

_BROKEN = (
    *(OSError, MemoryError, ArithmeticError, ValueError, LookupError, TypeError),
    *(RuntimeError, AttributeError),
)

logger = logging.getLogger(__name__)


def read_json_lines(path: pathlib.Path, config: LogConfig) -> LogFrame:
    """Read a file with a JSON object in each line.

    Raises:
        InputError: a line is none, or the columns are not found.
    """
    check_rows(measured(path).num_lines, path)
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
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
                rows.append(row)
                numbers.append(number)
    except OSError as error:
        raise unreadable(path, error) from error
    except (*BROKEN, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    if not rows:
        raise lines.no_rows(path)
    header = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in header}
    frame = pd.DataFrame(columns, dtype=object)
    return _log_of(path, frame, config, lambda row: f"line {numbers[row]} of {path}")


def read_parquet(path: pathlib.Path, config: LogConfig) -> LogFrame:
    """Read a Parquet file, by pyarrow.

    Raises:
        InputError: pyarrow is not there, the file is damaged, or the columns are not found.
    """
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"Expected pyarrow, to read {path}. Received: none. Install it: pip install pyarrow."
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            said = file.metadata
            check_rows(said.num_rows, path)
            groups = range(said.num_row_groups)
            size = sum(said.row_group(each).total_byte_size for each in groups)
            if size > current().max_bytes:
                raise InputError(
                    f"Expected at most {current().max_bytes:,} bytes in {path}. Received: "
                    f"{size:,}. Pass --max-bytes if that is meant."
                )
            frame = file.read().to_pandas()
    except InputError:
        raise
    except (*_BROKEN, pyarrow.lib.ArrowException) as error:
        raise InputError(
            f"Expected a Parquet file at {path}. Received: {told(error)}. Get it again."
        ) from error
    if frame.empty:
        raise lines.no_rows(path)
    return _log_of(path, frame, config, lambda row: f"row {row + 1} of {path}")


def _log_of(path: pathlib.Path, frame: pd.DataFrame, config: LogConfig, where: Any) -> LogFrame:
    header: Sequence[str] = [str(name) for name in frame.columns]
    columns = recognised(header, config, f"the columns of {path}")
    logger.info("%s: %s", path, described(columns, header))
    chosen = {name: frame.iloc[:, place] for name, place in columns.places().items()}
    return LogFrame(pd.DataFrame(chosen), str(path), where, columns.kind)
