"""What items are called in prompts and answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drrec.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

ITEM = "[ITEM_{}]"
"""How prompts and answers name an item by its dense id."""

_NAMED = re.compile(r"\[ITEM_(\d{1,12})\]")
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


def checked_titles(titles: np.ndarray, *, number_repeated: bool = False) -> list[str]:
    """[I] titles that tell items apart.

    Args:
        titles: [I], the first of padding.
        number_repeated: whether to tell items of one title apart by (2), (3), … behind it.

    Raises:
        InputError: an item has no title, or two have the same one.
    """
    words = [" ".join(str(title).split()) for title in titles.tolist()]
    if missing := [item for item in range(1, len(words)) if not words[item]]:
        raise InputError(
            f"Expected a title for each item. Received: none for {len(missing):,} items, the first "
            f"of them item {missing[0]}. Add titles to the data set, or use --model small."
        )
    seen: dict[str, int] = {}
    for item in range(1, len(words)):
        title = words[item]
        seen[title] = seen.get(title, 0) + 1
        if seen[title] > 1 and not number_repeated:
            raise InputError(
                f"Expected a title of its own for each item. Received: {shown(title)} twice. "
                "Mend the titles, or pass --number-titles, which appends (2), (3) and so on."
            )
        if seen[title] > 1:
            words[item] = f"{title} ({seen[title]})"
    return words


def spoken(item: int, title: str) -> str:
    """An item in the form `[ITEM_id] title`; without a title, the name alone."""
    return f"{ITEM.format(item)} {title}".rstrip()


def named_items(answer: str, titles: Sequence[str], candidates: np.ndarray) -> list[int]:
    """What an answer names, in order: dense ids, 0 for what is no candidate.

    What stands in `<think>…</think>` before the answer is no part of it. An item counts by its name
    and title together: a candidate's name before another title is no candidate.

    Args:
        answer: text of a model.
        titles: [I] by dense id; "" where the name alone is the answer.
        candidates: [C] the items that may be named.
    """
    answer = without_thoughts(answer)
    may = {int(item) for item in candidates if item}
    parts = _NAMED.split(answer)
    found = []
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        item = int(number)
        is_candidate = item in may and _same(text.strip().split("\n")[0], titles[item])
        found.append(item if is_candidate else 0)
    return found


def without_thoughts(answer: str) -> str:
    """An answer without what stands in `<think>…</think>`; "" where a thought has no end."""
    answer = _THOUGHT.sub("", answer)
    return "" if "<think>" in answer else answer


def distinct(items: Sequence[int], count: int) -> list[int]:
    """The first `count` different candidates of what an answer names."""
    return [item for item in dict.fromkeys(items) if item][:count]


def _same(text: str, title: str) -> bool:
    return not title or re.sub(r"\W+", " ", text).strip().casefold() == (
        re.sub(r"\W+", " ", title).strip().casefold()
    )
