"""Small files in the forms that data sets are published in, and what pandas makes of them."""

from __future__ import annotations

import gzip
import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from drrec.data.dataset import Dataset

LASTFM = "userid-timestamp-artid-artname-traid-traname.tsv"


def write(path: pathlib.Path, text: str | bytes) -> pathlib.Path:
    """Write a file, compressed if its name says so."""
    content = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def json_lines(objects: list[dict[str, Any]]) -> str:
    """One object a line."""
    return "".join(json.dumps(values) + "\n" for values in objects)


def events(num_rows: int, seed: int = 0, num_users: int = 12, num_items: int = 15) -> pd.DataFrame:
    """Rows with repeated pairs and equal times; columns user, item, rating, seconds."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": rng.integers(0, num_users, num_rows),
            "item": rng.zipf(1.3, num_rows) % num_items,
            "rating": rng.integers(1, 6, num_rows).astype(float),
            "seconds": 1_300_000_000 + rng.integers(0, 40, num_rows) * 600,
        }
    )
    frame["user"] = [f"AUSER{user:09}" for user in frame["user"]]
    frame["item"] = [f"B0ITEM{item:04}" for item in frame["item"]]
    return frame


def thinned(frame: pd.DataFrame, repeats: str, min_user: int, min_item: int) -> pd.DataFrame:
    """What is to be left of `events`, in the order of a log, by pandas alone."""
    left = frame.sort_values(["user", "seconds"], kind="stable")
    if repeats == "drop":
        left = left.drop_duplicates(["user", "item"], keep="last")
    while True:
        of_user = left.groupby("user")["item"].transform("nunique")
        of_item = left.groupby("item")["user"].transform("nunique")
        keep = (of_user >= min_user) & (of_item >= min_item)
        if keep.all():
            return left.reset_index(drop=True)
        left = left[keep]


def as_frame(dataset: Dataset) -> pd.DataFrame:
    """A data set's rows with raw ids."""
    log = dataset.interactions
    return pd.DataFrame(
        {
            "user": log.users.raw[log.user].astype(object),
            "item": log.items.raw[log.item].astype(object),
            "rating": log.rating.astype(float),
            "seconds": log.timestamp,
        }
    )


def same(dataset: Dataset, expected: pd.DataFrame) -> None:
    """Assert that a data set has just these rows in this order."""
    columns = ["user", "item", "rating", "seconds"]
    assert as_frame(dataset).to_numpy().tolist() == expected[columns].to_numpy().tolist()


def coat(train: np.ndarray, test: np.ndarray, types: list[int] | None = None) -> dict[str, str]:
    """Coat's files: ratings [U', I'] from 0 to 5, and the jacket type from 1 to 16 of each item."""
    files = {"train.ascii": _matrix(train), "test.ascii": _matrix(test)}
    if types is not None:
        marks = np.zeros((len(types), 33), int)
        marks[:, [0, 20, 32]] = 1  # whose it is, its colour, and that it is not on the front page
        marks[np.arange(len(types)), 1 + np.array(types)] = 1
        files["user_item_features/item_features.ascii"] = _matrix(marks)
    return files


def kuairec(
    big: pd.DataFrame, small: pd.DataFrame, categories: dict[int, list[int]]
) -> dict[str, str]:
    """KuaiRec's files, from frames with columns user, item, ratio and seconds, and categories."""
    listed = {"video_id": list(categories), "feat": [str(each) for each in categories.values()]}
    return {
        "big_matrix.csv": _views(big),
        "small_matrix.csv": _views(small),
        "item_categories.csv": pd.DataFrame(listed).to_csv(index=False),
    }


def full_matrix(seed: int, num_users: int, num_items: int) -> np.ndarray:
    """[U', I'] what every user feels about every item, of two traits: above 0, mostly near 1."""
    rng = np.random.default_rng(seed)
    taste, trait = rng.normal(size=(num_users, 2)), rng.normal(size=(2, num_items))
    return np.exp(0.4 * (taste @ trait + rng.normal(size=(num_users, num_items))))


def views(feelings: np.ndarray, seed: int, share: float) -> pd.DataFrame:
    """A share of a full matrix, as `kuairec` takes it; some rows lack a time."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random(feelings.shape) < share)
    seconds = 1_593_878_903 + rng.integers(0, 10**6, len(user)) + 0.438
    seconds[rng.random(len(user)) < 0.1] = np.nan
    columns = {"user": user, "item": item, "ratio": feelings[user, item], "seconds": seconds}
    return pd.DataFrame(columns)


def _matrix(numbers: np.ndarray) -> str:
    return "".join(" ".join(map(str, row)) + "\n" for row in numbers.tolist())


def _views(frame: pd.DataFrame) -> str:
    dated = frame["seconds"].map(lambda s: "" if np.isnan(s) else "2020-07-05 00:08:23.438")
    columns = {
        "user_id": frame["user"],
        "video_id": frame["item"],
        "play_duration": (frame["ratio"] * 10_867).astype(int),
        "video_duration": 10_867,
        "time": dated,
        "date": dated.map(lambda text: "20200705.0" if text else ""),
        "timestamp": frame["seconds"],
        "watch_ratio": frame["ratio"],
    }
    return pd.DataFrame(columns).to_csv(index=False)
