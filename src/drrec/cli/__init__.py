"""The command line: `run.py` has a subcommand for each stage; `train.py` and `eval.py` are two."""

from __future__ import annotations

import contextlib
import functools
import logging
import operator
import os
import re
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from drrec.cli.agents import algorithm_in, as_given, with_flags_of
from drrec.cli.flags import Eval, Recommend, Train
from drrec.cli.refusals import refusing
from drrec.cli.settings import config_path, limits_in, settings_in
from drrec.cli.stages import STAGES
from drrec.errors import InputError, escaped
from drrec.limits import hold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STAGES", "Eval", "Recommend", "Train", "run"]


def run(
    *stages: Any,
    argv: Sequence[str] | None = None,
    prog: str | None = None,
) -> int:
    """Parse the command line, do one stage, and return the exit status.

    Args:
        stages: which there are to choose from; one alone needs no name.
        argv: the arguments; None takes the process's.
        prog: the program's name in `--help`; None takes the process's.

    Returns:
        0 if it went well, 2 for bad input, 130 if interrupted, by Ctrl-C or by SIGTERM.
    """
    to_console = logging.StreamHandler(sys.stderr)
    to_console.setFormatter(Console("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_console])
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        hold(limits_in(given))
        chosen = algorithm_in(given, config_path(given))
        shown = [with_flags_of(stage, chosen) for stage in stages]
        arguments = as_given(_parsed(shown, given, prog))
        hold(arguments.limits)
        with _sigterm_as_ctrl_c():
            return STAGES[type(arguments)](arguments)
    except InputError as error:
        _complain(error)
        return 2
    except BrokenPipeError:  # whoever read what it prints has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _complain(
            f"Expected to read and write files{where}. Received: {error.strerror or error}. "
            "Make room or mend the permissions, and run again."
        )
        return 2
    except KeyboardInterrupt:
        _complain("interrupted: the same command goes on where it stopped")
        return 130


class Console(logging.Formatter):
    """Lines that no terminal takes for orders, whatever a file has put into them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with what cannot be printed escaped."""
        return escaped(super().format(record), keep="\n\t")


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Within it, SIGTERM raises `KeyboardInterrupt`, so that all is put away as after Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _parsed(stages: Sequence[Any], given: list[str], prog: str | None) -> Any:
    # The choice of stages is made as the program runs, which tyro's types have no words for.
    parse: Any = functools.partial(
        tyro.cli, args=given, prog=prog, config=(tyro.conf.OmitArgPrefixes,)
    )
    path = config_path(given)
    names = [re.sub("(?<=[a-z])(?=[A-Z])", "-", stage.__name__).lower() for stage in stages]

    def default(position: int) -> dict[str, Any]:
        is_meant = len(stages) == 1 or given[:1] == [names[position]]
        return {"default": settings_in(path, stages[position])} if path and is_meant else {}

    with refusing(dict(zip(names, stages, strict=True)), given, prog):
        if len(stages) == 1:
            return parse(stages[0], **default(0))
        choices: list[Any] = [
            Annotated[stage, tyro.conf.subcommand(names[position], **default(position))]
            for position, stage in enumerate(stages)
        ]
        return parse(functools.reduce(operator.or_, choices))


def _complain(message: object) -> None:
    sys.stderr.write(escaped(" ".join(str(message).split())) + "\n")
