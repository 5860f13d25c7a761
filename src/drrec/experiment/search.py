"""A search for settings by Optuna, kept in a folder: it goes on where it was stopped."""

from __future__ import annotations

import csv
import io
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.cluster.tasks import Interrupted
from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.experiment.protocols import trials_of
from drrec.files import write_text

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Sequence

    import optuna

    from drrec.cluster.tasks import Cluster
    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task

logger = logging.getLogger(__name__)

STARTUP_TRIALS = 5
"""Trials at random before the sampler and the pruner learn from those before."""

_LOG = "trials.log"


class Search(NamedTuple):
    """Searches of one budget each, kept in a folder."""

    folder: pathlib.Path
    seed: int
    minutes: float
    is_more: bool
    cluster: Cluster | None = None
    """Where trials run beside each other; None runs one after the other, here."""

    def __call__(
        self,
        name: str,
        first: Sequence[dict[str, Any]],
        objective: Callable[[optuna.Trial], float],
        most_trials: int,
    ) -> optuna.Study:
        """Try the first settings, the default before all, then others while the budget lasts."""
        study = self.study(name)
        if not study.trials:
            for each in first:
                study.enqueue_trial(each)
        if self.cluster is not None:
            _begin_anew(study)
        spent = sum(_seconds(trial) for trial in study.trials)
        left = 60 * self.minutes - spent / (self.cluster.workers if self.cluster else 1)
        num_left = most_trials - len(ended(study))
        if num_left > 0 and (left > 0 or not ended(study)):
            if self.cluster is None:
                study.optimize(
                    objective,
                    n_trials=num_left,
                    timeout=max(left, 1e-3),
                    catch=(InputError,),
                    callbacks=[lambda study, _: self._write_trials(study)],
                )
            else:
                self._apart(self.cluster, study, objective, num_left, left)
        return study

    def study(self, name: str, number: int | None = None) -> optuna.Study:
        """The study of this name; in a worker that of trial `number`, which samples by itself."""
        optuna = optuna_module()
        seed = self.seed if number is None else (self.seed + 1 + number) % 2**32
        return optuna.create_study(
            study_name=name,
            storage=_storage(optuna, self.folder / _LOG),
            load_if_exists=True,
            direction="maximize" if self.is_more else "minimize",
            sampler=optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=number is not None
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        )

    def _apart(
        self,
        cluster: Cluster,
        study: optuna.Study,
        objective: Callable[[optuna.Trial], float],
        most_trials: int,
        seconds: float,
    ) -> None:
        """Trials in workers, which share the study's journal; what they come to is told here."""
        until = time.monotonic() + seconds
        work = cluster.shared((self._replace(cluster=None), study.study_name, objective))
        asked: list[optuna.Trial] = []

        def trials() -> Iterator[tuple[Any, int, int]]:
            while len(asked) < most_trials and (not asked or time.monotonic() < until):
                asked.append(study.ask())
                yield work, asked[-1]._trial_id, asked[-1].number

        for number, (state, value) in cluster.results(_tried, trials(), "a trial"):
            study.tell(asked[number], value, state)
            self._write_trials(study)

    def _write_trials(self, study: optuna.Study) -> None:
        _write_trials(self.folder / f"{study.study_name}.csv", study)


class Bench(NamedTuple):
    """What settings are searched for: a task, and the protocol that measures."""

    search: Search
    config: TrainConfig
    task: Task
    content: Content | None
    protocol: str

    def value(self, model: Any) -> float:
        """The mean of the protocol's primary metric."""
        config = self.config
        trials = {self.protocol: trials_of(config, self.task)[self.protocol]}
        size = config.environment.state_size
        found = evaluated({"it": model}, trials, self.task.train, seed=config.seed, state_size=size)
        primary = protocol_of(self.protocol).primary
        return float(np.nanmean(found.cube(self.protocol).of("it", primary)))


def _begin_anew(study: optuna.Study) -> None:
    """Put trials back into the queue that a killed search was at."""
    optuna = optuna_module()
    for trial in study.trials:
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.system_attrs.get("fixed_params", trial.params))


def _tried(
    work: tuple[Search, str, Callable[[optuna.Trial], float]], trial_id: int, number: int
) -> tuple[Any, float | None]:
    """In a worker: the state and the value of a trial; one that was begun keeps its settings."""
    optuna = optuna_module()
    search, name, objective = work
    trial = optuna.Trial(search.study(name, number), trial_id)
    try:
        return optuna.trial.TrialState.COMPLETE, objective(trial)
    except optuna.TrialPruned:
        return optuna.trial.TrialState.PRUNED, None
    except InputError as error:
        logger.warning("trial %d: %s", number, error)
        return optuna.trial.TrialState.FAIL, None
    except KeyboardInterrupt as error:
        raise Interrupted(f"trial {number}") from error


def optuna_module() -> Any:
    """Optuna, which is imported only where it is used.

    Raises:
        InputError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "Expected Optuna, to tune. Received: none. Install it: pip install 'drrec[tune]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def ended(study: optuna.Study) -> list[Any]:
    """Trials that ran to an end, failed or pruned ones among them."""
    return [trial for trial in study.trials if trial.state.is_finished()]


def found_any(study: optuna.Study) -> bool:
    """Whether a trial came to a value."""
    return any(trial.state.name == "COMPLETE" for trial in study.trials)


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """With four digits."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in values.items()
    }


def _storage(optuna: Any, path: pathlib.Path) -> Any:
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def _seconds(trial: Any) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def _write_trials(path: pathlib.Path, study: optuna.Study) -> None:
    """`trials.csv`: a row for each, with what it tried and came to."""
    names = list(dict.fromkeys(name for trial in study.trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "before_training", "seconds", *names])
    for trial in ended(study):
        early = trial.intermediate_values.get(0)
        values = [trial.value if trial.state.name == "COMPLETE" else None, early]
        row = [trial.number, trial.state.name.lower(), *values, f"{_seconds(trial):.1f}"]
        writer.writerow([*row, *(trial.params.get(name) for name in names)])
    write_text(path, text.getvalue())
