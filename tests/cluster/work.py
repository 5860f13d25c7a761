"""What tests have workers do."""

import logging
import os
import pathlib
import signal
import time

import drrec.limits
from drrec.errors import InputError


def nothing():
    """Begin with nothing."""


def square(number):
    return number * number


def warning(text):
    logging.getLogger("drrec.somewhere").info("heard by nobody")
    logging.getLogger("drrec.somewhere").warning("watch %s", text)


def total(array, number):
    """A shared array's sum, in NumPy's read-only view of shared memory."""
    return float(array.sum()) + number, array.flags.writeable


def refusing(number):
    if number == 2:
        raise InputError(f"Expected another number. Received: {number}.")
    return number


def failing(number):
    raise ZeroDivisionError(number)


def lines_of(path):
    return pathlib.Path(path).read_text().split() if pathlib.Path(path).exists() else []


def note(path, word):
    with pathlib.Path(path).open("a") as file:
        file.write(f"{word}\n")


def until(is_true, seconds=600):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def dying(path, number, deaths):
    """Killed, as by a want of memory, for the first calls."""
    note(path, number)
    if lines_of(path).count(str(number)) <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def waiting(path, number):
    """Ends when it is told to by a file, or by Ctrl-C, which it notes."""
    note(path, f"begun-{number}")
    try:
        while not pathlib.Path(f"{path}.end").exists():
            time.sleep(0.02)
    except KeyboardInterrupt:
        note(path, f"interrupted-{number}")
        raise
    return number


def surroundings(name):
    return drrec.limits.current().max_dim, os.environ.get(name)


def quickly(path, pause):
    """Begin with trainings that are soon done, but for a pause after each checkpoint.

    Each notes in a file from which step it goes on.
    """
    import tensorflow as tf

    from drrec.agents import training
    from drrec.embeddings import content, contrast

    tf.config.run_functions_eagerly(True)
    content._MOST_ROUNDS = content._STEPS_A_ROUND = contrast._STEPS = 1
    training._CHUNK_STEPS, training._CHECKPOINT_SECONDS = 8, -1.0
    restore, save = training.restore_latest, training.save_checkpoint

    def restored(*given):
        step = restore(*given)
        note(path, step)
        return step

    def saved(*given):
        save(*given)
        time.sleep(pause)

    training.restore_latest, training.save_checkpoint = restored, saved


def peak(path, dies, trial):
    """An objective with its peak at .3; one trial is killed once, and one has bad settings."""
    x = trial.suggest_float("x", 0, 1)
    note(path, f"{trial.number}:{x}")
    if trial.number == dies and sum(line.startswith(f"{dies}:") for line in lines_of(path)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.number == 3:
        raise InputError("Expected other settings. Received: these.")
    return -((x - 0.3) ** 2)


def kill(process):
    os.kill(int(process), signal.SIGKILL)


def joining(path):
    """Begin as `playing`, but after joining, before which nothing may make a tensor."""
    from drrec.cluster import strategy

    join = strategy._Member.join

    def joined(member, addresses):
        join(member, addresses)
        playing(path)

    strategy._Member.join = joined


def playing(path):
    """Begin with short rounds; a process notes each that it plays or learns from."""
    import tensorflow as tf

    from drrec.agents import data_parallel, ddpg, rollout_workers

    tf.config.run_functions_eagerly(True)
    ddpg._ROUND = 8

    def noting(function):
        def noted(*given):
            note(path, os.getpid())
            return function(*given)

        return noted

    worker, rank = rollout_workers.RolloutWorker, data_parallel.Rank
    worker.__call__, rank.run = noting(worker.__call__), noting(rank.run)
