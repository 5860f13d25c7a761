"""What is wrong with a command line, in one line of our words.

tyro tells of it by `tyro._errors.on_parse_error`, which is private to tyro: its authors ask those
who use it to pin the version. It has no public way but to print a box and exit.
"""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, NoReturn

from tyro import _arguments, _errors

from drrec.agents.settings import names
from drrec.cli.settings import value_of
from drrec.errors import InputError, shown
from drrec.experiment.config import FLAGS

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping, Sequence


def refusing(
    stages: Mapping[str, type], given: Sequence[str], prog: str | None
) -> contextlib.AbstractContextManager[None]:
    """Within it, what tyro would refuse raises an `InputError`.

    Args:
        stages: by name; one alone needs none in `given`.
        given: the arguments.
        prog: the program's name; None takes the process's.
    """
    program, known = prog or sys.argv[0], list(stages)
    if len(stages) == 1:
        known = _flags(*stages.values())
    elif given and given[0] in stages:
        program, known = f"{program} {given[0]}", _flags(stages[given[0]])

    def refuse(event: _errors.ParseErrorEvent) -> NoReturn:
        raise InputError(f"{_said(event, given, known)} See {program} --help.")

    return _errors.on_parse_error(refuse)


def _said(event: _errors.ParseErrorEvent, given: Sequence[str], known: Sequence[str]) -> str:
    match event:
        case _errors.UnrecognizedArgs(tokens=[first, *_]):
            return _unknown(first, known)
        case _errors.MissingArgs(unrecognized_tokens=[first, *_]):
            return _unknown(first, known)
        case _errors.MissingArgs(missing_arguments=missing):
            return f"Expected {', '.join(_usage(each.arg) for each in missing)}. Received: nothing."
        case _errors.MissingSubcommand():
            return f"Expected one of {', '.join(known)}. Received: nothing."
        case _errors.BadValue(argument=argument):
            return f"Expected {_usage(argument)}. Received: no value."
        case _errors.InvalidChoice(argument=argument, value=value, choices=choices):
            hint = _nearest(value, sorted(choices))
            return f"Expected {_usage(argument)}. Received: {shown(value)}.{hint}"
        case _errors.InstantiationFailure(argument=None, message=message):
            return message  # an InputError's
        case _errors.InstantiationFailure(argument=_arguments.ArgumentDefinition() as argument):
            received = value_of(argument.lowered.name_or_flags[-1], given)
            return f"Expected {_usage(argument)}. Received: {shown(received)}."
    return f"Expected other arguments. Received: {' '.join(given)}."


def _unknown(word: str, known: Sequence[str]) -> str:
    word = word.partition("=")[0].replace("_", "-")
    if known[0].startswith("--"):
        return f"Expected a known flag. Received: {shown(word)}.{_nearest(word, known)}"
    return f"Expected one of {', '.join(known)}. Received: {shown(word)}.{_nearest(word, known)}"


def _nearest(word: str, known: Sequence[str]) -> str:
    others = {each.removeprefix("--"): each for each in known if each != word}
    near = difflib.get_close_matches(word.removeprefix("--"), others, n=1)
    return f" Did you mean {shown(others[near[0]])}?" if near else ""


def _usage(argument: _arguments.ArgumentDefinition) -> str:
    """A flag and what it takes, as `--help` has it."""
    return f"{argument.display_name()} {argument.lowered.metavar or ''}".rstrip()


def _flags(stage: type) -> list[str]:
    typed = {name: flag for flag, name in FLAGS.items()}
    return ["--" + typed.get(name, name).replace("_", "-") for name in names(stage)]
