"""Search in titles: without case and accents, prefixes of words first, popular items first."""

from __future__ import annotations

import bisect
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.types import PADDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drrec.known import Known

_MOST_FOUND = 2_000
"""Matches that are ranked; those are of the most popular items."""


class Titled(NamedTuple):
    """An item that was found."""

    item: str
    title: str  # "" where unknown


class TitleIndex:
    """All titles as one text, which is searched at the speed of `str.find`.

    An item without a title is found by its raw id.
    """

    def __init__(self, known: Known) -> None:
        """Over the catalogue; items with more rows in the log stand first."""
        self._known = known
        count = np.bincount(known.item, minlength=len(known.items))
        count[PADDING] = -1
        self._order = np.argsort(-count, kind="stable")[:-1].tolist()  # dense ids
        titles, raw = known.titles.tolist(), known.items.raw.tolist()
        lines = [plain(str(titles[item] or raw[item])) for item in self._order]
        self._text = "".join(f"\n {line} " for line in lines)
        # Where each line starts, and where the text ends.
        self._starts = np.cumsum([0, *(len(line) + 3 for line in lines)]).tolist()

    def search(self, text: str, k: int) -> list[Titled]:
        """The K items whose titles fit best.

        A title fits if each word of the text begins one of its words; better if the text begins
        the title, and best if it is the title. Then come titles that hold the text anywhere.
        """
        asked = plain(text)
        if not asked:
            return []
        words = asked.split()
        longest = max(words, key=len)
        best = {place: self._fit(place, asked, words) for place in self._lines(f" {longest}")}
        found = sorted((fit, place) for place, fit in best.items() if fit is not None)
        places = [place for _, place in found[:k]]
        if len(places) < k:
            inside = sorted(set(self._lines(asked)) - set(places))
            places += inside[: k - len(places)]
        return [self._titled(place) for place in places]

    def _lines(self, part: str) -> Iterator[int]:
        """Numbers of lines that hold a text, each once, in order."""
        at = self._text.find(part)
        for _ in range(_MOST_FOUND):
            if at < 0:
                return
            line = bisect.bisect_right(self._starts, at) - 1
            yield line
            at = self._text.find(part, self._starts[line + 1])

    def _fit(self, line: int, asked: str, words: list[str]) -> int | None:
        """0 is the title itself; None does not fit."""
        title = self._text[self._starts[line] + 1 : self._starts[line + 1]]
        if not all(f" {word}" in title for word in words):
            return None
        if title == f" {asked} ":
            return 0
        return 1 if title.startswith(f" {asked}") else 2

    def _titled(self, line: int) -> Titled:
        item = self._order[line]
        return Titled(str(self._known.items.raw[item]), str(self._known.titles[item]))


def plain(text: str) -> str:
    """Words in lower case without accents and punctuation, one space between two.

    Examples:
        >>> plain("Amélie, le fabuleux destin (2001)")
        'amelie le fabuleux destin 2001'
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(each for each in letters if not unicodedata.combining(each))
    return " ".join(re.findall(r"\w+", kept))
