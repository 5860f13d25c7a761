"""Measures recommending to many users: the part `lists` of `bash scripts/benchmark.sh`."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from typing import Any, Literal

import numpy as np
import pandas as pd

NUM_USERS = 5_000
"""Of the log, each with ten ratings: more would fit for minutes and be scored no faster."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lists:
    """Users a minute to whom an agent's top 10 are written, of a generated log."""

    users: int = 100_000
    """To whom lists are written; they are the log's 5,000 again and again."""
    items: int = 10_000
    """Of the catalogue."""
    form: Literal["csv", "jsonl", "parquet"] = "csv"
    """Of the file."""
    json: bool = False
    """Print one JSON object."""


def measure_lists(options: Lists) -> dict[str, Any]:
    """Train DDPG for a moment, and write the lists of all users."""
    import drrec
    from drrec.bulk import write_lists

    rng = np.random.default_rng(0)
    size = 10 * NUM_USERS
    columns = {
        "user": np.repeat(np.arange(NUM_USERS), 10),
        "item": rng.integers(options.items, size=size),
        "rating": rng.integers(1, 6, size),
    }
    data = drrec.Dataset.from_pandas(pd.DataFrame(columns))
    agent = drrec.DDPG(embedding="variational").fit(data, steps=64)
    with tempfile.TemporaryDirectory() as place:
        users = (agent.users * -(-options.users // NUM_USERS))[: options.users]
        started = time.perf_counter()
        rows = write_lists(agent, users, pathlib.Path(place) / f"lists.{options.form}")
        seconds = time.perf_counter() - started
    return {
        "users": options.users,
        "items": data.interactions.num_items - 1,
        "rows": rows,
        "seconds": seconds,
        "users_per_minute": 60 * options.users / seconds,
    }
