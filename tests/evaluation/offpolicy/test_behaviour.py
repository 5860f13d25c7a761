"""The likeliest popularity: its likelihood in plain numbers, and a planted one recovered."""

import numpy as np
import pytest
from tests.evaluation.stubs import log

from drrec.data.interactions import Interactions
from drrec.evaluation.offpolicy import PopularityPolicy
from drrec.evaluation.offpolicy.behaviour import likeliest_inverse_temperature, log_likelihood


def test_each_row_is_drawn_among_what_its_user_had_not_rated() -> None:
    train = log([(0, 1, 5), (0, 3, 1), (1, 2, 4), (2, 3, 3), (2, 2, 3), (2, 1, 3)])
    logit = np.array([9.0, 0.5, -1.0, 2.0])
    total = 0.0
    for user in range(3):
        left = [1, 2, 3]
        for item in train.item[train.user == user].tolist():
            total += 0.7 * logit[item] - np.log(np.exp(0.7 * logit[left]).sum())
            left.remove(item)
    assert log_likelihood(train, logit, 0.7) == pytest.approx(total)


@pytest.mark.parametrize("inverse_temperature", [0.0, 0.6, 1.5])
def test_a_planted_sharpness_is_recovered(inverse_temperature) -> None:
    rng = np.random.default_rng(1)
    logit = np.concatenate([[5.0], rng.normal(0, 1, 40)])
    # The order of Gumbel keys is that of drawing by the softmax without putting back.
    keys = inverse_temperature * logit[1:] + rng.gumbel(size=(150, 40))
    order = np.argsort(-keys, axis=1)[:, :12] + 1
    rows = [(u, i, 5) for u in range(150) for i in order[u].tolist()]
    rows += [(150, i, 5) for i in range(1, 41)]  # a user of all items, so that all are known
    found = likeliest_inverse_temperature(log(rows), logit)
    assert found == pytest.approx(inverse_temperature, abs=0.08)


def test_unseen_items_come_by_a_power_of_their_count(tiny_interactions: Interactions) -> None:
    policy = PopularityPolicy(temperature=0.5).fit(tiny_interactions)
    count = np.bincount(tiny_interactions.item, minlength=81)
    is_candidate = np.random.default_rng(0).random((4, 81)) < 0.5
    is_candidate[:, 0] = False
    found = policy.probabilities(np.arange(4), np.zeros((4, 2), np.int32), is_candidate)
    weight = is_candidate * (count + 1.0) ** 2
    np.testing.assert_allclose(found, weight / weight.sum(axis=1, keepdims=True), rtol=1e-9)


def test_the_temperature_is_fitted_anew_unless_it_was_given(
    tiny_interactions: Interactions,
) -> None:
    policy = PopularityPolicy().fit(tiny_interactions)
    first = policy.temperature
    logit = np.log1p(np.bincount(tiny_interactions.item, minlength=81))
    best = log_likelihood(tiny_interactions, logit, 1 / first)
    for other in (0.95, 1.05):
        assert log_likelihood(tiny_interactions, logit, other / first) < best
    half = tiny_interactions.where(tiny_interactions.item > 10)
    assert policy.fit(half).temperature == PopularityPolicy().fit(half).temperature != first
    assert PopularityPolicy(0.3).fit(half).temperature == 0.3
