"""Trains an agent chunk by chunk: between chunks it logs, draws the bar and checkpoints."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import tensorflow as tf
from tqdm import tqdm

from drrec.agents.checkpoint import restore_latest, save_checkpoint
from drrec.agents.runlog import RunLog
from drrec.files import sweep

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Sequence

_CHUNK_STEPS = 2_000
_CHECKPOINT_SECONDS = 20.0


class Trainee(Protocol):
    """What training asks of an agent, or of what takes its place."""

    @property
    def learner(self) -> Any:
        """All state of training; see `named_variables`."""

    @property
    def steps(self) -> int:
        """Environment steps so far, over all sessions."""

    @property
    def steps_an_iteration(self) -> int:
        """Environment steps over all sessions in an iteration."""

    def run(self, iterations: tf.Tensor) -> Any:
        """Run `iterations [] int32` iterations; sums of metrics."""

    def reward_terms(self, iterations: int) -> dict[str, float]:
        """Unweighted means of the reward's terms over the last `run`."""


def learn(
    agent: Any,
    steps: int,
    callbacks: Sequence[Callable[[Any, dict[str, float]], None]],
    label: str,
) -> bool:
    """Go on until the agent has done `steps` environment steps, rounded up to whole iterations.

    Args:
        agent: the learner, set up; a `Trainee`.
        steps: in all, those that it has done already among them.
        callbacks: called after each chunk with the agent and the means of what it logged.
        label: what the progress bar calls it.

    Returns:
        Whether it got to the end: False after Ctrl-C, or SIGTERM where the program hears it.
    """
    width = agent.steps_an_iteration
    chunk = max(_CHUNK_STEPS // width, 1)
    bar = tqdm(total=steps, initial=agent.steps, desc=label, unit="step", dynamic_ncols=True)
    with bar, _interrupted() as interrupted:
        while agent.steps < steps and not interrupted():
            iterations = min(chunk, -(-(steps - agent.steps) // width))
            started = time.monotonic()
            sums = agent.run(tf.constant(iterations))
            values = {
                name: float(total) / iterations
                for name, total in zip(sums._fields, sums, strict=True)
            }
            values |= agent.reward_terms(iterations)
            rate = iterations * width / (time.monotonic() - started)
            for callback in callbacks:
                callback(agent, values | {"steps_per_second": rate})
            shown = {name: f"{value:.3f}" for name, value in list(values.items())[:2]}
            bar.set_postfix(shown, refresh=False)
            bar.update(min(agent.steps, steps) - bar.n)
        return agent.steps >= steps


def train(
    agent: Trainee,
    steps: int,
    run: pathlib.Path,
    weights: pathlib.Path,
    label: str,
    settings: str = "",
    note: Callable[[], None] = lambda: None,
) -> bool:
    """`learn` from the agent's last checkpoint on, with a log and checkpoints.

    Args:
        agent: the learner; its state is overwritten by the checkpoint, if there is one.
        steps: as in `learn`.
        run: folder for `training.csv` and TensorBoard events.
        weights: folder for checkpoints.
        label: as in `learn`.
        settings: a hash of what is trained, see `save_checkpoint`.
        note: called with each checkpoint.

    Returns:
        Whether it got to the end: False after Ctrl-C or SIGTERM, with a checkpoint written.

    Raises:
        InputError: as `restore_latest`.
    """
    sweep(weights)
    restore_latest(weights, agent.learner, settings)
    saved_at = time.monotonic()

    def checkpoint(agent: Trainee, _: dict[str, float]) -> None:
        nonlocal saved_at
        if time.monotonic() - saved_at > _CHECKPOINT_SECONDS:
            save_checkpoint(weights, agent.learner, agent.steps, settings)
            note()
            saved_at = time.monotonic()

    with RunLog(run, agent.steps) as log:
        rows = (lambda agent, values: log.row(agent.steps, values), checkpoint)
        is_whole = learn(agent, steps, rows, label)
        save_checkpoint(weights, agent.learner, agent.steps, settings)
    return is_whole


@contextlib.contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Ask the given function whether Ctrl-C or SIGTERM came; neither stops a chunk halfway.

    SIGTERM only where somebody hears it already, as the command line does: a library leaves the
    signals of the program alone that uses it.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {
        number: signal.signal(number, lambda *_: asked.set())
        for number in (signal.SIGINT, signal.SIGTERM)
        if number == signal.SIGINT or callable(signal.getsignal(number))
    }
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
