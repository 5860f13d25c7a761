"""What a sample holds is of the training rows, and drawn by what it is of."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.llm.tiny import chain, training_log

from drrec.errors import InputError
from drrec.evaluation.protocols.sampled import drawn
from drrec.llm.samples import Sampler, TrainingLog

DATA = chain(num_users=200, num_items=120)
LOG = training_log(DATA)


@given(
    st.integers(0, 5),
    st.integers(-1, 9),
    st.integers(0, 199),
    st.integers(1, 11),
    st.integers(1, 60),
)
def test_candidates_are_the_next_item_and_items_that_the_user_does_not_have(
    seed, epoch, user, position, negatives
):
    sample = Sampler(LOG, seed).sample(epoch, user, position, negatives)
    own = LOG.sequence(user)
    assert sample.candidates[sample.place] == own[position]
    np.testing.assert_array_equal(sample.history, own[:position])
    others = np.delete(sample.candidates, sample.place)
    assert len(np.unique(others)) == negatives == len(others)
    assert not np.isin(others, own).any()
    assert others.min() >= 1
    assert others.max() < LOG.num_items


def test_a_sample_depends_on_seed_log_epoch_user_and_position_alone():
    first, again = Sampler(LOG, 3), Sampler(LOG, 3)
    expected = first.sample(2, 7, 5, 9)
    for _ in range(3):
        again.samples(0, 9)  # how many there were before does not count
    np.testing.assert_array_equal(again.sample(2, 7, 5, 9).candidates, expected.candidates)
    other_log = Sampler(training_log(chain(num_users=200, num_items=120, seed=1)), 3)
    for sampler, epoch, user, position in [
        *((first, 3, 7, 5), (first, 2, 8, 5), (first, 2, 7, 6)),
        *((Sampler(LOG, 4), 2, 7, 5), (other_log, 2, 7, 5)),
    ]:
        other = sampler.sample(epoch, user, position, 9)
        assert {*other.candidates.tolist()} != {*expected.candidates.tolist()}


def test_candidates_of_training_and_of_the_protocol_overlap_as_by_chance():
    """So "take the candidate that the training prompt lacked" knows nothing."""
    train, test = DATA.split("leave_one_out")
    log = TrainingLog.of(train.interactions, np.array(DATA.titles.tolist(), object))
    draws = drawn(train.interactions, test.interactions, seed=0, num_negatives=9)
    sampler, hits, shared = Sampler(log, 0), [], []
    for user, items, place in zip(draws.users, draws.items, draws.place, strict=True):
        seen = sampler.sample(0, user, len(log.sequence(user)) - 1, 9).candidates
        is_new = ~np.isin(items, seen)
        hits.append(is_new[place] / is_new.sum())
        shared.append((~is_new).sum())
    # Nine of 108 items that a user does not have, drawn twice: .75 in common.
    assert np.mean(shared) == pytest.approx(9 * 9 / 108, abs=0.25)
    assert np.mean(hits) == pytest.approx(0.1, abs=0.02)


def test_what_is_tested_changes_no_byte_of_what_is_learned_from(tmp_path):
    train, test = DATA.split("leave_one_out")
    scrambled = test.interactions
    shuffled = np.random.default_rng(0).permutation(scrambled.item)
    other = dataclasses.replace(scrambled, item=shuffled, rating=6 - scrambled.rating)
    assert (other.item != scrambled.item).any()
    for name, hidden in {"a": scrambled, "b": other}.items():
        data = dataclasses.replace(train, interactions=train.interactions, known=hidden)
        training_log(data).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(st.integers(0, 3), st.integers(0, 9), st.integers(1, 15))
def test_windows_hold_each_row_once_but_those_that_validate(seed, epoch, length):
    sampler = Sampler(LOG, seed, held_out=30)
    pieces = sampler.windows(epoch, length)
    assert max(map(len, pieces)) <= length
    assert min(map(len, pieces)) >= 1
    assert len(sampler.validating) == 30
    expected = np.concatenate(
        [LOG.sequence(u)[: -1 if u in sampler.validating else None] for u in range(LOG.num_users)]
    )
    np.testing.assert_array_equal(np.sort(np.concatenate(pieces)), np.sort(expected))


class Recorded(Sampler):
    """Keeps which samples it was asked for."""

    def __init__(self, *given, **named):
        self.asked = []
        super().__init__(*given, **named)

    def sample(self, epoch, user, position, negatives):
        self.asked.append((int(user), int(position)))
        return super().sample(epoch, user, position, negatives)


def test_what_validates_is_no_sample_and_its_history_is_whole():
    sampler = Recorded(LOG, 0, held_out=30)
    for epoch in range(20):
        sampler.samples(epoch, 3)
    held = {(int(user), len(LOG.sequence(user)) - 1) for user in sampler.validating}
    assert held.isdisjoint(sampler.asked)
    assert {user for user, _ in sampler.asked} == set(range(LOG.num_users))
    assert max(position for _, position in sampler.asked) == 11  # of the others the last one is
    for user, sample in zip(sampler.validating, sampler.validation(9), strict=True):
        assert sample.candidates[sample.place] == LOG.sequence(user)[-1]
        assert len(sample.history) == len(LOG.sequence(user)) - 1


def test_more_negatives_than_a_user_leaves_are_refused():
    with pytest.raises(InputError, match="Expected 109 items that each user does not have"):
        Sampler(LOG, 0).sample(0, 0, 5, 109)


def test_a_log_is_read_as_it_was_written_and_a_damaged_one_is_refused(tmp_path):
    LOG.save(tmp_path / "log.npz")
    again = TrainingLog.load(tmp_path / "log.npz")
    assert again.fingerprint == LOG.fingerprint
    np.testing.assert_array_equal(again.item, LOG.item)
    np.testing.assert_array_equal(again.titles, LOG.titles)
    dataclasses.replace(LOG, item=LOG.item + LOG.num_items).save(tmp_path / "bad.npz")
    with pytest.raises(InputError, match="items or users out of range"):
        TrainingLog.load(tmp_path / "bad.npz")
