"""What gives answers away in samples of others, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

THINK = "<think>"


class Prompted(NamedTuple):
    """A sample as it was found, by raw ids."""

    user: str
    history: list[str]
    target: str
    candidates: list[str]
    has_thoughts: bool  # in its prompt


class Thought(NamedTuple):
    """Reasoning as it was found."""

    line: int  # of train.tsv, by which it is kept
    user: str | None  # in that line
    text: str
    target: str | None  # the target's title that its writer was shown; None if it was not


def findings(
    train: Sequence[Prompted],
    test: Sequence[Prompted],
    thoughts: Sequence[Thought],
    sequences: Mapping[str, list[str]],
    titles: Mapping[str, str],
    repeated_users: int,
) -> list[str]:
    """What was counted, a line each, also where there is nothing.

    Args:
        train: samples of the training log.
        test: samples to be judged by.
        thoughts: reasoning about the training log.
        sequences: items of each user in the training log.
        titles: by item.
        repeated_users: lines of the training log whose user had one before.
    """
    return [
        *_shared(train, test, len(titles)),
        _seen(test, sequences),
        f"reasoning of training in test prompts: {sum(each.has_thoughts for each in test):,} of "
        f"{len(test):,}",
        *_reasoning(train, thoughts),
        _duplicates([*train, *test], titles, repeated_users),
    ]


def lacking(shown: Sequence[str], candidates: Sequence[str], target: str) -> float:
    """HR@1 of choosing the candidate that a user's training prompt lacked; ties by equal shares."""
    new = [each for each in candidates if each not in set(shown)] or list(candidates)
    return new.count(target) / len(new)


def _shared(train: Sequence[Prompted], test: Sequence[Prompted], num_items: int) -> list[str]:
    before = {each.user: each for each in train}
    pairs = [(before[each.user], each) for each in test if each.user in before]
    if not pairs:
        return ["candidates of training and test: no user has both"]
    shared = [len({*a.candidates} & {*b.candidates}) for a, b in pairs]
    width = np.mean([len(b.candidates) for _, b in pairs])
    same = [a.candidates.index(a.target) == b.candidates.index(b.target) for a, b in pairs]
    rule = [lacking(a.candidates, b.candidates, b.target) for a, b in pairs]
    return [
        f"candidates that training and test of a user share: {np.mean(shared):.2f} of {width:.0f}, "
        f"{width * width / max(num_items, 1):.2f} by chance",
        f"target at the same place in training and test: {np.mean(same):.1%}, "
        f"{1 / width:.1%} by chance",
        f"choosing the candidate that the training prompt lacked: HR@1 {np.mean(rule):.3f}, "
        f"{1 / width:.3f} by chance",
    ]


def _seen(test: Sequence[Prompted], sequences: Mapping[str, list[str]]) -> str:
    count = sum(
        bool(({*each.candidates} - {each.target}) & {*sequences[each.user]}) for each in test
    )
    return f"test prompts with a negative that the user has in training: {count:,} of {len(test):,}"


def _reasoning(train: Sequence[Prompted], thoughts: Sequence[Thought]) -> list[str]:
    told = [each for each in thoughts if each.target is not None]
    named = [each for each in told if each.target and each.target in each.text]
    empty = [each for each in thoughts if not each.text.strip()]
    other = [
        each
        for each in thoughts
        if each.line >= len(train) or each.line < 0 or train[each.line].user != each.user
    ]
    total = f"of {len(thoughts):,}"
    return [
        f"reasoning whose writer was shown the target: {len(told):,} {total}, "
        f"{len(named):,} name it",
        f"reasoning that stands at another user's sample, for it is kept by line: "
        f"{len(other):,} {total}",
        f"reasoning that is empty: {len(empty):,} {total}",
    ]


def _duplicates(samples: Sequence[Prompted], titles: Mapping[str, str], repeated: int) -> str:
    twice = sum(len({*each.candidates}) < len(each.candidates) for each in samples)
    same = len(titles) - len({*titles.values()})
    unknown = len({raw for each in samples for raw in each.candidates} - {*titles})
    return (
        f"duplicates: {twice:,} lists with a candidate twice, {same:,} items with another's title, "
        f"{repeated:,} users on several lines; {unknown:,} candidates without a title"
    )
