"""Data flows one way: a module imports only what is left of it."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ARROWS = [
    {"errors"}, {"lazy", "types", "files", "ranges", "locks"}, {"limits"}, {"cluster"},
    {"reading", "arrays"}, {"registry"}, {"data"}, {"saving", "scoring"}, {"known"}, {"base"},
    {"worlds"}, {"features"}, {"llm"}, {"nn"}, {"embeddings"}, {"baselines"}, {"envs"}, {"agents"},
    {"evaluation"}, {"experiment"}, {"serving"}, {"device", "api", "bulk"}, {"cli"}, {"__main__"},
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(ARROWS) for room in rooms}
MODULES = sorted((ROOT / "src/drrec").rglob("*.py"))


def imported(path: pathlib.Path, *, at_run_time: bool) -> set[str]:
    """Full names that a file imports, anywhere in it, but for type checkers if `at_run_time`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if at_run_time:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    plain = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    return {*names, *plain}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src/drrec")))
def test_imports_only_what_is_left_of_it(path):
    room = path.relative_to(ROOT / "src/drrec").with_suffix("").parts[0]
    if room == "__init__":
        return
    rooms = {
        name.split(".")[1] for name in imported(path, at_run_time=True) if name.startswith("drrec.")
    }
    assert {other for other in rooms - {room} if RANK[other] >= RANK[room]} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src/drrec")))
def test_torch_stays_behind_the_wall(path):
    if not {"features", "llm"} & {*path.parts}:
        used = {name.split(".")[0] for name in imported(path, at_run_time=False)}
        assert used.isdisjoint({"torch", "transformers", "peft", "tokenizers"})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src/drrec")))
def test_ray_stays_in_one_package(path):
    if "cluster" not in path.parts:
        assert "ray" not in {name.split(".")[0] for name in imported(path, at_run_time=False)}


def test_every_room_has_its_place():
    assert {p.relative_to(ROOT / "src/drrec").with_suffix("").parts[0] for p in MODULES} - {
        "__init__"
    } <= set(RANK)
