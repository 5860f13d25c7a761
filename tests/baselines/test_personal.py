"""Own items first, by decayed count, against a plain loop; the rest by popularity."""

import dataclasses

import numpy as np
import pytest

from drrec.baselines.personal import PersonalPopularity
from drrec.baselines.popularity import Popularity
from drrec.data.interactions import Interactions


def played(seed: int = 3) -> Interactions:
    """Six users, nine items of which the last is never taken; most pairs come again."""
    rng = np.random.default_rng(seed)
    once = Interactions.from_raw(
        np.repeat(np.arange(6), 9), np.tile(np.arange(1, 10), 6), np.ones(54), np.arange(54)
    )
    user = np.sort(rng.integers(0, 6, 120)).astype(np.int32)
    time = rng.integers(0, 50, 120)
    order = np.lexsort((time, user))
    return dataclasses.replace(
        once,
        user=user,
        item=rng.integers(1, 9, 120).astype(np.int32),
        rating=np.ones(120, np.float32),
        timestamp=time[order],
    )


def scores(model: PersonalPopularity, log: Interactions) -> np.ndarray:
    users = np.arange(log.num_users, dtype=np.int32)
    return model.fit(log).score(users, np.zeros((log.num_users, 5), np.int32))


def order_by_loops(log: Interactions, user: int, half_life: float) -> list[tuple[float, int, int]]:
    last = {u: max(log.timestamp[log.user == u]) for u in range(log.num_users)}
    ages = [last[u] - t for u, t in zip(log.user, log.timestamp, strict=True)]
    typical = float(np.median(ages))
    keys = []
    for item in range(1, log.num_items):
        own = [
            a for a, u, i in zip(ages, log.user, log.item, strict=True) if (u, i) == (user, item)
        ]
        weight = sum(2 ** (-age / (half_life * typical)) for age in own)
        keys.append((weight, len(set(log.user[log.item == item])), item))
    return keys


@pytest.mark.parametrize("half_life", [0.3, 1.0, np.inf])
def test_the_order_is_a_plain_loops(half_life: float) -> None:
    log = played()
    found = scores(PersonalPopularity(half_life), log)
    for user in range(log.num_users):
        keys = order_by_loops(log, user, half_life)
        for weight, audience, item in keys:
            for other_weight, other_audience, other in keys:
                expected = (
                    np.sign(weight - other_weight) if abs(weight - other_weight) > 1e-9 else 0
                )
                expected = expected or np.sign(audience - other_audience)
                assert np.sign(found[user, item] - found[user, other]) == expected


def test_own_items_stand_above_all_others_however_old() -> None:
    log = played()
    user = log.user.copy()
    user[:] = 1
    user[0] = 0
    item = log.item.copy()
    item[0] = 7  # user 0 took the least popular one, once
    item[1:][item[1:] == 7] = 1
    found = scores(PersonalPopularity(0.01), dataclasses.replace(log, user=user, item=item))
    assert found[0].argmax() == 7
    assert found[0, 7] - np.delete(found[0], 7).max() > 0.05


def test_weights_of_long_ago_still_make_an_order() -> None:
    """Half-lives of a hundredth: all of 2^-100 and less would be one number in float32."""
    log = Interactions.from_raw(
        ["a"] * 9 + ["b"], [*"12345678", "9", "1"], np.ones(10), np.arange(10) * 1000
    )
    found = scores(PersonalPopularity(0.01), log)
    assert (np.diff(found[0, 1:10]) > 0.05).all()


def test_without_repeats_what_is_unseen_stands_by_popularity(
    tiny_interactions: Interactions,
) -> None:
    found = scores(PersonalPopularity(), tiny_interactions)
    users = np.arange(tiny_interactions.num_users, dtype=np.int32)
    counts = Popularity().fit(tiny_interactions).score(users, np.zeros((60, 5), np.int32))
    for user in range(60):
        own = tiny_interactions.item[tiny_interactions.user == user]  # by rising time
        assert (np.diff(found[user, own]) > 0).all()
        unseen = np.setdiff1d(np.arange(1, tiny_interactions.num_items), own)
        assert found[user, own].min() >= 1 > found[user, unseen].max()
        expected = np.unique(counts[user, unseen], return_inverse=True)[1]
        np.testing.assert_array_equal(
            np.unique(found[user, unseen], return_inverse=True)[1], expected
        )


def test_repeats_count_where_the_log_keeps_them() -> None:
    """Item 1 thrice, then item 2 once; user b only makes items 3 and 4 known."""
    raw = (list("aaaabb"), list("111234"), np.ones(6), np.arange(6))
    kept, _ = Interactions.with_source_rows(*raw, repeats="keep")
    dropped, _ = Interactions.with_source_rows(*raw, repeats="drop")
    assert scores(PersonalPopularity(2.0), kept)[0, 1:].argmax() == 0
    assert scores(PersonalPopularity(2.0), dropped)[0, 1:].argmax() == 1


def test_a_half_life_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"Expected `half_life` > 0\. Received: -1"):
        PersonalPopularity(-1)
