"""A search for settings by Optuna, kept in a folder: it goes on where it was stopped."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.experiment.protocols import trials_of
from drrec.files import write_text

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Sequence

    import optuna

    from drrec.embeddings.pretrain import Content
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.task import Task

STARTUP_TRIALS = 5
"""Trials at random before the sampler and the pruner learn from those before."""

_LOG = "trials.log"


class Search(NamedTuple):
    """Searches of one budget each, kept in a folder."""

    folder: pathlib.Path
    seed: int
    minutes: float
    is_more: bool

    def __call__(
        self,
        name: str,
        first: Sequence[dict[str, Any]],
        objective: Callable[[optuna.Trial], float],
        most_trials: int,
    ) -> optuna.Study:
        """Try the first settings, the default before all, then others while the budget lasts."""
        optuna = optuna_module()
        study = optuna.create_study(
            study_name=name,
            storage=_storage(optuna, self.folder / _LOG),
            load_if_exists=True,
            direction="maximize" if self.is_more else "minimize",
            sampler=optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=STARTUP_TRIALS),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        )
        if not study.trials:
            for each in first:
                study.enqueue_trial(each)
        left = 60 * self.minutes - sum(_seconds(trial) for trial in study.trials)
        num_left = most_trials - len(ended(study))
        if num_left > 0 and (left > 0 or not ended(study)):
            study.optimize(
                objective,
                n_trials=num_left,
                timeout=max(left, 1e-3),
                catch=(InputError,),
                callbacks=[lambda study, _: _write_trials(self.folder / f"{name}.csv", study)],
            )
        return study


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
