"""Measures speed and memory on ML-100K: `bash scripts/benchmark.sh --help`.

Beside each rate stands the rate at which this machine multiplies float32 matrices, in the same
process, so that results of unlike machines can be compared.
"""

from __future__ import annotations

import dataclasses
import pathlib
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

import tyro
from benchmark_data import Preparation, measure_preparation
from benchmark_extract import Extraction, measure_extraction
from benchmark_http import Serving, measure_serving
from benchmark_lists import Lists, measure_lists
from benchmark_scale import Scale, measure_scale

from drrec.agents.config import DDPGConfig
from drrec.envs.config import LoggedConfig
from drrec.files import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.agents.ddpg import DDPG
    from drrec.data.split import Split

GRADIENTS_PER_STEP = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """Environment steps a second, updates included, with PER, 32 gradient samples a step."""

    num_envs: int = 32
    """N, sessions side by side; each iteration updates once on 32 N transitions."""
    memory_size: int = 100_000
    """Transitions in the replay, which is filled before the clock starts."""
    form: Literal["anchored", "plain"] = "plain"
    """Networks; `plain` is the paper's algorithm, which others are compared by."""
    products: Literal["float32", "bfloat16"] = "float32"
    """Number format of matrix products."""
    dim_emb: int = 100
    """D."""
    seconds: float = 10.0
    """How long to measure."""
    gpu: int | None = None
    """Card; -1 is the processor."""
    json: bool = False
    """Print one JSON object."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Seconds that protocol `rated` takes for all test users of ML-100K, ten turns each."""

    gpu: int | None = None
    """Card; -1 is the processor."""
    json: bool = False
    """Print one JSON object."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Everything:
    """The table of docs/results/speed.md: each row in a process of its own."""

    seconds: float = 10.0
    """How long to measure each row."""


def measure_loop(options: Loop) -> dict[str, Any]:
    """Build an agent as large as the benchmark says and run it."""
    from drrec.device import select

    device = select(options.gpu)
    import tensorflow as tf

    agent = _agent(options)
    started = time.perf_counter()
    agent.run(tf.constant(1))
    first_call = time.perf_counter() - started
    _fill(agent)
    iterations = max(512 // options.num_envs, 1)
    rates = []
    until = time.perf_counter() + options.seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        float(agent.run(tf.constant(iterations)).reward)
        rates.append(iterations * options.num_envs / (time.perf_counter() - started))
    steps = statistics.median(rates)
    gflops = _matmul_gflops()
    flops = _flops_per_step(agent)
    return {
        "device": device,
        "num_envs": options.num_envs,
        "batch_size": agent.config.batch_size,
        "memory_size": options.memory_size,
        "form": options.form,
        "products": options.products,
        "env_steps_per_second": steps,
        "gradient_samples_per_second": steps * GRADIENTS_PER_STEP,
        "first_call_seconds": first_call,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "replay_mb": agent.replay.num_bytes / 1e6,
        "mflop_per_step": flops / 1e6,
        "matmul_gflops": gflops,
        "share_of_matmul": steps * flops / (gflops * 1e9),
    }


def measure_evaluation(options: Evaluation) -> dict[str, Any]:
    """Judge an agent on all test users of ML-100K, turn by turn, a few times."""
    from drrec.device import select

    device = select(options.gpu)
    from drrec.evaluation.protocols.protocol import protocol_of

    split = _split()
    agent = _agent(Loop(gpu=options.gpu))
    policy = agent.policy(agent.user.numpy(), agent.networks.items.table().numpy())
    times = []
    for _ in range(5):
        started = time.perf_counter()
        judged = protocol_of("rated").run(policy, split.train, split.test)
        times.append(time.perf_counter() - started)
    return {
        "device": device,
        "users": len(judged.users),
        "first_seconds": times[0],
        "seconds": statistics.median(times),
    }


def _split() -> Split:
    from drrec.data.datasets import load_dataset
    from drrec.data.sources import fetch
    from drrec.data.split import split_interactions

    fetch("ml-100k")
    return split_interactions(load_dataset("ml-100k").interactions).final()


def _agent(options: Loop) -> DDPG:
    import numpy as np

    from drrec.agents.ddpg import DDPG
    from drrec.envs.logged import LoggedEnvironment
    from drrec.envs.sessions import Sessions

    train = _split().train
    config = LoggedConfig()
    sessions = Sessions.over(*train.past_and_future(0.2), config.state_size)
    rng = np.random.default_rng(0)
    width = options.dim_emb
    user, item = (
        rng.normal(0, width**-0.5, (size, width)).astype(np.float32)
        for size in (train.num_users, train.num_items)
    )
    item[0] = 0
    return DDPG.over(
        DDPGConfig(
            form=options.form,
            critic_action="item" if options.form == "anchored" else "proto",
            products=options.products,
            num_envs=options.num_envs,
            batch_size=GRADIENTS_PER_STEP * options.num_envs,
            memory_size=options.memory_size,
            discount=0.9,
        ),
        LoggedEnvironment(config, train, sessions),
        user,
        item,
        seed=0,
    )


def _fill(agent: DDPG) -> None:
    """Copy the transitions there are all over the ring, so that every page of it is in memory."""
    import tensorflow as tf

    replay = agent.replay
    for column in replay.columns:
        first = column[: agent.config.num_envs]
        copies = -(-replay.capacity // agent.config.num_envs)
        repeats = [copies] + [1] * (first.shape.rank - 1)
        column.assign(tf.tile(first, repeats)[: replay.capacity])
    side = replay.priority.shape[0]
    filled = tf.cast(tf.range(side**3) < replay.capacity, tf.float32)
    replay.priority.assign(tf.reshape(filled, [side] * 3))
    replay.written.assign(replay.capacity)


def _flops_per_step(agent: DDPG) -> float:
    """Multiplications and additions of the networks' and the catalogue's matrix products."""
    config = agent.config

    def kernels(layer: Any) -> int:
        return sum(
            weight.value.shape.num_elements() for weight in layer.weights if _is_kernel(weight)
        )

    actor, critic = kernels(agent.networks.actor), kernels(agent.networks.critic)
    catalogue = agent.networks.items.table().shape.num_elements()
    # Forward 2 flops a weight, backward 4. Targets go forward; critic and actor go both ways; the
    # actor's gradient goes through the critic to its input alone.
    sample = 2 * (actor + critic) + 6 * critic + 6 * actor + 4 * critic
    if config.critic_action == "item" and config.discount:
        sample += 2 * catalogue
    return sample * config.batch_size / config.num_envs + 2 * (actor + catalogue)


def _is_kernel(weight: Any) -> bool:
    return len(weight.shape) == 2


def _matmul_gflops(size: int = 2048, seconds: float = 1.0) -> float:
    import tensorflow as tf

    matrix = tf.random.stateless_uniform([size, size], [0, 0])
    multiply = tf.function(lambda x: tf.linalg.trace(x @ x), jit_compile=True)
    float(multiply(matrix))
    rates = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        float(multiply(matrix))
        rates.append(2 * size**3 / (time.perf_counter() - started) / 1e9)
    return statistics.median(rates)


def measure_everything(options: Everything) -> None:
    """One process a row, so that memory and first calls are each row's own."""
    sys.stdout.write(
        "| loop | steps/s | gradient samples/s | first call, s | peak MB | replay MB "
        "| matmul GFLOP/s | share |\n|---|---|---|---|---|---|---|---|\n"
    )
    for flags in (
        "--num-envs 1",
        "--num-envs 32",
        "--num-envs 32 --products bfloat16",
        "--num-envs 32 --memory-size 1000000",
        "--num-envs 32 --form anchored",
    ):
        row = _in_own_process(f"loop {flags} --seconds {options.seconds} --json")
        sys.stdout.write(
            f"| `{flags}` | {row['env_steps_per_second']:,.0f} "
            f"| {row['gradient_samples_per_second']:,.0f} | {row['first_call_seconds']:.1f} "
            f"| {row['peak_rss_mb']:,.0f} | {row['replay_mb']:,.0f} "
            f"| {row['matmul_gflops']:,.0f} | {row['share_of_matmul']:.2f} |\n"
        )
        sys.stdout.flush()
    evaluation = _in_own_process("evaluation --json")
    sys.stdout.write(
        f"\nprotocol `rated`, {evaluation['users']} users: {evaluation['seconds']:.2f} s, "
        f"the first time {evaluation['first_seconds']:.2f} s\n"
    )
    started = time.perf_counter()
    root = pathlib.Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, root / "run.py", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    sys.stdout.write(f"\n`run.py --help`: {time.perf_counter() - started:.2f} s\n")


def _in_own_process(flags: str) -> dict[str, Any]:
    import json

    command = [sys.executable, __file__, *flags.split()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed)


def main() -> None:
    """Measure what the command line names, everything if it names nothing."""
    stages: dict[str, Callable[..., Any]] = {
        "loop": Loop,
        "evaluation": Evaluation,
        "extract": Extraction,
        "data": Preparation,
        "lists": Lists,
        "serve": Serving,
        "scale": Scale,
        "everything": Everything,
    }
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in {*stages, "-h", "--help"}:
        arguments = ["everything", *arguments]
    options = tyro.extras.subcommand_cli_from_dict(stages, args=arguments, prog="benchmark.sh")
    if isinstance(options, Everything):
        measure_everything(options)
        return
    measures: dict[type, Callable[[Any], dict[str, Any]]] = {
        Loop: measure_loop,
        Evaluation: measure_evaluation,
        Extraction: measure_extraction,
        Preparation: measure_preparation,
        Lists: measure_lists,
        Serving: measure_serving,
        Scale: measure_scale,
    }
    measured = measures[type(options)](options)
    lines = (
        f"{name}: {value:,.2f}" if isinstance(value, float) else f"{name}: {value}"
        for name, value in measured.items()
    )
    sys.stdout.write(to_json(measured) if options.json else "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
