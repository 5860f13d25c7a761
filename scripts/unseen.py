"""Logs that no default was chosen on, each trained with `--auto`: `bash scripts/unseen.sh`.

Sparse parts of MovieLens-100K, three made-up logs of different kinds, and, with `--log`, halves of
a log of your own: each is written as a file, tuned and trained as a user would, and set beside the
best baseline, which is tuned with the same budget. Nothing is chosen here by hand.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import tyro

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
from drrec.data.datasets import load_dataset  # noqa: E402

BASELINES = "random,popularity,item_knn,ease,bpr,rules"

Rows = tuple[np.ndarray, np.ndarray]
"""Users and items, each user's in the order of time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unseen:
    """Train on logs that nobody has tuned for, and tell how the agent does."""

    minutes: float = 2.0
    """Budget of tuning for the agent, and for each baseline."""
    only: str = ""
    """Logs to take, joined by commas; '' is all."""
    log: str = ""
    """A data set of yours to halve by users, a name or a path; '' is none."""
    seed: int = 0
    """Of the logs."""
    out: pathlib.Path = pathlib.Path("unseen")
    """Folder of the logs and the runs."""


def main(options: Unseen) -> int:
    """Print a table, a row a log."""
    makers = {
        "ml-1-percent": lambda rng: thinned(load_dataset("ml-100k", ROOT / "data"), 0.16, rng),
        "ml-0.2-percent": lambda rng: thinned(load_dataset("ml-100k", ROOT / "data"), 0.032, rng),
        "factors": low_rank,
        "topics": topics,
        "chains": chains,
    }
    if options.log:
        for half in (0, 1):
            makers[f"half-{half}"] = lambda rng, half=half: halved(options.log, half, rng)
    chosen = options.only.split(",") if options.only else list(makers)
    options.out.mkdir(parents=True, exist_ok=True)
    say("| log | rows | density | ddpg | best baseline | difference | p |")
    say("|---|---|---|---|---|---|---|")
    for name in chosen:
        users, items = makers[name](np.random.default_rng([options.seed, *name.encode()]))
        path = options.out / f"{name}.csv"
        write(path, users, items)
        say(row_of(name, users, items, trained(path, options)))
    return 0


def thinned(data, share: float, rng: np.random.Generator) -> Rows:
    """A random part of a log's ratings, what was watched alone."""
    log = data.interactions
    kept = rng.random(len(log)) < share
    return log.user[kept], log.item[kept]


def halved(name: str, half: int, rng: np.random.Generator) -> Rows:
    """The users of one half."""
    log = load_dataset(name, ROOT / "data").interactions
    is_first = np.random.default_rng(0).permutation(log.num_users) < log.num_users // 2
    kept = is_first[log.user] == (half == 0)
    return log.user[kept], log.item[kept]


def low_rank(rng: np.random.Generator, users: int = 3000, items: int = 2500) -> Rows:
    """Tastes of eight factors, and a long tail of popularity; about seven items a user."""
    taste, trait = rng.normal(size=(users, 8)), rng.normal(size=(items, 8))
    fame = -0.8 * np.log(rng.permutation(items) + 10)
    wish = 0.7 * taste @ trait.T + fame + rng.gumbel(size=(users, items))
    return _best(wish, rng.poisson(5, users) + 3)


def topics(rng: np.random.Generator, users: int = 3000, items: int = 2000) -> Rows:
    """Thirty topics of items; each user has two, and one item in four is of any."""
    topic, fame = rng.integers(0, 30, items), -0.6 * np.log(rng.permutation(items) + 5)
    own = rng.integers(0, 30, (users, 2))
    is_own = (topic == own[:, :1]) | (topic == own[:, 1:])
    wish = np.where(is_own, 4.0, 0.0) + fame + rng.gumbel(size=(users, items))
    return _best(wish, rng.poisson(8, users) + 3)


def chains(rng: np.random.Generator, users: int = 2000, items: int = 1000) -> Rows:
    """One item leads to another: of five successors of the last one, or a new start."""
    after = rng.integers(0, items, (items, 5))
    fame = rng.dirichlet(np.full(items, 0.3))
    rows: list[tuple[int, int]] = []
    for user in range(users):
        seen: list[int] = []
        for _ in range(int(rng.poisson(12)) + 4):
            starts = not seen or rng.random() < 0.3
            item = int(rng.choice(items, p=fame) if starts else rng.choice(after[seen[-1]]))
            if item not in seen:
                seen.append(item)
        rows += [(user, item) for item in seen]
    columns = np.array(rows)
    return columns[:, 0], columns[:, 1]


def _best(wish: np.ndarray, count: np.ndarray) -> Rows:
    """Each user's `count` best items, the best first."""
    order = np.argsort(-wish, axis=1)[:, : count.max()]
    kept = np.arange(order.shape[1]) < count[:, None]
    return np.nonzero(kept)[0], order[kept]


def write(path: pathlib.Path, users: np.ndarray, items: np.ndarray) -> None:
    """A log without ratings, a second a row, as somebody's own."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp"])
        rows = zip(users.tolist(), items.tolist(), range(len(users)), strict=True)
        writer.writerows((f"u{user}", f"i{item}", 10**9 + time) for user, item, time in rows)


def trained(path: pathlib.Path, options: Unseen) -> dict:
    """`metrics.json` of a run with `--auto` on the log, by leave one out."""
    command = [sys.executable, str(ROOT / "run.py"), "train", "--dataset", str(path)]
    command += ["--name", path.stem, "--split", "leave_one_out"]
    command += ["--auto", "--auto-minutes", str(options.minutes)]
    command += ["--baselines", BASELINES, "--runs-dir", str(options.out), "--gpu", "-1"]
    said = path.with_suffix(".txt")
    with said.open("w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{path.stem} failed with status {done.returncode}: see {said}")
    return json.loads((options.out / "save_model" / path.stem / "metrics.json").read_text())


def row_of(name: str, users: np.ndarray, items: np.ndarray, content: dict) -> str:
    """A line of the table, by NDCG@10 over the whole catalogue."""
    found = content["protocols"]["full"]
    agent = found["ddpg"]["ndcg@10"]
    best = agent["versus"]
    density = len(users) / (len(set(users.tolist())) * len(set(items.tolist())))
    level = found[best]["ndcg@10"]["mean"]
    log = f"| {name} | {len(users):,} | {density:.2%} |"
    rank = f"{agent['mean']:.3f} | {best} {level:.3f} | {agent['mean'] - level:+.3f}"
    return f"{log} {rank} | {agent['p_value']:.3f} |"


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Unseen)))
