"""Estimates on a log without propensities: indicative at best, and nothing where it is too thin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.baselines.collaborative import ItemCF
from drrec.data.histories import opening, pushed
from drrec.data.interactions import LIKED_ABOVE
from drrec.errors import InputError
from drrec.evaluation.offpolicy.behaviour import PopularityPolicy
from drrec.evaluation.offpolicy.estimators import OffPolicy, estimates
from drrec.evaluation.offpolicy.log import Features, LoggedSteps
from drrec.evaluation.offpolicy.policies import SoftmaxPolicy
from drrec.scoring import batches, catalogue

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions
    from drrec.evaluation.offpolicy.policies import StochasticPolicy
    from drrec.types import Scorer

LEAST_SAMPLE = 1000
"""Steps of equal weight that an estimate needs at least."""

LEAST_OVERLAP = 0.8
"""The share of the logged steps that the target policy has to support."""

MOST_SCORES = 2**31
"""Test rows times items that are scored for each method; of a larger test users are drawn."""


class Indication(NamedTuple):
    """What a log without propensities says of a policy."""

    verdict: str
    """`indicative`, or `too thin: …` with the reason."""
    estimates: OffPolicy | None
    """Mean reward of a step, None where the log is too thin."""
    effective_sample: float
    overlap: float


def indicative(
    recommender: Scorer,
    train: Interactions,
    test: Interactions,
    *,
    temperature: float = 1.0,
    state_size: int = 10,
    seed: int = 0,
) -> Indication:
    """The mean reward, (rating − 3) / 2, of what a softmax over a recommender's scores would show.

    Each test row is a session of one step in the state in which it was logged; a user's rows are
    drawn together. The log's policy is taken to be `PopularityPolicy`, fitted on `train`.

    Args:
        recommender: fitted on `train`.
        train: what histories start from, and what the behaviour and the reward model learn from.
        test: the logged steps, all later than the user's in `train`.
        temperature: of the softmax over standardised scores.
        state_size: L, the length of a history.
        seed: of the resamples.

    Raises:
        InputError: there is no test row, or a score is not finite.
    """
    if not len(test):
        raise InputError(
            "Expected test ratings. Received: none. Take a split that keeps some for the test."
        )
    test = some_users(test, MOST_SCORES // train.num_items, seed)
    behaviour = PopularityPolicy().fit(train)
    target = SoftmaxPolicy(recommender, temperature)
    evidence, features = logged_steps(behaviour, target, train, test, state_size)
    sample, overlap = evidence.effective_sample, evidence.overlap
    thin = [
        "all ratings are alike" if np.ptp(test.rating) == 0 else "",
        f"effective sample {sample:,.0f} < {LEAST_SAMPLE:,}" if sample < LEAST_SAMPLE else "",
        f"overlap {overlap:.2f} < {LEAST_OVERLAP}" if overlap < LEAST_OVERLAP else "",
    ]
    if any(thin):
        return Indication(f"too thin: {', '.join(filter(None, thin))}", None, sample, overlap)
    return Indication("indicative", estimates(evidence, features, seed=seed), sample, overlap)


def some_users(test: Interactions, most_rows: int, seed: int) -> Interactions:
    """All rows of users drawn at random, until there are `most_rows`; all users if that is all."""
    if len(test) <= most_rows:
        return test
    order = np.random.default_rng(seed).permutation(test.num_users)
    is_drawn = np.zeros(test.num_users, bool)
    is_drawn[order[test.counts()[order].cumsum() <= most_rows]] = True
    return test.where(is_drawn[test.user])


def logged_steps(
    behaviour: StochasticPolicy,
    target: StochasticPolicy,
    train: Interactions,
    test: Interactions,
    state_size: int,
) -> tuple[LoggedSteps, Features]:
    """Each test row as a session of one step, with the user as its unit.

    An item's features are 1, its log count in `train`, standardised, and the reward that `ItemCF`
    predicts.
    """
    model = ItemCF().fit(train)
    reads_rewards = getattr(getattr(target, "recommender", None), "reads_rewards", False)
    histories = histories_before(train, test, state_size, with_rewards=reads_rewards)
    count = np.log1p(np.bincount(train.item, minlength=train.num_items))
    count = (count - count[1:].mean()) / max(float(count[1:].std()), 1e-6)
    parts = []
    for rows in batches(np.arange(len(test)), train.num_items):
        users, item = test.user[rows], test.item[rows]
        is_new = unrated_before(train, test, rows)
        chances = target.probabilities(users, histories[rows], is_new)  # [B, I]
        shown_by = behaviour.probabilities(users, histories[rows], is_new)
        predicted = (model.score(users, histories[rows]) - LIKED_ABOVE) / 2
        each = np.arange(len(rows))
        ones = np.ones(len(rows))
        mean_count, mean_reward = chances @ count, (chances * predicted).sum(axis=1)
        parts.append(
            (
                chances[each, item],
                shown_by[each, item],
                np.stack([ones, count[item], predicted[each, item]], axis=1),
                np.stack([ones, mean_count, mean_reward], axis=1),
            )
        )
    asked, shown, logged, expected = (np.concatenate(part) for part in zip(*parts, strict=True))
    reward = (test.rating.astype(np.float64) - LIKED_ABOVE) / 2
    is_step = np.ones((len(test), 1), bool)
    evidence = LoggedSteps(reward[:, None], shown[:, None], asked[:, None], is_step, test.user)
    return evidence, Features(logged[:, None], expected[:, None])


def unrated_before(train: Interactions, test: Interactions, rows: np.ndarray) -> np.ndarray:
    """[B, I] bool: what the users of test `rows [B]` had not rated when they came to them."""
    is_new = catalogue(train, test.user[rows], mask_seen=True)
    first = test.offsets[test.user[rows]]
    place = rows - first  # rows of the same user before each
    row = np.repeat(np.arange(len(rows)), place)
    back = np.arange(len(row)) - np.repeat(np.cumsum(place) - place, place)
    is_new[row, test.item[first[row] + back]] = False
    return is_new


def histories_before(
    train: Interactions, test: Interactions, state_size: int, *, with_rewards: bool = False
) -> np.ndarray:
    """[R, L] each user's history when they came to each test row; see `data.histories.opening`."""
    now = opening(train, state_size, with_rewards=with_rewards)
    histories = np.zeros((len(test), state_size), now.dtype)
    rewards = (test.rating - LIKED_ABOVE) / 2
    for row, user in enumerate(test.user.tolist()):
        histories[row] = now[user]
        now[[user]] = pushed(now[[user]], test.item[[row]], rewards[[row]])
    return histories
