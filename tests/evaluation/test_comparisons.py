"""All agents against all baselines: signs, the family, and the wider interval of seeds."""

import numpy as np
import pytest

from drrec.evaluation.comparisons import compared
from drrec.evaluation.effects import cohens_d_z, holm, superiority
from drrec.evaluation.statistics import mean_interval, paired_p_value

AGENTS, BASELINES = ["ddpg", "td3"], ["random", "pmf", "item_cf"]
LEVELS = {"ddpg": 0.62, "td3": 0.55, "random": 0.3, "pmf": 0.6, "item_cf": 0.55}


def values(num_seeds: int, seed_noise: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    user = rng.normal(0, 0.1, 80)
    found = {}
    for name, level in LEVELS.items():
        shift = rng.normal(0, seed_noise, (num_seeds, 1)) if name in AGENTS else 0
        found[name] = level + user + rng.normal(0, 0.05, (num_seeds, 80)) + shift
        found[name][:, 5] = np.nan
    return found


def test_each_pair_has_what_the_parts_say() -> None:
    given = values(2)
    found = compared(given, AGENTS, BASELINES)
    assert list(found) == AGENTS
    p_values = []
    for agent in AGENTS:
        assert list(found[agent]) == BASELINES
        for baseline in BASELINES:
            own, other = (given[name].mean(axis=0)[:, None] for name in (agent, baseline))
            cell = found[agent][baseline]
            expected = {key: v.item() for key, v in mean_interval(own - other)._asdict().items()}
            expected["p_value"] = paired_p_value(own, other).item()
            expected["d_z"] = cohens_d_z(own - other).item()
            expected["superiority"] = superiority(own - other).item()
            assert {key: cell[key] for key in expected} == pytest.approx(expected)
            p_values.append(cell["p_value"])
    family = [found[agent][baseline]["p_holm"] for agent in AGENTS for baseline in BASELINES]
    np.testing.assert_allclose(family, holm(np.array(p_values)))
    assert found["ddpg"]["random"]["mean"] == pytest.approx(0.32, abs=0.03)
    assert found["td3"]["pmf"]["mean"] < 0


def test_seeds_that_differ_widen_the_interval_over_both() -> None:
    assert "low_seeds" not in compared(values(1), AGENTS, BASELINES)["ddpg"]["pmf"]
    for noise, is_wider in ((0.0, 1.0), (0.1, 2.0)):
        cell = compared(values(5, noise), AGENTS, BASELINES)["ddpg"]["pmf"]
        for side in ("low", "high"):
            over_users, over_both = (
                abs(cell[f"{side}{over}"] - cell["mean"]) for over in ("", "_seeds")
            )
            assert over_both > is_wider * over_users


def test_without_baselines_there_is_nothing_to_compare() -> None:
    assert compared(values(1), AGENTS, []) == {"ddpg": {}, "td3": {}}
    assert compared(values(1), [], BASELINES) == {}
