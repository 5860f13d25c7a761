"""Probabilities and expectations against all rankings of a few columns."""

import itertools

import numpy as np
import pytest
import torch

from drrec.llm.plackett_luce import drawn, expected_reward, log_probability, rank_of

SCORES = torch.tensor([[0.3, -1.2, 2.0, 0.0], [-3.0, 4.0, 0.1, 1.0]])
EVERY = torch.tensor([*itertools.permutations(range(4))])
PLACE = torch.tensor([3, 2])
REWARDS = torch.tensor([2.0, 0.63, 0.5])


def probabilities(scores=SCORES):
    return log_probability(scores, EVERY.expand(len(scores), -1, -1), 4).exp()  # [B, 24]


def test_all_rankings_together_have_probability_one():
    torch.testing.assert_close(probabilities().sum(dim=1), torch.ones(2))


def test_the_first_place_is_a_softmax_and_the_first_two_a_product():
    rankings = EVERY.expand(2, -1, -1)
    first = log_probability(SCORES, rankings, 1)
    expected = SCORES.log_softmax(dim=1)[:, EVERY[:, 0]]
    torch.testing.assert_close(first, expected)
    two = log_probability(SCORES, rankings, 2).exp()[0, 0]  # columns 0, then 1
    weight = SCORES[0].exp()
    torch.testing.assert_close(two, weight[0] / weight.sum() * weight[1] / weight[1:].sum())


def test_rankings_are_drawn_as_often_as_their_probability_says():
    torch.manual_seed(0)
    rankings = drawn(SCORES, 20_000)
    code = (rankings * torch.tensor([64, 16, 4, 1])).sum(dim=2)
    for row in range(2):
        counts = torch.stack(
            [
                (code[row] == each).sum()
                for each in (EVERY * torch.tensor([64, 16, 4, 1])).sum(dim=1)
            ]
        )
        np.testing.assert_allclose(counts / 20_000, probabilities()[row], atol=0.012)


def test_the_rank_of_a_column_is_where_it_stands():
    rankings = torch.tensor([[[2, 0, 1, 3], [3, 2, 1, 0]]])
    assert rank_of(rankings, torch.tensor([3])).tolist() == [[3, 0]]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_expected_reward_is_that_of_all_rankings(length):
    rank = rank_of(EVERY.expand(2, -1, -1), PLACE)
    table = torch.cat([REWARDS[:length], torch.zeros(4)])
    expected = (probabilities() * table[rank]).sum(dim=1)
    found = expected_reward(SCORES, PLACE, REWARDS[:length])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_its_gradient_is_that_of_all_rankings():
    ours, theirs = (SCORES.clone().requires_grad_() for _ in range(2))
    expected_reward(ours, PLACE, REWARDS).sum().backward()
    table = torch.cat([REWARDS, torch.zeros(4)])
    rank = rank_of(EVERY.expand(2, -1, -1), PLACE)
    (probabilities(theirs) * table[rank]).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_with_a_hundred_columns_of_one_score_each_rank_is_as_likely():
    found = expected_reward(torch.zeros(1, 100), torch.tensor([7]), REWARDS)
    torch.testing.assert_close(found, REWARDS.sum()[None] / 100, rtol=1e-3, atol=0)


def test_a_right_column_that_is_far_ahead_or_behind_is_not_lost():
    for ahead, expected in ((30.0, 2.0), (-30.0, 0.0)):
        scores = torch.zeros(1, 10)
        scores[0, 2] = ahead
        found = expected_reward(scores, torch.tensor([2]), REWARDS)
        assert float(found) == pytest.approx(expected, abs=1e-4)
