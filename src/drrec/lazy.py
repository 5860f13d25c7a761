"""Names that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def attach(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package (PEP 562).

    Args:
        package: its `__name__`.
        modules: by each public name, the full name of the module that has it.

    Examples:
        >>> get, _, names = attach("drrec", {"InputError": "drrec.errors"})
        >>> get("InputError").__name__, names
        ('InputError', ['InputError'])
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    names = sorted(modules)
    return get, lambda: names, names


def resolved(path: str) -> Any:
    """What stands at `module:name`, imported now.

    Examples:
        >>> resolved("drrec.errors:InputError").__name__
        'InputError'
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
