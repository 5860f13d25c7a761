"""Takes over samples in the layout of MLLMRec-R1 (arXiv 2603.06243), and says what leaks in them.

train.tsv, test.tsv                              a user, a tab, the items in order
<name>_titles.csv                                item, title
processed/<split>_generate_seed…_neg<N>….json    prompts with their target and candidates
<name>_…cot.json                                 reasoning by the line of train.tsv
"""

from __future__ import annotations

import csv
import hashlib
import io
import pathlib
import re
from typing import NamedTuple

import numpy as np

from drrec.data.readers import lines
from drrec.errors import InputError, shown
from drrec.files import made_folder, write_text
from drrec.llm.leaks import THINK, Prompted, Thought, findings
from drrec.llm.samples import Sample, TrainingLog
from drrec.llm.wall import Requests, write_requests
from drrec.reading import read_json

_SAMPLES = [{"prompt": str, "target_id": str, "candidates": [str]}]
_THOUGHTS = [{"line_idx": int, "reasoning": str}]
_LISTED = re.compile(r"^\d+\. \[ITEM_([^\]]+)\]", re.MULTILINE)
"""An item of the history in a prompt; candidates have no numbers."""


class Imported(NamedTuple):
    """A training log, samples of both splits in its ids, and what leaks."""

    log: TrainingLog
    users: list[str]  # raw ids by dense id
    items: list[str]  # raw ids by dense id, "" for padding
    train: list[Sample]
    test: list[Sample]
    test_users: list[int]
    findings: list[str]

    @property
    def requests(self) -> Requests:
        """The samples of the test, to be scored."""
        length = max(len(each.history) for each in self.test)
        history = np.zeros((len(self.test), length), np.int32)
        for row, sample in zip(history, self.test, strict=True):
            row[length - len(sample.history) :] = sample.history
        candidates = np.array([each.candidates for each in self.test], np.int32)
        return Requests(self.log.fingerprint, history, candidates, self.log.titles)


class _Rows(NamedTuple):
    """Users of a file, each with the items in order."""

    users: list[str]
    items: list[list[str]]


def import_samples(folder: pathlib.Path, negatives: int) -> Imported:
    """Read the samples with so many negatives.

    Args:
        folder: in the layout above.
        negatives: candidates beside the target.

    Raises:
        InputError: a file is missing or damaged, or samples are not those of the users in order.
    """
    titles = _titles(folder)
    rows = {split: _rows(folder / f"{split}.tsv") for split in ("train", "test")}
    samples = {split: _samples(folder, split, negatives, rows[split]) for split in rows}
    users = list(dict.fromkeys(rows["train"].users))
    named = [each.candidates + each.history for split in samples.values() for each in split]
    every = [*rows["train"].items, *named]
    items = list(dict.fromkeys(["", *titles, *(raw for some in every for raw in some)]))
    dense = {raw: number for number, raw in enumerate(items)}
    sequences = dict(zip(rows["train"].users, rows["train"].items, strict=True))
    log = _log(users, items, sequences, titles)
    made = {split: [_sample(each, dense, folder) for each in samples[split]] for split in samples}
    number = {raw: at for at, raw in enumerate(users)}
    if unknown := [each.user for each in samples["test"] if each.user not in number]:
        raise InputError(
            f"Expected users of train.tsv in {folder / 'test.tsv'}. Received: "
            f"{shown(unknown[0])}. Get both of the same data."
        )
    thoughts = _thoughts(folder, rows["train"].users)
    repeated = len(rows["train"].users) - len(users)
    found = findings(samples["train"], samples["test"], thoughts, sequences, titles, repeated)
    test_users = [number[each.user] for each in samples["test"]]
    return Imported(log, users, items, made["train"], made["test"], test_users, found)


def write_imported(imported: Imported, folder: pathlib.Path) -> None:
    """Write `log.csv`, a data set that every command reads, and `requests.npz` of the test.

    The last row of each user in the data set is the test's target.
    """
    made_folder(folder)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "item", "timestamp", "title"])
    targets = {
        user: int(sample.candidates[sample.place])
        for user, sample in zip(imported.test_users, imported.test, strict=True)
    }
    for user, raw in enumerate(imported.users):
        own = [*imported.log.sequence(user).tolist(), *([targets[user]] if user in targets else [])]
        for at, item in enumerate(dict.fromkeys(own)):
            writer.writerow([raw, imported.items[item], at, imported.log.titles[item]])
    write_text(folder / "log.csv", text.getvalue())
    write_requests(folder / "requests.npz", imported.requests)


def _titles(folder: pathlib.Path) -> dict[str, str]:
    path = _only(folder, "*_titles.csv")
    _, rows = lines.small_table(path)
    if rows and len(rows[0].fields) < 2:
        raise InputError(f"Expected columns of items and titles in {path}. Received: one column.")
    return {row.fields[0].strip(): row.fields[1].strip() for row in rows}


def _rows(path: pathlib.Path) -> _Rows:
    if not path.is_file():
        raise InputError(f"Expected users and items in {path}. Received: nothing there.")
    users, items = [], []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"Expected UTF-8 in {path}. Received: {error.reason}.") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        user, separator, sequence = line.partition("\t")
        if not separator or not user.strip() or not sequence.split():
            raise InputError(
                f"Expected a user, a tab and items in line {number} of {path}. Received: "
                f"{shown(line, 60)}. Mend that line."
            )
        users.append(user.strip())
        items.append(sequence.split())
    return _Rows(users, items)


def _samples(folder: pathlib.Path, split: str, negatives: int, rows: _Rows) -> list[Prompted]:
    """The samples of a split, with the users that they are of."""
    path = _only(folder, f"processed/{split}_generate_*_neg{negatives}[._]*json")
    read = read_json(path, _SAMPLES)
    chosen = [_LISTED.findall(each["prompt"].partition(THINK)[0]) for each in read]
    least = max(map(len, chosen), default=0) + 1
    some = [number for number, own in enumerate(rows.items) if len(own) >= least]
    asked = [[*own, each["target_id"]] for own, each in zip(chosen, read, strict=True)]
    if read and [rows.items[number][-least:] for number in some] == asked:
        return [
            Prompted(
                rows.users[n], own, one["target_id"], one["candidates"], THINK in one["prompt"]
            )
            for n, own, one in zip(some, chosen, read, strict=True)
        ]
    raise InputError(
        f"Expected samples of the users of {split}.tsv, in order, in {path}. Received: "
        f"{len(read):,} samples of others. Get both of the same data."
    )


def _thoughts(folder: pathlib.Path, users: list[str]) -> list[Thought]:
    if not list(folder.glob("*cot.json")):
        return []
    path = _only(folder, "*cot.json")
    made = []
    for each in read_json(path, _THOUGHTS):
        target = each.get("target_item")
        title = str(target.get("title", "")) if isinstance(target, dict) else None
        at = each["line_idx"]
        line_user = users[at] if 0 <= at < len(users) else None
        made.append(Thought(at, line_user, each["reasoning"], title))
    return made


def _only(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    """The first by name of the files of a pattern: without reasoning before with it."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise InputError(
            f"Expected {pattern} in {folder}, as MLLMRec-R1 writes it. Received: nothing there. "
            "Name its data/<data set> folder: --source; and its number of candidates: --negatives."
        )
    return found[0]


def _log(
    users: list[str], items: list[str], sequences: dict[str, list[str]], titles: dict[str, str]
) -> TrainingLog:
    dense = {raw: number for number, raw in enumerate(items)}
    own = [np.array([dense[raw] for raw in sequences[user]], np.int32) for user in users]
    item = np.concatenate(own)
    offsets = np.cumsum([0, *map(len, own)])
    digest = hashlib.sha256(offsets.astype("<i8").tobytes() + item.astype("<i4").tobytes())
    words = np.array([titles.get(raw, "") for raw in items], object)
    return TrainingLog(digest.hexdigest(), offsets, item, words)


def _sample(each: Prompted, dense: dict[str, int], folder: pathlib.Path) -> Sample:
    if each.target not in each.candidates:
        raise InputError(
            f"Expected each target among its candidates in {folder / 'processed'}. Received: "
            f"{shown(each.target)} of user {shown(each.user)} is not."
        )
    history = np.array([dense[raw] for raw in each.history], np.int32)
    candidates = np.array([dense[raw] for raw in each.candidates], np.int32)
    return Sample(history, candidates, each.candidates.index(each.target))
