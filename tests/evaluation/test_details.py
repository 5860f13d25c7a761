"""What stands below a protocol's table: which rows, which numbers, and what is left out."""

import pathlib
from typing import Any

import numpy as np
import pytest
from tests.evaluation.stubs import Stub, planted

from drrec.baselines.chance import Random
from drrec.baselines.popularity import Popularity
from drrec.data.interactions import Interactions
from drrec.evaluation.calibration import rating_errors
from drrec.evaluation.details import details, off_policy
from drrec.evaluation.longform import read_long
from drrec.evaluation.markdown import grid, p_value, short, signed, with_interval
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.rated import rated
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.result import Background
from drrec.evaluation.summary import baselines_by, summarised
from drrec.reading import read_json

BASELINES = ["first", "second", "random", "popularity"]


class Predictor(Stub):
    rating_offset = 3.0


def summary(whole: Interactions, num_seeds: int = 1) -> dict[str, Any]:
    is_test = whole.position_from_end() < 12
    train, test = whole.where(~is_test), whole.where(is_test)
    found, errors = {}, {}
    for seed in range(num_seeds):
        methods: dict[str, Any] = {
            "first": Stub(lambda u, h, i: np.sin(i), train.num_items),
            "second": Stub(lambda u, h, i: np.cos(i), train.num_items),
            "random": Random(seed).fit(train),
            "popularity": Popularity().fit(train),
            "ddpg": Predictor(lambda u, h, i, s=seed: np.sin(u + i * i + s), train.num_items),
            "td3": Stub(lambda u, h, i: np.cos(u * i), train.num_items),
        }
        for name, each in methods.items():
            found["rated", name, seed] = rated(each, train, test, seed=seed)
        errors["ddpg", seed] = rating_errors(methods["ddpg"], train, test)
    back = Background(train, {"rated": test}, np.eye(train.num_items)[:, :9] + 0.1)
    return summarised(planted(found, background=back, errors=errors), agents=["ddpg", "td3"])


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in [lines[0], *lines[2:]]]


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_agents_against_the_best_baselines(tiny_interactions: Interactions, num_seeds: int) -> None:
    content = summary(tiny_interactions, num_seeds)
    heading, text = details(content, "rated")[:2]
    assert heading == "### Agents against baselines"
    rows = rows_of(text)
    best = baselines_by(content["protocols"]["rated"], protocol_of("rated"), ["ddpg", "td3"])[:3]
    assert [row[:2] for row in rows[1:]] == [[a, b] for a in ("ddpg", "td3") for b in best]
    seeds = "_seeds" if num_seeds > 1 else ""
    for agent, baseline, *shown in rows[1:]:
        cell = content["comparisons"]["rated"]["agents"][agent][baseline]
        mean, low, high = (signed(cell[key]) for key in ("mean", f"low{seeds}", f"high{seeds}"))
        tests = [p_value(cell["p_value"]), p_value(cell["p_holm"])]
        effects = [signed(cell["d_z"], 2), short(cell["superiority"], 2)]
        assert shown == [f"{mean} [{low}, {high}]", *tests, *effects]
    assert "for all 8 pairs" in text
    assert ("over users and seeds" in text) == (num_seeds > 1)
    assert "Shown are the 3 best baselines" in text


def test_lists_and_errors_of_all_methods(tiny_interactions: Interactions) -> None:
    content = summary(tiny_interactions)
    parts = details(content, "rated")
    assert parts[2] == "### Beyond accuracy"
    rows = rows_of(parts[3])
    lists = content["beyond"]["rated"]
    assert rows[0][1:] == [*lists["ddpg"]]
    assert [row[0] for row in rows[1:]] == [*BASELINES, "ddpg", "td3"]
    for method, *cells in rows[1:]:
        for name, cell in zip(rows[0][1:], cells, strict=True):
            assert cell == (with_interval(lists[method][name]) if name in lists[method] else "–")
    assert rows[1][-3:] == ["–"] * 3
    assert "[" not in rows[1][1]  # coverage has no interval
    assert "Errors of predicted ratings" in parts[3]


def test_thirds_of_agents_and_the_best_baselines(tiny_interactions: Interactions) -> None:
    content = summary(tiny_interactions)
    heading, *tables = details(content, "rated")[4:]
    assert heading == "### By thirds"
    best = baselines_by(content["protocols"]["rated"], protocol_of("rated"), ["ddpg", "td3"])[:3]
    for name, text in zip(("history_length", "item_popularity"), tables, strict=True):
        by = content["slices"]["rated"][name]
        rows = rows_of(text)
        for group, title in zip(by["groups"], rows[0][1:], strict=True):
            least, most = group["least"], group["most"]
            assert title == (f"{least} to {most}" if least < most else str(least))
        assert [row[0] for row in rows[1:]] == ["ddpg", "td3", *best]
        for method, *cells in rows[1:]:
            assert cells == [with_interval(cell) for cell in by["methods"][method]]
        users = ", ".join(str(cell["num_users"]) for cell in by["methods"]["ddpg"])
        assert f"{users} users" in text


def test_what_is_not_there_is_left_out(tiny_interactions: Interactions) -> None:
    content = summary(tiny_interactions)
    for key, part in (("comparisons", 0), ("beyond", 2), ("slices", 4)):
        without = details({k: v for k, v in content.items() if k != key}, "rated")
        assert details(content, "rated")[part] not in without
        assert len(without) > 0
    old = {k: v for k, v in content.items() if k not in ("comparisons", "beyond", "slices")}
    assert details(old, "rated") == []
    undivided = content | {"slices": {"rated": {"metric": "ndcg@5"}}}
    assert "### By thirds" not in details(undivided, "rated")


def test_reports_have_the_details_and_a_csv_for_each_table(
    tiny_interactions: Interactions, tmp_path: pathlib.Path
) -> None:
    content = summary(tiny_interactions, 2)
    write_report(tmp_path, content)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"metrics.json", "report.md", "rated.csv", "rated-beyond.csv", "rated.png"}
    again = read_json(tmp_path / "metrics.json")
    assert report_text(again, ["rated.png"]) == (tmp_path / "report.md").read_text()
    assert "\n\n".join(details(again, "rated")) in report_text(again)
    kept = ("mean", "low", "high", "std", "num_users")
    for table, name in ((again["protocols"], "rated"), (again["beyond"], "rated-beyond")):
        expected = {
            method: {m: {key: cell[key] for key in kept} for m, cell in cells.items()}
            for method, cells in table["rated"].items()
        }
        assert read_long(tmp_path / f"{name}.csv") == expected


def test_numbers_as_they_are_shown() -> None:
    assert [signed(v) for v in (0.0123, -0.5, 0.0, None, float("nan"))] == [
        *("+0.012", "-0.500", "+0.000", "–", "–")
    ]
    assert [p_value(v) for v in (0.0009, 0.001, 0.2, 1.0, None)] == [
        *("< .001", ".001", ".200", "1.000", "–")
    ]
    cell = {"mean": 0.5, "low": 0.4, "high": 1.25}
    assert with_interval(cell) == ".500 [.400, 1.250]"
    assert with_interval(cell | {"std": 0.1}, "**x**") == "**x** ± .100 [.400, 1.250]"
    assert with_interval(cell | {"low": None}) == ".500"
    assert with_interval({"mean": -0.5, "low": -0.7, "high": -0.1}) == "-0.500 [-0.700, -0.100]"
    assert grid([["a", "b"], ["ccc", "d"]]) == ["| a   | b |", "|-----|---|", "| ccc | d |"]


def test_off_policy_estimates_stand_with_how_far_to_trust_them():
    estimate = {"mean": 0.25, "low": 0.1, "high": 0.4}
    methods = {
        "pmf": {
            "verdict": "indicative",
            "effective_sample": 1234.5,
            "overlap": 0.876,
            "mean_weight": 1.5,
            **dict.fromkeys(("snips", "doubly_robust", "fitted_q"), estimate),
        },
        "random": {"verdict": "too thin: …", "effective_sample": 12.0, "overlap": 1.0},
    }
    lines = off_policy(methods).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:4]]
    assert cells[0][-3:] == ["effective sample", "overlap", "mean weight"]
    assert cells[2] == ["pmf", *[".250 [.100, .400]"] * 3, "1,234", ".88", "1.50"]
    assert cells[3] == ["random", "–", "–", "–", "12", "1.00", "–"]
