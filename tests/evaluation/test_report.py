"""Summaries, tables, files and figures from planted metrics."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from tests.evaluation.stubs import planted

from drrec.evaluation.figures import save_curves, save_intervals
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.report import report_text, short, table, write_report
from drrec.evaluation.result import Evaluation, joined
from drrec.evaluation.summary import baselines_by, summarised
from drrec.files import write_json
from drrec.reading import read_json
from drrec.registry import PROTOCOLS

LEVELS = {"random": 0.3, "pmf": 0.6, "popularity": 0.5, "ddpg": 0.7}


def results(seed: int = 0, shift: float = 0.0, **levels: float) -> Evaluation:
    """60 users whose metrics lie around each method's level plus `shift`."""
    rng = np.random.default_rng(0)
    methods = {
        ("rated", name, seed): PerUser(
            np.arange(60),
            {m: level + shift + rng.normal(0, 0.05, 60) for m in protocol_of("rated").metrics},
        )
        for name, level in (LEVELS | levels).items()
    }
    return planted(methods, dataset="ml-100k", split="temporal")


def test_every_protocol_has_its_metrics_columns_and_a_primary_one() -> None:
    for protocol in PROTOCOLS.values():
        assert {*protocol.shown, protocol.primary} <= set(protocol.metrics)


def test_the_chance_level_is_told_where_it_is_known(tmp_path: pathlib.Path) -> None:
    names = protocol_of("rated").metrics
    level = dict.fromkeys(names, 0.25)
    plain = results()
    assert "random order" not in table(summarised(plain), "rated")
    content = summarised(dataclasses.replace(plain, chance={"rated": level}))
    assert content["chance"]["rated"]["ndcg@5"] == 0.25
    told = "A random order is expected to reach precision@5 .250, ndcg@5 .250, precision@10 .250"
    assert told in table(content, "rated")
    for name, drawn in (("with", content), ("without", content | {"chance": {}})):
        save_intervals(drawn, "rated", tmp_path / f"{name}.png")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_summary_has_the_keys_that_other_programs_rely_on() -> None:
    content = summarised(results(seed=7), agents=["ddpg"])
    assert (content["dataset"], content["split"], content["seed"]) == ("ml-100k", "temporal", 7)
    methods = content["protocols"]["rated"]
    assert list(methods) == list(LEVELS)
    for name, level in LEVELS.items():
        assert list(methods[name]) == list(protocol_of("rated").metrics)
        for cell in methods[name].values():
            assert cell["low"] < cell["mean"] < cell["high"]
            assert cell["mean"] == pytest.approx(level, abs=0.03)
            assert cell["num_users"] == 60
            assert "std" not in cell


def test_the_agent_is_tested_against_the_best_baseline_alone() -> None:
    methods = summarised(results(), agents=["ddpg"])["protocols"]["rated"]
    best_first = ["pmf", "popularity", "random"]
    assert baselines_by(methods, protocol_of("rated"), ["ddpg"]) == best_first
    assert {cell["versus"] for cell in methods["ddpg"].values()} == {"pmf"}
    assert all(cell["p_value"] < 0.001 for cell in methods["ddpg"].values())
    assert not any(
        "p_value" in cell for name in LEVELS if name != "ddpg" for cell in methods[name].values()
    )
    alike = summarised(results(ddpg=0.6), agents=["ddpg"])["protocols"]["rated"]["ddpg"]
    assert max(cell["p_value"] for cell in alike.values()) > 0.05
    only = summarised(results(), agents=list(LEVELS))["protocols"]["rated"]
    assert "p_value" not in only["ddpg"]["map"]


def test_several_seeds_give_their_spread_and_the_mean_of_each_user() -> None:
    content = summarised(joined([results(3), results(4, shift=0.1)]), agents=["ddpg"])
    single = summarised(results(3, shift=0.05))["protocols"]["rated"]
    assert content["seeds"] == [3, 4]
    for name, cells in content["protocols"]["rated"].items():
        for metric, cell in cells.items():
            assert cell["std"] == pytest.approx(0.1 / np.sqrt(2))
            for key in ("mean", "low", "high"):
                assert cell[key] == pytest.approx(single[name][metric][key])


def test_the_test_is_of_the_mean_over_seeds_and_not_of_one() -> None:
    above_and_below = [results(3, ddpg=0.7), results(4, ddpg=0.5)]
    cells = summarised(joined(above_and_below), agents=["ddpg"])["protocols"]["rated"]["ddpg"]
    assert max(cell["p_value"] for cell in cells.values()) > 0.05


def without_a_method(other: Evaluation) -> Evaluation:
    return dataclasses.replace(other, values=other.values[other.values["method"] != "pmf"])


def with_other_users(other: Evaluation) -> Evaluation:
    lost = (other.values["method"] == "pmf") & (other.values["user"] == "u007")
    return dataclasses.replace(other, values=other.values[~lost])


def with_the_same_seed(other: Evaluation) -> Evaluation:
    return dataclasses.replace(other, values=other.values.assign(seed=0))


@pytest.mark.parametrize(
    "changed",
    [
        lambda other: dataclasses.replace(other, dataset="ml-1m"),
        lambda other: dataclasses.replace(other, split="random"),
        without_a_method,
        with_other_users,
        with_the_same_seed,
    ],
)
def test_results_that_do_not_belong_together_are_refused(
    changed: Callable[[Evaluation], Evaluation],
) -> None:
    with pytest.raises(ValueError, match=r"Expected .* Received: "):
        summarised(joined([results(), changed(results(1))]))


def content() -> dict[str, Any]:
    return summarised(results(), agents=["ddpg"])


def test_table_shows_means_intervals_the_best_and_the_test() -> None:
    whole = content()
    lines = table(whole, "rated").splitlines()
    assert lines[0].split("|")[1].strip() == "method"
    assert [cell.strip() for cell in lines[0].split("|")[2:-1]] == list(protocol_of("rated").shown)
    assert len({len(line) for line in lines[:6]}) == 1
    cell = whole["protocols"]["rated"]["ddpg"]["ndcg@5"]
    expected = f"**{short(cell['mean'])}** [{short(cell['low'])}, {short(cell['high'])}]"
    assert lines[5].split("|")[3].strip() == expected
    assert sum(line.count("**") for line in lines[2:6]) == 2 * len(protocol_of("rated").shown)
    text = "\n".join(lines)
    assert "ml-100k, temporal split, `rated`, 60 users, seed 0." in text
    assert "ddpg against pmf, the best baseline by ndcg@5" in text
    assert "p < .001" in text


def test_table_of_several_seeds_names_them_with_their_spread() -> None:
    whole = summarised(joined([results(3), results(4, shift=0.1)]))
    text = table(whole, "rated")
    assert "seeds 3, 4." in text
    assert "± .071 [" in text


def test_short_numbers() -> None:
    given = [0.7434, 1.0, 0.9999, 0.0, -0.25, 9.5, None, float("nan")]
    shown = [".743", "1.000", "1.000", ".000", "-0.250", "9.500", "–", "–"]
    assert [short(value) for value in given] == shown


def test_report_on_disk_is_strict_json_and_reads_back(tmp_path: pathlib.Path) -> None:
    whole = content()
    whole["protocols"]["rated"]["random"]["map"]["mean"] = float("nan")
    write_report(tmp_path, whole, {"step": [1, 2, 3], "loss": [3.0, float("nan"), 1.0]})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"metrics.json", "report.md", "rated.csv", "rated.png", "training.png"}

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / "metrics.json").read_text()
    parsed = json.loads(text, parse_constant=refuse)
    assert parsed["protocols"]["rated"]["random"]["map"]["mean"] is None
    again = read_json(tmp_path / "metrics.json")
    assert table(again, "rated") == table(whole, "rated")
    written = (tmp_path / "report.md").read_text()
    assert written == report_text(again, ["rated.png", "training.png"])
    assert "–" in written
    assert written.endswith("![rated](rated.png)\n\n![training](training.png)\n")
    save_intervals(again, "rated", tmp_path / "again.png")


def test_whiskers_are_as_long_as_the_intervals(tmp_path: pathlib.Path) -> None:
    lengths = []
    for name, share in (("narrow", 0.1), ("wide", 0.9)):
        whole = content()
        for method, cells in whole["protocols"]["rated"].items():
            half = 0.5 * (share if method == "random" else 1.0)
            for cell in cells.values():
                cell |= {"mean": 0.5, "low": 0.5 - half, "high": 0.5 + half}
        save_intervals(whole, "rated", tmp_path / f"{name}.png")
        pixels = imread(tmp_path / f"{name}.png")[..., :3]
        blue = np.abs(pixels - np.array([0x1F, 0x77, 0xB4]) / 255).max(axis=-1) < 0.01
        top = np.flatnonzero(blue.any(axis=1))[0]  # of the first method's point, or its caps
        lengths.append(blue[top : top + 10].any(axis=0).sum())
    assert 5 < lengths[1] / lengths[0] < 12


@pytest.mark.parametrize("num_columns", [0, 1, 3, 7])
def test_curves_have_a_panel_for_each_column(tmp_path: pathlib.Path, num_columns: int) -> None:
    columns = {f"metric {index}": [1.0, 2.0, np.nan] for index in range(num_columns)}
    save_curves({"step": [10, 20, 30], **columns}, tmp_path / "training.png")
    rows = max(1, -(-num_columns // 3))
    assert imread(tmp_path / "training.png").shape[0] == 300 * rows
    save_curves(columns, tmp_path / "training.png")  # by row number
    assert imread(tmp_path / "training.png").shape[0] == 300 * rows


def test_a_full_disk_leaves_no_half_a_figure(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(figure: Figure, path: pathlib.Path, **settings: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_curves({"step": [1, 2], "loss": [2, 1]}, tmp_path / "training.png")
    assert not list(tmp_path.iterdir())


def test_write_json_takes_the_summary_as_it_is(tmp_path: pathlib.Path) -> None:
    write_json(tmp_path / "metrics.json", content())
    assert (
        read_json(tmp_path / "metrics.json")["protocols"]["rated"]["pmf"]["map"]["num_users"] == 60
    )
