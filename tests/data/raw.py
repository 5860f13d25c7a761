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
