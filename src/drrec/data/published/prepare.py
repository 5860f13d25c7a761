"""From files as they were published, got by hand, to RecBole's atomic files in `data/<name>/`."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from typing import TYPE_CHECKING, Any

from drrec.data.config import LogConfig
from drrec.data.published.amazon import AMAZON_2018, AMAZON_2023
from drrec.data.published.coat import COAT
from drrec.data.published.kuairec import KUAIREC
from drrec.data.published.lastfm import LASTFM_1K
from drrec.data.published.making import RECORD, make
from drrec.data.published.microlens import MICROLENS
from drrec.data.published.yelp import YELP
from drrec.data.readers import recbole
from drrec.errors import InputError, shown
from drrec.locks import held
from drrec.reading import read_json

if TYPE_CHECKING:
    import os

    from drrec.data.dataset import Dataset
    from drrec.data.interactions import Repeats
    from drrec.data.published.config import PrepareConfig
    from drrec.data.published.layout import Published

logger = logging.getLogger(__name__)

PUBLISHED: dict[str, Published] = {
    "lastfm-1k": LASTFM_1K,
    "amazon-2018": AMAZON_2018,
    "amazon-2023": AMAZON_2023,
    "yelp": YELP,
    "microlens": MICROLENS,
    "coat": COAT,
    "kuairec": KUAIREC,
}
"""Data sets that are got by hand, by name."""


def absent(name: str) -> InputError:
    """The error where a data set that is got by hand is not there."""
    published = PUBLISHED[name]
    return InputError(
        f"Expected {name} to have been prepared. Received: no such folder. To mend: get "
        f"{' or '.join(published.files)} from {published.page} and run "
        f"`python run.py data {name} --from <folder>`."
    )


def prepare(name: str, config: PrepareConfig, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Make `<data_dir>/<name>` of the files in `config.source`; whole or not at all.

    Of two processes that make one the second waits.

    Args:
        name: in `PUBLISHED`.
        config: what to make; its `to` names another folder.
        data_dir: where the folder goes. One that was made alike is left alone.

    Returns:
        The folder.

    Raises:
        InputError: there is no such data set, file or row, nothing is left, or the folder is there
            and was made otherwise.
    """
    if name not in PUBLISHED:
        raise InputError(
            f"Expected `--from`, and what goes with it, with one of {', '.join(PUBLISHED)}. "
            f"Received: {name}, which takes none of it: leave those flags out."
        )
    published = PUBLISHED[name]
    folder = pathlib.Path(data_dir) / (config.to or name)
    log = _log_file(name, published, config)
    settings = _settings(name, published, config, log)
    with held(folder, f"{folder.name} in {data_dir}", wait=True):
        if folder.exists():
            made = _record(folder) if (folder / RECORD).exists() else {}
            return made_alike(folder, made, settings)
        make(folder, published, config, settings, log)
    return folder


def load(
    folder: pathlib.Path, repeats: Repeats | None = None, config: LogConfig | None = None
) -> Dataset:
    """Read a folder that `prepare` has made; one without its record as RecBole's.

    Args:
        folder: with the atomic files.
        repeats: whether to keep repeated rows; None as the folder was made.
        config: how to read a folder without a record; of one with a record, what its ratings mean
            if not what is usual.

    Raises:
        InputError: a file is missing or bad or has other rows than were written, or repeats are
            asked for of a folder without.
    """
    if not (folder / RECORD).exists():
        return recbole.load(folder, repeats or "drop", config)
    record = _record(folder)
    made, num_rows = record["settings"]["repeats"], record["rows"]
    if repeats == "keep" and made == "drop":
        raise not_as_made(folder, "one without repeats, where they are to be kept")
    published = PUBLISHED.get(str(record["settings"].get("name")))
    meant = published.log if published else LogConfig()
    dataset = recbole.load(folder, repeats or made, _over(meant, config or LogConfig()))
    if repeats in (None, made) and len(dataset.interactions) != num_rows:
        found = f"{len(dataset.interactions):,} rows where {num_rows} were written"
        raise not_as_made(folder, found)
    return dataclasses.replace(dataset, is_observed=bool(published and published.test))


def _over(meant: LogConfig, asked: LogConfig) -> LogConfig:
    """`meant` but for what is asked for."""
    values = {field.name: getattr(asked, field.name) for field in dataclasses.fields(LogConfig)}
    return dataclasses.replace(meant, **{k: v for k, v in values.items() if v is not None})


def _record(folder: pathlib.Path) -> dict[str, Any]:
    try:
        record = read_json(folder / RECORD, {"settings": {"repeats": str}, "rows": int})
    except InputError as error:
        raise not_as_made(folder, str(error)) from error
    if record["settings"]["repeats"] not in ("drop", "keep"):
        raise not_as_made(folder, f"repeats {shown(record['settings']['repeats'])}")
    return record


def not_as_made(folder: pathlib.Path, received: str) -> InputError:
    """The error for a prepared folder that was changed."""
    return InputError(
        f"Expected {folder} as `python run.py data` makes it. Received: {received}. "
        "Remove it and make it again."
    )


def _log_file(name: str, published: Published, config: PrepareConfig) -> pathlib.Path:
    folder = config.source
    if folder is None:
        raise absent(name)
    wanted = config.file or " or ".join(published.files)
    if not folder.is_dir():
        raise InputError(f"Expected a folder with {wanted}. Received: {folder}, which is none.")
    patterns = (config.file,) if config.file else published.files
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    logs = sorted(path for path in found if not path.name.startswith("meta_"))
    if not logs:
        raise InputError(
            f"Expected {wanted} in {folder}. Received: no such file. Get it from {published.page}."
        )
    if len(logs) > 1:
        raise InputError(
            f"Expected one log in {folder}. Received: {', '.join(path.name for path in logs)}. "
            "Say which by `--file`."
        )
    return logs[0]


def _settings(
    name: str, published: Published, config: PrepareConfig, log: pathlib.Path
) -> dict[str, Any]:
    """All that decides what is made, defaults filled in, as the record has it."""
    given = {key: value for key, value in dataclasses.asdict(config).items() if value is not None}
    given = {key: value for key, value in given.items() if key not in ("source", "to", "split")}
    defaults = {key: getattr(published, key) for key in ("min_user", "min_item", "bad_rows")}
    only = {} if published.has_sessions else {"item": None, "session_gap": None}
    words = published.words(log) if published.words else None
    titles = words.path.name if words and words.path.is_file() else None
    own = {"name": name, "file": log.name, "bytes": log.stat().st_size, "titles": titles}
    if published.test:
        test = log.with_name(published.test)
        if not test.is_file():
            raise InputError(
                f"Expected {published.test} beside {log}. Received: no such file. Get it from "
                f"{published.page}."
            )
        own["test_bytes"] = test.stat().st_size
    return {**defaults, **given, **only, **own}


def made_alike(
    folder: pathlib.Path, record: dict[str, Any], settings: dict[str, Any]
) -> pathlib.Path:
    """A folder, if its record says that it was made with these settings.

    Raises:
        InputError: it was made with others.
    """
    made = record.get("settings", {})
    other = [key for key in settings if made.get(key) != settings[key]]
    if other:
        raise InputError(
            f"Expected {folder} to be absent, or made with the same settings. Received: one with "
            f"another {', '.join(other)}. Remove it, or name another folder by `--to`."
        )
    logger.info("%s is there already", folder)
    return folder
