import numpy as np
import pytest

from drrec.worlds.demo_log import DRIFT, Log, watched
from drrec.worlds.world import IS_LOUD, World


@pytest.fixture(scope="module")
def drawn() -> tuple[Log, World, World]:
    rng = np.random.default_rng(0)
    world = World.drawn(rng, 300, 400)
    return *watched(world, rng), world


def test_everybody_watches_some_dozens_each_film_once_and_all_ratings_are_used(drawn):
    log, world, _ = drawn
    counts = np.bincount(log.user)
    assert (counts.min(), counts.max()) >= (20, 100)
    assert counts.max() <= 150
    assert 50 < counts.mean() < 70
    assert len(set(zip(log.user.tolist(), log.item.tolist(), strict=True))) == len(log.user)
    share = np.bincount(log.rating, minlength=6) / len(log.rating)
    assert (share[1:] > 0.003).all()
    assert share[0] == 0
    assert 3.3 < log.rating.mean() < 3.9
    assert set(log.item.tolist()) == set(range(len(world.items)))


def test_a_few_films_are_famous(drawn):
    log, *_ = drawn
    counts = np.sort(np.bincount(log.item, minlength=300))[::-1]
    assert counts[:30].sum() > 2.5 * counts[-150:].sum() / 5
    assert counts[0] > 4 * np.median(counts)


def test_time_goes_on_for_months(drawn):
    log, *_ = drawn
    step = np.diff(log.timestamp)[np.diff(log.user) == 0]
    assert step.min() >= 5000
    spans = [np.ptp(log.timestamp[log.user == user]) / 86_400 for user in range(50)]
    assert np.median(spans) > 30


def test_tastes_walk_as_far_as_they_should(drawn):
    log, world, before = drawn
    walked = (world.taste - before.taste) / np.sqrt(np.bincount(log.user))[:, None]
    assert walked.std() == pytest.approx(DRIFT, rel=0.1)
    np.testing.assert_array_equal(world.weight, before.weight)


def test_what_follows_a_loud_film_the_same_evening_is_rated_lower(drawn):
    log, world, _ = drawn
    rating, kind = log.rating, world.kind[log.item]
    expected = 3 + 2 * world.appeal()[log.user, log.item]
    surprise = rating - expected
    same = (np.diff(log.user) == 0) & (np.diff(log.timestamp) < 9001)
    after_loud = surprise[1:][same & IS_LOUD[kind[:-1]]]
    after_quiet = surprise[1:][same & ~IS_LOUD[kind[:-1]]]
    assert after_loud.mean() < after_quiet.mean() - 0.3
    again = surprise[1:][same & (kind[1:] == kind[:-1])]
    other = surprise[1:][same & (kind[1:] != kind[:-1])]
    assert again.mean() < other.mean() - 0.2
