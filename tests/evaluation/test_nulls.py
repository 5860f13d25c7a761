"""What is not known is null in `metrics.json`: its key is there, and whoever reads it copes."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.stubs import log, planted

from drrec.evaluation.calibration import Errors
from drrec.evaluation.cost import UNKNOWN, Cost
from drrec.evaluation.figures import save_intervals
from drrec.evaluation.gains import gains
from drrec.evaluation.offpolicy import Indication
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.report import report_text, write_report
from drrec.evaluation.result import Background, Ceiling, Evaluation
from drrec.evaluation.summary import summarised
from drrec.experiment.provenance import costs
from drrec.files import to_json
from drrec.reading import read_json
from drrec.registry import PROTOCOLS

NAN = float("nan")
METHODS = ("random", "pmf", "ddpg", "ddpg_ids")
CELL = {"mean", "low", "high", "num_users"}
TEST = {"mean", "low", "high", "p_value", "p_holm", "d_z", "superiority"}
USERS = 12


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def measured(protocol: str, seeds: int, gaps: np.ndarray) -> Evaluation:
    """Random values; `gaps [methods, metrics]`: none of a user, all of them, or some are NaN."""
    rng = np.random.default_rng(0)
    found = {}
    for seed in range(seeds):
        for method, row in zip(METHODS, gaps, strict=True):
            metrics = {}
            for metric, gap in zip(protocol_of(protocol).metrics, row, strict=False):
                values = rng.random(USERS)
                values[: (0, USERS, USERS // 2)[gap]] = NAN
                metrics[metric] = values
            lists = rng.integers(0, 9, (USERS, 10)).astype(np.int32)
            found[protocol, method, seed] = PerUser(np.arange(USERS), metrics, lists)
    train = log([(user, item, 5.0) for user in range(USERS) for item in range(1, user + 4)])
    keys = [(method, seed) for method in METHODS for seed in range(seeds)]
    nothing = np.zeros(USERS)
    return planted(
        found,
        dataset="made up",
        split="temporal",
        chance={protocol: dict.fromkeys(protocol_of(protocol).metrics, NAN)},
        background=Background(train, {protocol: train}, np.zeros((train.num_items, 2))),
        ceilings={(protocol, "ddpg", seed): Ceiling("ease", 5, NAN) for seed in range(seeds)},
        errors={key: Errors(np.arange(USERS), nothing, nothing, nothing + 1, NAN) for key in keys},
        indications={"pmf": Indication("too thin: all of it", None, NAN, NAN)},
        fits={key: UNKNOWN for key in keys},
        scoring={(protocol, *key): Cost(1.0, NAN) for key in keys},
    )


def cells(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All dicts below, with their path, that hold a mean."""
    if isinstance(value, dict):
        if "mean" in value:
            yield path, value
        for key, each in value.items():
            yield from cells(each, (*path, key))
    elif isinstance(value, list):
        for each in value:
            yield from cells(each, path)


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_every_cell_has_its_keys_and_null_for_what_is_not_known(
    protocol: str, seeds: int, data: st.DataObject
) -> None:
    shape = (len(METHODS), len(protocol_of(protocol).metrics))
    size = shape[0] * shape[1]
    drawn = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    found = measured(protocol, seeds, np.reshape(drawn, shape))
    content = summarised(found, agents=["ddpg", "ddpg_ids"])
    content["content_added"] = gains(found, ["ddpg"], "ddpg_ids")
    content["made_by"] = {"costs": costs(found)}
    read = strict(to_json(content))
    several = {"std", "low_seeds", "high_seeds"} if seeds > 1 else set()
    for method, metrics in read["protocols"][protocol].items():
        assert list(metrics) == list(protocol_of(protocol).metrics)
        agents = {"p_value", "versus"} if method.startswith("ddpg") else set()
        for cell in metrics.values():
            assert set(cell) == CELL | several | agents
            for key in ("mean", "low", "high"):
                assert (cell[key] is None) == (cell["num_users"] == 0)
    for baselines in read["comparisons"][protocol]["agents"].values():
        assert set(baselines) == {"random", "pmf"}
        for cell in baselines.values():
            assert set(cell) == TEST | (several - {"std"})
    for path, cell in cells(read):
        assert {"mean", "low", "high"} <= set(cell), path
    assert report_text(read) == report_text(content)
    assert "nan" not in report_text(content)


def test_of_nothing_that_is_known_a_report_is_written(tmp_path: pathlib.Path) -> None:
    found = measured("rated", 2, np.ones((len(METHODS), 5), int))
    content = summarised(found, agents=["ddpg", "ddpg_ids"])
    content["content_added"] = gains(found, ["ddpg"], "ddpg_ids")
    write_report(tmp_path, content)
    read = read_json(tmp_path / "metrics.json")
    assert read == strict(to_json(content))
    assert {cell["mean"] for _, cell in cells(read["protocols"])} == {None}
    save_intervals(read, "rated", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "rated.png").read_bytes()
