"""Cold items and users: who is where, who is nowhere, and that nothing of them is learned."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drrec.data.cold import ColdConfig, cold_groups, cold_split
from drrec.data.interactions import Interactions
from drrec.data.split import SplitConfig, split_interactions
from drrec.data.strategies import SPLITS, TEST, TRAIN, VALIDATION
from drrec.errors import InputError

GROUP = {"test": TEST, "validation": VALIDATION}
LOGS = ("train", "test", "cold_items", "cold_users")
judges = pytest.mark.parametrize("judge", GROUP)


def pairs(log: Interactions) -> set[tuple[int, int]]:
    return set(zip(log.user.tolist(), log.item.tolist(), strict=True))


@st.composite
def logs(draw: st.DrawFn) -> Interactions:
    """20 to 30 users and items, about two thirds of the pairs rated."""
    num_users, num_items = draw(st.integers(20, 30)), draw(st.integers(20, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    user, item = np.nonzero(generator.random((num_users, num_items)) < 0.67)
    rating = generator.integers(1, 6, len(user))
    return Interactions.from_raw(user, item, rating, generator.permutation(len(user)))


shares = st.sampled_from([0.0, 0.05, 0.1, 0.2])


@judges
@given(logs(), shares, shares, st.integers(0, 99), st.sampled_from(["temporal", "random"]))
def test_every_row_is_where_its_user_its_item_and_its_part_put_it(
    judge, log, items, users, seed, strategy
):
    split = split_interactions(log, SplitConfig(strategy=strategy))
    config = ColdConfig(items=items, users=users, seed=seed)
    cold = cold_split(log, split, config, judge)
    out = {GROUP[judge], TEST}
    expected: dict[str, set[tuple[int, int]]] = {name: set() for name in LOGS}
    learned = {TRAIN} if judge == "validation" else {TRAIN, VALIDATION}
    for user, item, part in zip(
        log.user.tolist(), log.item.tolist(), split.part.tolist(), strict=True
    ):
        cold_user, cold_item = cold.user_group[user] in out, cold.item_group[item] in out
        if not cold_user and not cold_item:
            if part in learned:
                expected["train"].add((user, item))
            elif part == GROUP[judge]:
                expected["test"].add((user, item))
        elif judge == "validation" and part == TEST:
            continue
        elif cold.item_group[item] == GROUP[judge] and not cold_user:
            expected["cold_items"].add((user, item))
        elif cold.user_group[user] == GROUP[judge] and not cold_item:
            expected["cold_users"].add((user, item))
    assert {name: pairs(getattr(cold, name)) for name in LOGS} == expected
    assert cold.candidates.tolist() == np.flatnonzero(cold.item_group == GROUP[judge]).tolist()
    assert np.isin(cold.cold_items.item, cold.candidates).all()


@judges
@given(logs(), st.integers(0, 99))
def test_the_four_logs_share_no_row_and_train_knows_nothing_cold(judge, log, seed):
    split = split_interactions(log)
    cold = cold_split(log, split, ColdConfig(items=0.2, users=0.2, seed=seed), judge)
    every = [pairs(getattr(cold, name)) for name in LOGS]
    assert len(set().union(*every)) == sum(map(len, every))
    for learned in (cold.train, cold.test):
        assert not set(learned.item.tolist()) & set(cold.candidates.tolist())
        assert not set(learned.user.tolist()) & set(cold.cold_users.user.tolist())
    assert not set(cold.cold_items.user.tolist()) & set(cold.cold_users.user.tolist())
    assert not set(cold.cold_items.item.tolist()) & set(cold.cold_users.item.tolist())


@judges
@given(logs())
def test_without_shares_the_ordinary_split_is_left(judge, log):
    split = split_interactions(log)
    cold = cold_split(log, split, ColdConfig(), judge)
    expected = (split.final().train, split.test) if judge == "test" else (
        split.train, split.validation
    )  # fmt: skip
    for made, ordinary in zip((cold.train, cold.test), expected, strict=True):
        assert made.fingerprint == ordinary.fingerprint
    assert len(cold.cold_items) == len(cold.cold_users) == len(cold.candidates) == 0


@example(100, 7, 0)  # 0.07 × 100 > 7 in floats
@given(st.integers(3, 200), st.integers(0, 49), st.integers(0, 9))
def test_the_groups_are_of_the_share_asked_for(num_rated, percent, seed):
    ids = np.repeat(np.arange(num_rated) * 2 + 1, 3)  # the even ids do not occur
    num_cold = -(-percent * num_rated // 100)
    config = ColdConfig(items=percent / 100, seed=seed)
    if 2 * num_cold >= num_rated:
        with pytest.raises(InputError, match="smaller share"):
            cold_groups(ids, 2 * num_rated, config, "items")
        return
    group = cold_groups(ids, 2 * num_rated, config, "items")
    assert group.dtype == np.int8
    assert (group[::2] == TRAIN).all()
    assert (group == TEST).sum() == (group == VALIDATION).sum() == num_cold


def test_the_groups_follow_the_seed_and_are_spread() -> None:
    ids = np.arange(200)
    groups = np.array(
        [cold_groups(ids, 200, ColdConfig(items=0.1, seed=seed), "items") for seed in range(200)]
    )
    again = cold_groups(ids, 200, ColdConfig(items=0.1, seed=7), "items")
    assert again.tolist() == groups[7].tolist()
    for part in (TEST, VALIDATION):
        often = (groups == part).sum(axis=0)  # of 200 draws, about 20 each
        assert often.min() > 4
        assert often.max() < 40
    larger = cold_groups(ids, 200, ColdConfig(items=0.2, seed=7), "items")
    assert set(np.flatnonzero(again == TEST)) < set(np.flatnonzero(larger == TEST))
    users = cold_groups(ids, 200, ColdConfig(users=0.1, seed=7), "users")
    assert (users != again).any()


@judges
@pytest.mark.parametrize("strategy", SPLITS)
def test_train_does_not_move_with_what_is_cold(tiny_interactions, judge, strategy):
    """Scramble the rating of every row of a cold item or user, and of the ordinary test."""
    config = ColdConfig(items=0.1, users=0.1)

    def made(log: Interactions):
        return cold_split(
            log, split_interactions(log, SplitConfig(strategy=strategy)), config, judge
        )

    cold = made(tiny_interactions)
    learned = pairs(cold.train)
    everything = zip(tiny_interactions.user.tolist(), tiny_interactions.item.tolist(), strict=True)
    is_learned = np.array([pair in learned for pair in everything])
    rating = np.where(is_learned, tiny_interactions.rating, 6 - tiny_interactions.rating)
    other = made(dataclasses.replace(tiny_interactions, rating=rating.astype(np.float32)))
    assert (other.cold_items.rating != cold.cold_items.rating).any()
    assert (other.cold_users.rating != cold.cold_users.rating).any()
    assert other.train.fingerprint == cold.train.fingerprint
    assert other.candidates.tolist() == cold.candidates.tolist()


def test_the_final_split_gives_what_the_other_gives(tiny_interactions):
    split = split_interactions(tiny_interactions)
    config = ColdConfig(items=0.1, users=0.1)
    for name in LOGS:
        one, other = (
            getattr(cold_split(tiny_interactions, each, config), name)
            for each in (split, split.final())
        )
        assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"items": 0.5}, r"share of cold items of at least 0 and below 0\.5.* Received: 0\.5"),
        ({"users": -0.1}, r"share of cold users .* Received: -0\.1"),
        ({"users": float("nan")}, "Received: nan"),
        ({"seed": -1}, "seed of 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ColdConfig(**settings)


def test_shares_that_leave_nothing_are_refused():
    log = Interactions.from_raw([1, 1, 1, 2], [1, 2, 3, 3], [1, 2, 3, 4], [1, 2, 3, 4])
    split = split_interactions(log)
    with pytest.raises(InputError, match=r"more than 2 users .* Received: 2"):
        cold_split(log, split, ColdConfig(users=0.1))
    left = [cold_split_or_error(log, split, seed) for seed in range(9)]
    assert any("Received: none for " in each for each in left)


def cold_split_or_error(log, split, seed):
    try:
        cold_split(log, split, ColdConfig(items=0.1, seed=seed), "validation")
    except InputError as error:
        return str(error)
    return ""
