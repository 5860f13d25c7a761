"""Regret: who has less is better, wherever methods are ordered, marked or put into words."""

import dataclasses
import pathlib

import numpy as np
import pytest
from tests.evaluation.stubs import log, planted

from drrec.evaluation.details import details
from drrec.evaluation.gains import gains, gains_text
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.drifting import DRIFTING
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.report import report_text, table, write_report
from drrec.evaluation.result import Background, Evaluation
from drrec.evaluation.summary import baselines_by, summarised
from drrec.reading import read_json
from drrec.registry import PROTOCOLS

LEVELS = {"random": 9.0, "ease": 4.0, "pmf": 2.0, "slow": 7.0, "ddpg": 1.0, "optimum": 0.0}
"""Mean regret; of all but `optimum` there is some."""


@pytest.fixture(autouse=True)
def _by_regret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drifting protocol, judged by its regret."""
    monkeypatch.setitem(PROTOCOLS, "by_regret", dataclasses.replace(DRIFTING, primary="regret"))


@pytest.fixture
def found() -> Evaluation:
    rng = np.random.default_rng(0)
    methods = {}
    for name, level in LEVELS.items():
        regret = level + rng.random(40)
        regret[0] = 8.0 if name == "ddpg" else regret[0]
        metrics = {"reward": 10 - regret, "mean_reward": 1 - regret / 10, "regret": regret}
        methods["by_regret", name, 0] = PerUser(np.arange(40), metrics | {"share": 1 - regret / 10})
    train = log([(user, item, 5.0) for user in range(40) for item in range(user + 2)])
    return planted(methods, dataset="made up", background=Background(train, {}))


def test_the_best_baseline_has_the_least_regret(found: Evaluation) -> None:
    content = summarised(found, agents=["ddpg"])
    methods = content["protocols"]["by_regret"]
    best_first = ["pmf", "ease", "slow", "random"]  # of bounds nobody is the rival
    assert baselines_by(methods, protocol_of("by_regret"), ["ddpg"]) == best_first
    assert {cell["versus"] for cell in methods["ddpg"].values()} == {"pmf"}
    comparison = content["comparisons"]["by_regret"]
    assert comparison["metric"] == "regret"
    assert list(comparison["agents"]["ddpg"]) == best_first
    methods["pmf"]["regret"]["mean"] = None  # as read from `metrics.json`: last, not first
    order = baselines_by(methods, protocol_of("by_regret"), ["ddpg"])
    assert order == ["ease", "slow", "random", "pmf"]


def test_who_is_better_off_has_less(found: Evaluation) -> None:
    cell = summarised(found, agents=["ddpg"])["comparisons"]["by_regret"]["agents"]["ddpg"]["pmf"]
    assert cell["mean"] < 0 > cell["d_z"]
    assert cell["superiority"] == 39 / 40
    compared = found.compare("ddpg", "pmf").set_index("metric")
    assert compared.loc["regret", "superiority"] == compared.loc["reward", "superiority"] == 39 / 40
    assert compared.loc["regret", "mean"] == pytest.approx(-compared.loc["reward", "mean"])


def test_the_least_is_bold_and_it_is_said(found: Evaluation) -> None:
    content = summarised(found, agents=["ddpg"])
    text = table(content, "by_regret")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert rows["ddpg"].count("**") == 2 * 3  # reward, regret and share
    assert sum(line.count("**") for line in rows.values()) == 2 * 3
    assert "Less is better of regret." in text
    assert "ddpg against pmf, the best baseline by regret" in text
    by_reward = dataclasses.replace(DRIFTING, columns=("reward",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "by_regret", by_reward)
        assert "Less is better" not in table(content, "by_regret")


def test_below_the_table_the_best_baselines_are_those_of_least_regret(
    found: Evaluation, tmp_path: pathlib.Path
) -> None:
    content = summarised(found, agents=["ddpg"])
    text = "\n\n".join(details(content, "by_regret"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    shown = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines]
    assert [row for row in shown if row[0] == "ddpg"][:3] == [
        ["ddpg", "pmf"],
        ["ddpg", "ease"],
        ["ddpg", "slow"],
    ]
    thirds = [row[0] for row in shown[shown.index(["method", "2 to 15"]) :]]
    assert thirds[2:] == ["ddpg", "pmf", "ease", "slow"]
    write_report(tmp_path, content)
    assert text in report_text(read_json(tmp_path / "metrics.json"))


def test_words_say_which_way_is_better(found: Evaluation) -> None:
    for method, versus, words in (
        ("ddpg", "pmf", "lower, which is better."),
        ("random", "pmf", "higher, which is worse."),
        ("pmf", "pmf", "no difference that chance could not make."),
    ):
        content = summarised(found) | {"content_added": gains(found, [method], versus)}
        assert gains_text(content).endswith(f": {words}")
