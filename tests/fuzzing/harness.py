"""Gives changed files to readers: each is read or refused in one line, soon, in little memory."""

from __future__ import annotations

import logging
import pathlib
import random
import resource
import shutil
import signal
import warnings
from typing import Any

from tests.fuzzing.targets import Target

from drrec.errors import InputError

SECONDS = 30
MEMORY = 400 << 20  # bytes that one input may add to the process's most


class Verdict(Exception):
    """What a reader did that none should; the cause is what it raised, if it raised something."""


def tried(
    target: Target, random_: random.Random, sound: pathlib.Path, folder: pathlib.Path
) -> bool:
    """Change a copy of sound files and read it.

    Returns:
        Whether it was read; False if it was refused.

    Raises:
        Verdict: it raised something else, took too long or too much, or refused in several lines.
    """
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(sound, folder)
    target.mutate(random_, folder)
    before = _most_memory()
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(folder)
        is_read = True
    except InputError as error:
        _check_words(str(error))
        is_read = False
    except OSError as error:
        if error.errno is None:  # the command line's one line is the operating system's
            raise Verdict(f"{type(error).__name__}: {error}") from error
        is_read = False
    except Exception as error:
        raise Verdict(f"{type(error).__name__}: {error}"[:500]) from error
    finally:
        signal.alarm(0)
        logging.disable(logging.NOTSET)
    if (taken := _most_memory() - before) > MEMORY:
        raise Verdict(f"{taken:,} bytes of memory")
    return is_read


def _check_words(said: str) -> None:
    if not said.isprintable() or len(said) > 2_100 or not said:
        raise Verdict(f"not one line: {said[:300]!r}")


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _late(*_: Any) -> None:
    raise TimeoutError(f"more than {SECONDS} s")
