"""Writes RecBole's atomic files: `<name>.inter` and `<name>.item`, with typed columns and tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from drrec.data.published.layout import RawLog, Words

_CHUNK = 200_000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Kept(NamedTuple):
    """The rows to write, in their order; ids as numbers of the raw log."""

    user: np.ndarray  # [R] int32
    item: np.ndarray  # [R] int32
    rating: np.ndarray  # [R] float32
    milliseconds: np.ndarray  # [R] int64, since 1970
    session: np.ndarray | None = None  # [R] int32
    part: np.ndarray | None = None  # [R] int8 of `data.strategies`

    def where(self, keep: np.ndarray | slice) -> Kept:
        """The rows for which `keep [R]` is True, or of a slice."""
        columns = {name: column for name, column in self._asdict().items() if column is not None}
        return Kept(**{name: column[keep] for name, column in columns.items()})


def ids(numbers: Mapping[str, int], used: np.ndarray) -> set[str]:
    """The raw ids whose numbers are `used [R]`."""
    raw = np.array(list(numbers), object)
    return set(raw[np.unique(used)].tolist())


def write_inter(
    path: pathlib.Path, raw: RawLog, kept: Kept, *, is_rated: bool, is_timed: bool
) -> None:
    """Write the rows, a piece at a time; times in whole seconds."""
    users, items = (np.array(list(numbers), object) for numbers in (raw.users, raw.items))
    names = ["user_id:token", "item_id:token"]
    names += ["timestamp:float"] if is_timed else []
    names += ["rating:float"] if is_rated else []
    names += ["session_id:token"] if kept.session is not None else []
    names += ["x_label:float"] if kept.part is not None else []
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(names) + "\n")
        for start in range(0, len(kept.user), _CHUNK):
            piece = kept.where(slice(start, start + _CHUNK))
            columns = [users[piece.user].tolist(), items[piece.item].tolist()]
            if is_timed:
                columns.append(_texts(piece.milliseconds // 1000))
            if is_rated:
                columns.append(piece.rating.astype(str).tolist())
            if piece.session is not None:
                columns.append(_texts(piece.session))
            if piece.part is not None:
                columns.append(_texts(piece.part))
            file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def write_items(path: pathlib.Path, raw: RawLog, kept: Kept, words: Mapping[str, Words]) -> None:
    """Write titles and genres of the items in `kept`, "" where there are none."""
    items = list(raw.items)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("item_id:token\ttitle:token_seq\tgenres:token_seq\n")
        for number in np.unique(kept.item).tolist():
            found = words.get(items[number])
            title = found.title if found else raw.titles.get(number, "")
            file.write(f"{items[number]}\t{_plain(title)}\t{_joined(found)}\n")


def _texts(numbers: np.ndarray) -> list[str]:
    return list(map(str, numbers.tolist()))


def _joined(words: Words | None) -> str:
    """Genres with `|` after each, as one of two words would else be read as two."""
    names = [_plain(name).replace("|", "/") for name in words.genres] if words else []
    return "".join(f"{name}|" for name in names if name)


def _plain(text: str) -> str:
    # Control characters would break lines; half a character, which JSON may hold, is no UTF-8.
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
