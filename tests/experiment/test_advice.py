"""The first line of a report says where an agent knows no more than chance or popularity."""

import dataclasses
import re

import numpy as np
import pytest

from drrec.embeddings.config import ContentConfig, EmbeddingConfig
from drrec.evaluation.comparisons import compared
from drrec.evaluation.report import report_text
from drrec.experiment.advice import advice
from drrec.experiment.config import TrainConfig

IMPLICIT = EmbeddingConfig(embedding="implicit")


def content(protocol="ranked", metric="ndcg@10", **means):
    """What a report holds of methods that differ by these means, among 400 users."""
    noise = np.random.default_rng(0).normal(0, 0.05, (1, 400))
    values = {name: mean + noise * (1 + 0.1 * at) for at, (name, mean) in enumerate(means.items())}
    others = [name for name in means if name != "ddpg"]
    cells = {name: {metric: {"mean": mean}} for name, mean in means.items()}
    agents = compared(values, ["ddpg"], others)
    return {
        "comparisons": {protocol: {"metric": metric, "agents": agents}},
        "protocols": {protocol: cells},
    }


def test_an_agent_above_both_is_not_warned_of():
    found = content(ddpg=0.3, random=0.1, popularity=0.2)
    assert advice(TrainConfig(), found) == []


@pytest.mark.parametrize(
    ("changes", "protocol", "means", "said"),
    [
        ({"vectors": IMPLICIT}, "ranked", (0.1, 0.1, 0.2), "a random order.*--unobserved-weight"),
        ({}, "ranked", (0.1, 0.1, 0.2), "a random order.*--config whole_catalogue"),
        ({}, "rated", (0.1, 0.1, 0.2), "a random order.*--lr-actor"),
        ({}, "rated", (0.05, 0.1, 0.2), "a random order"),
        (
            {"vectors": IMPLICIT},
            "ranked",
            (0.2, 0.1, 0.2),
            "above popularity.*--popularity-prior 1",
        ),
        ({}, "cold_items", (0.1, 0.1, 0.2), "--modality"),
        (
            {"content": ContentConfig(modality="text"), "vectors": IMPLICIT},
            *("cold_items", (0.1, 0.1, 0.2), "--unobserved-weight"),
        ),
    ],
)
def test_what_is_not_above_is_named_with_the_likely_cause(changes, protocol, means, said):
    found = content(protocol, **dict(zip(("ddpg", "random", "popularity"), means, strict=True)))
    config = dataclasses.replace(TrainConfig(), **changes)
    (line,) = advice(config, found)
    assert line.startswith("ddpg is not significantly above ")
    assert f"under {protocol} (ndcg@10 " in line
    assert re.search(said, line)


def test_what_was_not_measured_is_not_spoken_of():
    assert advice(TrainConfig(), content(ddpg=0.1, ease=0.2)) == []


def test_it_stands_before_the_first_table():
    text = report_text({"dataset": "a", "split": "b", "protocols": {}, "warnings": ["Oh no."]})
    assert text.splitlines()[2] == "**Warning.** Oh no."
