"""Speed and memory of serving, on a saved model of any size that was never trained.

python scripts/benchmark_serving.py model --num-users 100000 --num-items 10000 --out big.drrec
python scripts/benchmark_serving.py lists --model big.drrec --out lists.parquet
python scripts/benchmark_serving.py queries --model big.drrec
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import resource
import sys
import time
from typing import Any, Literal

import numpy as np
import tyro

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

DIM = 33
LENGTH = 10
RATINGS_EACH = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """Write a saved DDPG agent whose vectors are drawn around those of a trained one."""

    out: pathlib.Path
    """File to write."""
    num_users: int = 100_000
    """U, number of users."""
    num_items: int = 10_000
    """Number of items."""
    like: pathlib.Path | None = None
    """Saved agent whose vectors and weights are enlarged; None draws Gaussians."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lists:
    """Time the lists of all users."""

    model: pathlib.Path
    """Saved model."""
    out: pathlib.Path
    """A .csv, .jsonl or .parquet file to write."""
    top_k: int = 10
    """K."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Queries:
    """Time single queries of users with a session of three items."""

    model: pathlib.Path
    """Saved model."""
    num_queries: int = 2_000
    """How many queries."""
    top_k: int = 10
    """K."""
    retrieval: Literal["auto", "exact", "faiss"] = "auto"
    """How the best items are found."""


def make(asked: Model) -> dict[str, Any]:
    """Write the model."""
    from drrec.agents.ddpg import DDPG
    from drrec.data.ids import IdMap, as_text
    from drrec.embeddings.table import Levels
    from drrec.known import Known
    from drrec.saving import load

    random = np.random.default_rng(0)
    sizes = (asked.num_users, asked.num_items + 1)
    if asked.like is None:
        user, item = (random.normal(0, 0.3, (n, DIM)).astype(np.float32) for n in sizes)
        agent: Any = DDPG(state_size=LENGTH)
        weights = _drawn(agent, user, item, random)
        levels: Any = Levels(0.5, -0.5, 0.1)
    else:
        agent = load(asked.like)
        own = agent.state()
        user, item = (
            _enlarged(own[name], n, random)
            for name, n in zip(("user_vectors", "item_vectors"), sizes, strict=True)
        )
        weights, levels = own["weights"], own["levels"]
    item[0] = 0
    counts = np.full(asked.num_users, min(RATINGS_EACH, asked.num_items))
    seen = 1 + random.integers(0, asked.num_items, counts.sum())
    known = Known(
        users=IdMap(as_text(list(range(asked.num_users))), "user"),
        items=IdMap(as_text(["", *range(1, asked.num_items + 1)]), "item"),
        titles=as_text(["", *(f"Item {n}" for n in range(1, asked.num_items + 1))]),
        offsets=np.concatenate([[0], counts.cumsum()]),
        item=seen.astype(np.int32),
        history=seen.reshape(asked.num_users, -1)[:, : agent.history_length].astype(np.int32),
        liked_rating=4.5,
        disliked_rating=2.0,
    )
    parts = {"user_vectors": user, "item_vectors": item, "weights": weights, "levels": levels}
    agent.restore(parts | {"proposals": None, "proposer": None, "known": known})
    agent.save(asked.out)
    return {"model": str(asked.out), "bytes": asked.out.stat().st_size}


def _drawn(
    agent: Any, user: np.ndarray, item: np.ndarray, random: np.random.Generator
) -> dict[str, np.ndarray]:
    from drrec.agents.policy import Policy

    start = Policy.build(agent.config, user[:1], item[:1], agent.history_length).weights()
    return {
        name: random.normal(0, 0.1, each.shape).astype(np.float32) for name, each in start.items()
    }


def _enlarged(vectors: np.ndarray, size: int, random: np.random.Generator) -> np.ndarray:
    """[size, D] rows of `vectors` but the first, each with noise of a third of their spread."""
    rows = vectors[random.integers(1, len(vectors), size)]
    noise = random.normal(0, vectors[1:].std(axis=0) / 3, rows.shape)
    return (rows + noise).astype(np.float32)


def measure_lists(asked: Lists) -> dict[str, Any]:
    """Wall and processor time of reading the model and writing all lists."""
    start, cpu = time.perf_counter(), time.process_time()
    from drrec.bulk import write_lists
    from drrec.serving.engine import Engine

    engine = Engine.load(asked.model)
    loaded = time.perf_counter() - start
    rows = write_lists(engine.recommender, engine.users.raw.tolist(), asked.out, asked.top_k)
    return {
        "rows": rows,
        "load_seconds": round(loaded, 2),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_rss_mb": _peak(),
    }


def measure_queries(asked: Queries) -> dict[str, Any]:
    """Milliseconds of one query, and the memory of the process."""
    start = time.perf_counter()
    from drrec.serving.engine import Engine
    from drrec.serving.queries import Query

    engine = Engine.load(asked.model, retrieval=asked.retrieval)
    ready = time.perf_counter() - start
    random = np.random.default_rng(0)
    users = engine.users.raw[random.integers(0, len(engine.users), asked.num_queries)]
    shown = engine.items.raw[1 + random.integers(0, engine.num_items, (asked.num_queries, 3))]
    wall, cpu = [], []
    for user, items in zip(users.tolist(), shown.tolist(), strict=True):
        query = Query(user=user, session=[(item, 1.0) for item in items])
        began = time.perf_counter(), time.process_time()
        engine.recommend([query], asked.top_k)
        wall.append(1000 * (time.perf_counter() - began[0]))
        cpu.append(1000 * (time.process_time() - began[1]))
    return {
        "ready_seconds": round(ready, 2),
        "p50_ms, p99_ms": np.percentile(wall, [50, 99]).round(3).tolist(),
        "cpu p50_ms, p99_ms": np.percentile(cpu, [50, 99]).round(3).tolist(),
        "recall": round(getattr(engine.searcher, "recall", 1.0), 4),
        "peak_rss_mb": _peak(),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Do what is asked and print one JSON object."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asked: Any = tyro.cli(Model | Lists | Queries)
    work: dict[type, Any] = {Model: make, Lists: measure_lists, Queries: measure_queries}
    sys.stdout.write(json.dumps(work[type(asked)](asked)) + "\n")


if __name__ == "__main__":
    main()
