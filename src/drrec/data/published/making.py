"""A published log from its files to atomic files, by DuckDB within the memory that is allowed."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.data.engine import engine
from drrec.data.ids import as_text
from drrec.data.published.atomic import Words, write_inter, write_items
from drrec.data.published.layout import Fault
from drrec.data.published.reading import read_lines
from drrec.data.readers.checks import cut_short
from drrec.data.readers.lines import header
from drrec.data.rows import Rows
from drrec.data.strategies import TEST, TRAIN, VALIDATION
from drrec.data.thinning import core
from drrec.data.times import Times
from drrec.errors import InputError
from drrec.files import scratch_folder, whole_folder, write_json

if TYPE_CHECKING:
    import pathlib

    import duckdb

    from drrec.data.published.config import PrepareConfig
    from drrec.data.published.layout import Published
    from drrec.data.published.reading import Lines
    from drrec.data.published.sql import Form
    from drrec.data.rows import Columns

logger = logging.getLogger(__name__)

VALIDATION_SHARE = 0.1
"""Of the training ratings of a data set with a test part of its own, drawn at random."""

RECORD = "prepared.json"
"""What a prepared folder was made of and how."""

_MATRIX = """
SELECT *, 0::BIGINT AS milliseconds, '' AS title FROM (
    SELECT line, user, unnest(range(len(ratings)))::VARCHAR AS item,
    unnest(ratings)::DOUBLE AS rating FROM ({})
) WHERE rating <> 0"""


def make(
    folder: pathlib.Path,
    published: Published,
    config: PrepareConfig,
    settings: dict[str, Any],
    log: pathlib.Path,
) -> None:
    """Make a folder of a log and what is beside it; whole or not at all.

    Raises:
        InputError: a file is cut short or missing, a row malformed, or no row is left.
    """
    logger.info("reading %s", log)
    files = [log, log.with_name(published.test)] if published.test else [log]
    source = published.words(log) if published.words else None
    if source and not source.path.is_file():
        logger.warning("No titles: there is no %s; see %s", source.path, published.page)
        source = None
    bad_rows = settings["bad_rows"]
    with scratch_folder() as scratch, whole_folder(folder) as side:
        with engine(scratch, [*files, *([source.path] if source else [])]) as connection:
            lines = [
                read_lines(connection, file, _form(published, config, file), scratch, bad_rows)
                for file in files
            ]
            _check_whole(connection, lines, published)
            _number(connection, lines, published)
            named = source and read_lines(connection, *source, scratch, bad_rows)
            users, items, words = _ids(connection, named)
            columns = _sorted(connection, published, settings, scratch)
        record = {
            "rows_read": sum(each.num_read for each in lines),
            "rows_skipped": sum(each.num_skipped for each in lines),
            "first_skipped": next((each.first_skipped for each in lines if each.num_skipped), ""),
            "users_read": len(users),
            "items_read": len(items),
        }
        columns, has_user, has_item = _kept(columns, (len(users), len(items)), settings)
        users, items = users[has_user], items[has_item]
        with engine(scratch, made=side) as connection:  # with the memory of the one before
            padded = np.concatenate([as_text([""]), items])
            left = {"rating": published.is_rated, "timestamp": published.is_timed}
            written = {name: each for name, each in columns.items() if left.get(name, True)}
            write_inter(connection, side / f"{folder.name}.inter", written, users, padded)
        write_items(side / f"{folder.name}.item", items, itertools.compress(words, has_item))
        record |= {"rows": len(columns["user"]), "users": len(users), "items": len(items)}
        write_json(side / RECORD, {"settings": settings, **record})
    logger.info("%s: %s", folder, record)


def _form(published: Published, config: PrepareConfig, path: pathlib.Path) -> Form:
    first = header(path)
    try:
        return published.layout(first.text, config)
    except Fault as fault:
        raise InputError(
            f"{fault} in line {first.line} of {path}. Get the file again, or name another by "
            "`--file`."
        ) from fault


def _check_whole(
    connection: duckdb.DuckDBPyConnection, lines: list[Lines], published: Published
) -> None:
    for each in lines:
        if each.is_ended or not published.is_timed:
            continue
        last = f"(SELECT max(line) FROM ({each.rows}))"
        query = f"SELECT min(milliseconds) FILTER (line < {last}), arg_max(milliseconds, line)"
        (times,) = connection.execute(f"{query} FROM ({each.rows})").fetchall()
        is_cut = None not in times and cut_short(np.array(times) // 1000)
        if published.is_ended or is_cut:
            received = "a timestamp with fewer digits than all before it, and no line end"
            raise InputError(
                f"Expected a whole last row in {each.path}. Received: "
                f"{'no line end' if published.is_ended else received}: the file is cut short. "
                "Get it again."
            )
    if published.is_matrix:
        sizes = [
            (each.num_read + each.num_skipped, len(header(each.path).text.split()))
            for each in lines
        ]
        if len(set(sizes)) > 1:
            received = ", ".join(f"{num_rows} x {width}" for num_rows, width in sizes)
            raise InputError(
                f"Expected matrices of one size in {' and '.join(str(e.path) for e in lines)}. "
                f"Received: {received}. Get them again."
            )


def _number(
    connection: duckdb.DuckDBPyConnection, lines: list[Lines], published: Published
) -> None:
    """Make the tables `user_ids` and `item_ids`, and the view `log` that `Rows` reads."""
    queries = [_MATRIX.format(each.rows) if published.is_matrix else each.rows for each in lines]
    parts = [
        f"SELECT *, {part} AS part, ({at << 40} + line) AS row FROM ({rows})"
        for at, (part, rows) in enumerate(zip((TRAIN, TEST), queries, strict=False))
    ]
    connection.execute(f"CREATE VIEW raw AS {' UNION ALL BY NAME '.join(parts)}")
    for kind in ("user", "item"):
        title = "arg_min(title, row) FILTER (title <> '')" if kind == "item" else "''"
        connection.execute(
            f"CREATE TABLE {kind}_ids AS SELECT *, (row_number() OVER (ORDER BY first) - 1)::INT "
            f"AS number FROM (SELECT {kind} AS text, min(row) AS first, {title} AS title FROM raw "
            "GROUP BY 1)"
        )
    log = (
        "SELECT user_ids.number AS user, item_ids.number AS item, milliseconds::DOUBLE AS rank, "
        "row, rating AS amount, part FROM raw "
        "JOIN user_ids ON user_ids.text = raw.user JOIN item_ids ON item_ids.text = raw.item"
    )
    if published.test:  # no pair that tests is trained on
        same = "tested.user = others.user AND tested.item = others.item"
        tested = f"SELECT 1 FROM ({log}) AS tested WHERE part = {TEST} AND {same}"
        log = f"SELECT * FROM ({log}) AS others WHERE part = {TEST} OR NOT EXISTS ({tested})"
    connection.execute(f"CREATE VIEW log AS {log}")


def _ids(
    connection: duckdb.DuckDBPyConnection, named: Lines | None
) -> tuple[np.ndarray, np.ndarray, list[Words]]:
    """The ids of users [U] and of items [I], in the order in which they came; words of items."""
    query = "SELECT text, title FROM {}_ids ORDER BY number"
    users, items = (connection.execute(query.format(kind)).fetchall() for kind in ("user", "item"))
    words = [Words(title or "", ()) for _, title in items]
    if named:
        query = (
            "SELECT number, arg_max({'title': words.title, 'genres': genres}, line) FROM "
            f"({named.rows}) AS words JOIN item_ids ON text = item GROUP BY 1"
        )
        for number, found in connection.execute(query).fetchall():
            words[number] = Words(**found)
    return as_text([user for user, _ in users]), as_text([item for item, _ in items]), words


def _sorted(
    connection: duckdb.DuckDBPyConnection,
    published: Published,
    settings: dict[str, Any],
    scratch: pathlib.Path,
) -> Columns:
    """All rows by user, then time, then line, in files of a folder."""
    rows = Rows(
        connection,
        0,
        names={"part"} if published.test else set(),
        times=Times("milliseconds", 1000, ""),
        order="row",
        stars=(lambda rating: rating) if published.is_rated else None,
        session_gap=settings["session_gap"] if published.has_sessions else None,
    )
    return rows.mapped(settings["repeats"], scratch)


def _kept(
    columns: Columns, sizes: tuple[int, int], settings: dict[str, Any]
) -> tuple[Columns, np.ndarray, np.ndarray]:
    """The rows of the k-core, some of them for validation; [U] and [I] bool who is in it."""
    least, has_repeats = (settings["min_user"], settings["min_item"]), settings["repeats"] == "keep"
    has_user = has_item = np.empty(0, bool)
    if columns:
        columns, has_user, has_item = core(columns, sizes, least, has_repeats=has_repeats)
    if not has_user.any():
        raise InputError(
            f"Expected users with {least[0]} items and items with {least[1]} users. Received: "
            "none that have. Pass a lower `--min-user` or `--min-item`."
        )
    if (part := columns.get("part")) is not None:
        is_drawn = np.random.default_rng(0).random(len(part)) < VALIDATION_SHARE
        part[is_drawn & (part == TRAIN)] = VALIDATION
    return columns, has_user, has_item
