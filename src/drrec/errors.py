"""Errors of the user's input; the command line prints their message and exits with status 2."""

from __future__ import annotations

import reprlib
from typing import Any

_MOST_SHOWN = 200
_LONGEST = 2_000

_brief = reprlib.Repr()
_brief.maxlevel = 4
_brief.maxstring = _brief.maxother = _brief.maxlong = _MOST_SHOWN
_brief.maxlist = _brief.maxtuple = _brief.maxdict = _brief.maxset = _brief.maxfrozenset = 20


class InputError(ValueError):
    """Invalid input. The message states what was expected, what was received and how to fix it.

    It is one line without control characters, whatever was received.

    Examples:
        >>> import drrec
        >>> try:
        ...     drrec.load("missing.drrec")
        ... except drrec.InputError as error:
        ...     print(error)
        Expected a saved model in missing.drrec. Received: nothing there. Save the model again.
    """

    def __init__(self, message: object = "") -> None:
        text = escaped(" ".join(str(message).split()))
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
        super().__init__(text)


class NotFittedError(InputError, AttributeError):
    """The model is not fitted."""


def shown(received: Any, most: int = _MOST_SHOWN) -> str:
    """What was received, as an error shows it: quoted, on one line, `most` characters at most."""
    text = escaped(_brief.repr(received))
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def told(error: BaseException, most: int = _MOST_SHOWN) -> str:
    """What an error of a library says, on one line, `most` characters of it at most."""
    text = escaped(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(text: str, keep: str = "") -> str:
    """Text that no console obeys: what cannot be printed is written as `\\x1b`, but for `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each
        if each in keep or each.isprintable()
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )
