"""What a recommender reads: the sequence in train, then what is new in the history."""

import dataclasses

import numpy as np
import pytest
from tests.baselines.sequential.test_sequences import log_of
from tests.baselines.sequential.test_training import SMALL, successions
from tests.brief import eagerly

from drrec.baselines.sequential.recommenders import GRU4Rec, SASRec

pytestmark = pytest.mark.usefixtures("adam_of_one_kernel")

FEW = dataclasses.asdict(SMALL) | {"most_epochs": 1}


@pytest.fixture
def _in_python():
    """A few updates are not worth a trace."""
    with eagerly():
        yield


@pytest.fixture(scope="module")
def fitted():
    """Fitted on rings of items 1 … 30, of which user 80 has seen none."""
    log = successions()
    users = dataclasses.replace(log.users, raw=np.arange(81).astype(str))
    return SASRec(**dataclasses.asdict(SMALL)).fit(dataclasses.replace(log, users=users))


def scored(model, user, *histories):
    return model.score(np.full(len(histories), user, np.int32), np.array(histories, np.int32))


def test_the_next_item_ranks_first(fitted):
    log = successions()
    last = log.item[log.position_from_end() == 0]
    users = np.arange(80, dtype=np.int32)
    score = fitted.score(users, log.liked_histories(10))
    assert (score[:, 1:].argmax(axis=1) + 1 == last % 30 + 1).mean() > 0.9


def test_what_is_new_in_the_history_moves_the_scores_and_what_is_known_does_not(fitted):
    log = successions()
    own = log.item[log.offsets[0] : log.offsets[1]]
    new = np.setdiff1d(np.arange(1, 31), own)
    none, known, one = scored(fitted, 0, [0, 0], own[[2, 0]], [own[3], new[0]])
    np.testing.assert_array_equal(none, known)
    assert one[1:].argmax() + 1 == new[0] % 30 + 1
    assert none[1:].argmax() + 1 == own[-1] % 30 + 1


def test_a_user_without_a_sequence_is_its_history(fitted):
    seven, nothing = scored(fitted, 80, [5, 6, 7], [0, 0, 0])
    assert seven[1:].argmax() + 1 == 8
    assert np.isfinite(nothing).all()
    assert np.ptp(nothing[1:]) > 0


@pytest.mark.usefixtures("_in_python")
def test_an_unknown_item_is_not_read_and_ranks_last():
    log = successions(20)
    train = log.where(log.item != 12)
    model = SASRec(**FEW).fit(train)
    plain, other = scored(model, 0, [0, 0], [0, 12])
    np.testing.assert_array_equal(plain, other)
    assert plain[12] == plain[1:].min()


@pytest.mark.usefixtures("_in_python")
def test_liked_only_reads_liked_items_alone():
    log = log_of([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 5, 6, 7]])
    rating = np.where(log.item == 5, 2, 4).astype(np.float32)
    log = dataclasses.replace(log, rating=rating)
    model = GRU4Rec(**(FEW | {"liked_only": True})).fit(log)
    other = GRU4Rec(**(FEW | {"liked_only": True}))
    other.fit(log.where(log.liked))
    np.testing.assert_array_equal(scored(model, 0, [0]), scored(other, 0, [0]))
    every = GRU4Rec(**FEW).fit(log)
    assert np.abs(scored(every, 0, [0]) - scored(model, 0, [0])).max() > 1e-4


@pytest.mark.usefixtures("_in_python")
def test_the_two_differ_in_their_encoder():
    assert (SASRec.encoder, GRU4Rec.encoder) == ("transformer", "gru")
    log = successions(10)
    one, other = (model(**FEW).fit(log) for model in (SASRec, GRU4Rec))
    assert np.abs(scored(one, 0, [0]) - scored(other, 0, [0])).max() > 1e-4
