"""Measures what time and memory grow with: the part `scale` of `bash scripts/benchmark.sh`.

Logs are generated (`zipf.py`). Each stage of each size runs in a process of its own, so that its
peak of memory is its own; seconds are of the processor, which other work disturbs least.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from zipf import ZipfLog, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Embeddings

Axis = Literal["rows", "users", "items"]
STAGES = ("data", "embed", "loop", "evaluate", "baselines")
_COLUMNS = ("user", "item", "rating", "timestamp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """Time and memory of each stage against rows, users or items of a generated log."""

    axis: Axis = "rows"
    """What grows. With rows, users and items grow along: 50 and 200 rows for each."""
    sizes: tuple[int, ...] = (100_000, 300_000, 1_000_000)
    """Of the axis."""
    users: int = 20_000
    """Where they do not grow."""
    items: int = 10_000
    """Where they do not grow."""
    rows: int = 1_000_000
    """Where they do not grow."""
    stages: str = ",".join(STAGES)
    """Which of data, embed, loop, evaluate and baselines; all but data need embed."""
    embedding: Literal["implicit", "variational"] = "implicit"
    """Factorisation of the stage embed."""
    steps: int = 2_000
    """Environment steps of the stage loop, after those that compile."""
    dim: int = 33
    """D."""
    num_envs: int = 32
    """N of the stage loop."""
    retrieval: Literal["auto", "exact", "clusters"] = "auto"
    """What an action is compared with in the stage loop."""
    unlogged: Literal["constant", "never"] = "constant"
    """In the stage loop: constant shows any item, never the logged ones."""
    judged: int = 20_000
    """Users of the stage evaluate, drawn from all: its cost is in proportion to them."""
    out: pathlib.Path | None = None
    """Folder for scale-<axis>.json and scale-<axis>.png; by default none are written."""
    place: pathlib.Path | None = None
    """Folder for some 70 bytes a row; by default the system's for temporary files."""
    stage: str = ""
    """Used by the processes that this one starts."""
    json: bool = False
    """Print one JSON object."""


def measure_scale(options: Scale) -> dict[str, Any]:
    """All stages of all sizes, and the slope of each on logarithmic axes."""
    if options.stage:
        return _stage(options)
    found: list[dict[str, Any]] = []
    for size in options.sizes:
        sizes = _sizes(options, size)
        with tempfile.TemporaryDirectory(dir=options.place) as place:
            made = dataclasses.replace(
                options, **sizes, place=pathlib.Path(place), sizes=(), json=True
            )
            for stage in ("generate", *_asked(options)):
                one = _in_own_process(dataclasses.replace(made, stage=stage))
                if stage == "generate":
                    sizes |= {"rows": one["rows"]}  # repeated pairs are left out
                    continue
                found.append({"stage": stage, **sizes, **one})
                sys.stderr.write(f"{json.dumps(found[-1])}\n")
    result = {"axis": options.axis, "measured": found, "slopes": slopes(found, options.axis)}
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1)
        (options.out / f"scale-{options.axis}.json").write_text(text, encoding="utf-8")
        draw(result, options.out / f"scale-{options.axis}.png")
    return result


def slopes(found: list[dict[str, Any]], axis: str) -> dict[str, dict[str, float]]:
    """By stage: by which power of the size time and memory grow, least squares on logarithms."""
    made: dict[str, dict[str, float]] = {}
    for stage in dict.fromkeys(each["stage"] for each in found):
        own = [each for each in found if each["stage"] == stage]
        if len(own) > 1:
            size = np.log([each[axis] for each in own])
            made[stage] = {
                name: round(float(np.polyfit(size, np.log([each[name] for each in own]), 1)[0]), 2)
                for name in ("cpu_seconds", "peak_mb")
            }
    return made


def draw(result: dict[str, Any], path: pathlib.Path) -> None:
    """Write the figure: seconds and memory of each stage on logarithmic axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axis, figure = result["axis"], Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (name, title) in zip(
        figure.subplots(1, 2),
        (("cpu_seconds", "seconds of the processor"), ("peak_mb", "peak memory, MB")),
        strict=True,
    ):
        for stage in dict.fromkeys(each["stage"] for each in result["measured"]):
            own = [each for each in result["measured"] if each["stage"] == stage]
            slope = result["slopes"].get(stage, {}).get(name)
            label = stage if slope is None else f"{stage} ({slope:.2f})"
            panel.plot([e[axis] for e in own], [e[name] for e in own], "o-", label=label)
        panel.set(xscale="log", yscale="log", xlabel=axis, title=title)
        panel.legend(fontsize="small", title="stage (slope)")
    figure.savefig(path, dpi=110)


def _sizes(options: Scale, size: int) -> dict[str, int]:
    if options.axis == "rows":
        return {"rows": size, "users": max(size // 50, 100), "items": max(size // 200, 100)}
    fixed = {"rows": options.rows, "users": options.users, "items": options.items}
    return fixed | {options.axis: size}


def _asked(options: Scale) -> list[str]:
    asked = options.stages.split(",")
    return [stage for stage in STAGES if stage in asked]


def _in_own_process(options: Scale) -> dict[str, Any]:
    flags: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name in {"sizes", "out", "json"} or value in (None, ""):
            continue
        flags += [f"--{field.name.replace('_', '-')}", str(value)]
    script = pathlib.Path(__file__).with_name("benchmark.py")
    command = [sys.executable, str(script), "scale", *flags, "--sizes", "--json"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed)


def _stage(options: Scale) -> dict[str, Any]:
    stages: dict[str, Callable[[Scale], dict[str, Any]]] = {
        "generate": _generate,
        "data": _data,
        "embed": _embed,
        "loop": _loop,
        "evaluate": _evaluate,
        "baselines": _baselines,
    }
    started, before = time.perf_counter(), time.process_time()
    found = stages[options.stage](options)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    } | found


def _folder(options: Scale) -> pathlib.Path:
    return options.place or pathlib.Path()


def _generate(options: Scale) -> dict[str, Any]:
    blocks = ZipfLog(users=options.users, items=options.items, rows=options.rows).blocks()
    if "data" in options.stages:
        blocks = written(blocks, _folder(options) / "log.csv")
    columns = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    for name, column in zip(_COLUMNS, columns, strict=True):
        np.save(_folder(options) / f"{name}.npy", column)
    return {"rows": len(columns[0])}


def _log(options: Scale) -> Interactions:
    from drrec.data.ids import IdMap, as_text
    from drrec.data.interactions import Interactions

    column = {name: np.load(_folder(options) / f"{name}.npy") for name in _COLUMNS}
    return Interactions(
        user=column["user"].astype(np.int32),
        item=column["item"].astype(np.int32) + np.int32(1),
        rating=column["rating"],
        timestamp=column["timestamp"],
        users=IdMap(as_text([str(number) for number in range(options.users)]), "user"),
        items=IdMap(as_text(["", *map(str, range(options.items))]), "item"),
    )


def _halves(options: Scale) -> tuple[Interactions, Interactions]:
    """All but each user's last row, and that."""
    log = _log(options)
    is_last = log.position_from_end() == 0
    return log.where(~is_last), log.where(is_last)


def _data(options: Scale) -> dict[str, Any]:
    import drrec

    data = drrec.Dataset.from_csv(_folder(options) / "log.csv")
    train, test = data.split("temporal")
    return {"kept": len(train.interactions) + len(test.interactions)}


def _embed(options: Scale) -> dict[str, Any]:
    from drrec.embeddings.config import EmbeddingConfig
    from drrec.embeddings.pretrain import pretrain

    train, _ = _halves(options)
    started = time.process_time()
    config = EmbeddingConfig(embedding=options.embedding, dim_emb=options.dim)
    made = pretrain(train, config, 0)
    for name, vectors in zip(("prefix", "final"), made, strict=True):
        vectors.table.save(_folder(options) / f"{name}.npz")
    return {"cpu_seconds": time.process_time() - started}


def _table(options: Scale, name: str) -> Embeddings:
    """Of the stage embed, or, if that was not asked for, made up."""
    from drrec.embeddings.table import Embeddings

    path = _folder(options) / f"{name}.npz"
    if path.exists():
        return Embeddings.load(path)
    rng = np.random.default_rng(0)
    user, item = (
        rng.normal(0, options.dim**-0.5, (size, options.dim)).astype(np.float32)
        for size in (options.users, options.items + 1)
    )
    item[0] = 0
    return Embeddings(item, user, 0.0, "")


def _loop(options: Scale) -> dict[str, Any]:
    import tensorflow as tf

    from drrec.agents.config import DDPGConfig
    from drrec.agents.ddpg import DDPG
    from drrec.envs.config import LoggedConfig
    from drrec.envs.logged import LoggedEnvironment
    from drrec.envs.sessions import Sessions

    train, _ = _halves(options)
    table = _table(options, "prefix")
    config = LoggedConfig(unlogged=options.unlogged)
    sessions = Sessions.over(*train.past_and_future(0.2), config.state_size)
    learns = DDPGConfig(
        num_envs=options.num_envs,
        batch_size=32 * options.num_envs,
        lr_actor=1e-5,
        retrieval=options.retrieval,
    )
    environment = LoggedEnvironment(config, train, sessions)
    before = time.process_time()
    agent = DDPG.over(learns, environment, table.user, table.item, seed=0)
    built = time.process_time() - before
    agent.run(tf.constant(2))
    iterations = -(-options.steps // options.num_envs)
    started, before = time.perf_counter(), time.process_time()
    float(agent.run(tf.constant(iterations)).reward)
    seconds, cpu = time.perf_counter() - started, time.process_time() - before
    steps = iterations * options.num_envs
    return {
        "cpu_seconds": cpu,
        "steps": steps,
        "steps_per_second": steps / seconds,
        "steps_per_cpu_second": steps / cpu,
        "built_cpu_seconds": built,
    }


def _evaluate(options: Scale) -> dict[str, Any]:
    from drrec.agents.config import DDPGConfig
    from drrec.agents.policy import Policy
    from drrec.evaluation.protocols.protocol import protocol_of

    train, test = _halves(options)
    users = np.random.default_rng(0).permutation(options.users)[: options.judged]
    is_judged = np.zeros(options.users, bool)
    is_judged[users] = True
    table = _table(options, "final")
    policy = Policy.build(DDPGConfig(), table.user, table.item, 10)
    started = time.process_time()
    found = protocol_of("full").run(policy, train, test.where(is_judged[test.user]))
    seconds = time.process_time() - started
    ndcg = float(found.metrics["ndcg@10"].mean())
    return {"cpu_seconds": seconds, "users_judged": len(found.users), "ndcg": ndcg}


def _baselines(options: Scale) -> dict[str, Any]:
    import drrec

    train, _ = _halves(options)
    seconds = {}
    for name, model in _made(drrec):
        with _refusals():
            started = time.process_time()
            model.fit(train)
            seconds[f"{name}_seconds"] = time.process_time() - started
    return {"cpu_seconds": sum(seconds.values()), **seconds}


def _made(drrec: Any) -> Iterator[tuple[str, Any]]:
    yield "popularity", drrec.Popularity()
    yield "item_knn", drrec.ItemKNN()
    yield "ease", drrec.EASE()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Say what is refused, and go on."""
    from drrec.errors import InputError

    try:
        yield
    except InputError as error:
        sys.stderr.write(f"{error}\n")
