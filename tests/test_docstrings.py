"""Every public name has a docstring with an example, and examples do what they say."""

import doctest
import functools
import importlib
import inspect
import pathlib
import types

import pytest
from tests.agents.tiny import without_xla

import drrec
from drrec.registry import BASELINES

SOURCE = pathlib.Path(drrec.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(("drrec", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
CALLABLE = (types.FunctionType, classmethod, staticmethod)
PROPERTY = (property, functools.cached_property)


def members(cls: type) -> dict[str, object]:
    """Public methods and properties by name, those of our own bases among them."""
    found: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("drrec."):
            found |= vars(base)
    kinds = (*CALLABLE, *PROPERTY)
    return {n: m for n, m in found.items() if not n.startswith("_") and isinstance(m, kinds)}


def called_by_users(cls: type) -> list[str]:
    """Public methods; of a recommender those of all recommenders, as training calls the others."""
    face = members(drrec.Recommender if issubclass(cls, drrec.Recommender) else cls)
    return [name for name, member in face.items() if isinstance(member, CALLABLE)]


def docs_of(cls: type, name: str) -> list[str]:
    """A method's docstrings: its own, and those of the same method of the bases."""
    found = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
    return [inspect.unwrap(getattr(each, "__func__", each)).__doc__ or "" for each in found]


def has_example(doc: str | None) -> bool:
    return bool(doctest.DocTestParser().get_examples(doc or ""))


def without_docstring(name: str, thing: object) -> list[str]:
    """What of a public name has none; the signature that dataclasses put there is none."""
    doc = thing.__doc__ or ""
    missing = [] if doc and not doc.startswith(f"{name}(") else [name]
    if isinstance(thing, type):
        missing += [f"{name}.{each}" for each in members(thing) if not any(docs_of(thing, each))]
    return missing


def without_example(name: str, thing: object) -> list[str]:
    """What of a public name has none; one in a base is enough for the methods of its heirs."""
    missing = [] if has_example(thing.__doc__) else [name]
    if isinstance(thing, type):
        methods = called_by_users(thing)
        missing += [
            f"{name}.{each}" for each in methods if not any(map(has_example, docs_of(thing, each)))
        ]
    return missing


@pytest.mark.parametrize("name", drrec.__all__)
def test_a_public_name_has_docstrings(name):
    assert without_docstring(name, getattr(drrec, name)) == []


@pytest.mark.parametrize("name", drrec.__all__)
def test_a_public_name_has_examples(name):
    assert without_example(name, getattr(drrec, name)) == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_module(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples write files where they run
    try:
        with without_xla():
            found = doctest.testmod(importlib.import_module(name))
    finally:
        BASELINES.pop("mine", None)  # what the example of `register` adds
    assert found.attempted > 0
    assert found.failed == 0


class _Planted(drrec.Popularity):
    def recommend(self):
        pass

    def shown(self):
        pass


class _PlantedData:
    """No example.

    Its module is not ours, so `members` would look past it.
    """

    __module__ = "drrec.planted"

    def rows(self):
        pass

    def columns(self):
        """Has a docstring, and no example."""

    def cells(self):
        """Has both.

        >>> 1 + 1
        2
        """


def test_what_is_missing_is_found():
    assert without_docstring("_Planted", _Planted) == ["_Planted"]
    assert without_docstring("_PlantedData", _PlantedData) == ["_PlantedData.rows"]
    assert without_example("_Planted", _Planted) == ["_Planted"]
    missing = ["_PlantedData", "_PlantedData.rows", "_PlantedData.columns"]
    assert without_example("_PlantedData", _PlantedData) == missing
