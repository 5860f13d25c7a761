import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.data.interactions import Interactions, by_users
from drrec.data.split import Split, SplitConfig, split_interactions
from drrec.data.strategies import OF_EACH_USER, SPLITS
from drrec.errors import InputError

COLUMNS = ("user", "item", "rating", "timestamp")


def rows(*logs):
    return sorted(
        row
        for log in logs
        for row in zip(*(getattr(log, name).tolist() for name in COLUMNS), strict=True)
    )


def equal(one, other):
    return all(
        np.array_equal(getattr(getattr(one, part), name), getattr(getattr(other, part), name))
        for part in ("train", "validation", "test")
        for name in COLUMNS
    )


@pytest.fixture(params=SPLITS)
def config(request):
    return SplitConfig(strategy=request.param, seed=3)


@st.composite
def random_logs(draw):
    num_users, per_user = draw(st.integers(3, 8)), draw(st.integers(4, 20))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = num_users * per_user
    return (
        np.repeat(np.arange(num_users), per_user),
        np.arange(size) % per_user,
        generator.integers(1, 6, size),
        generator.permutation(size),
    )


@pytest.mark.parametrize("strategy", SPLITS)
@given(random_logs(), st.integers(0, 9))
def test_parts_are_the_rows_of_the_source_once_each(strategy, raw, seed):
    source = Interactions.from_raw(*raw)
    split = split_interactions(source, SplitConfig(strategy=strategy, seed=seed))
    assert rows(split.train, split.validation, split.test) == rows(source)
    for part in (split.train, split.validation, split.test):
        assert len(part) > 0
        assert part.users is source.users
        assert part.items is source.items


@pytest.mark.parametrize("strategy", SPLITS)
@given(random_logs(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_nothing(strategy, raw, random):
    order = list(range(len(raw[0])))
    random.shuffle(order)
    config = SplitConfig(strategy=strategy)
    one = split_interactions(Interactions.from_raw(*raw), config)
    other = split_interactions(Interactions.from_raw(*(column[order] for column in raw)), config)
    assert one.fingerprint == other.fingerprint
    assert equal(one, other)


@pytest.mark.parametrize("strategy", ["temporal", "leave_one_out"])
@given(random_logs())
def test_each_users_parts_follow_each_other_in_time(strategy, raw):
    split = split_interactions(Interactions.from_raw(*raw), SplitConfig(strategy=strategy))
    for dense in range(split.train.num_users):
        times = [
            part.timestamp[part.user == dense]
            for part in (split.train, split.validation, split.test)
        ]
        assert times[0].max() < times[1].min()
        assert times[1].max() < times[2].min()


def test_the_default_is_temporal(tiny_interactions):
    split = split_interactions(tiny_interactions)
    assert (split.strategy, split.seed) == ("temporal", 0)
    assert not split.is_final
    assert equal(split, split_interactions(tiny_interactions, SplitConfig()))


def test_final_joins_validation_to_train(tiny_interactions, config):
    split = split_interactions(tiny_interactions, config)
    final = split.final()
    assert rows(final.train) == rows(split.train, split.validation)
    assert rows(final.test) == rows(split.test)
    assert len(final.validation) == 0
    assert final.is_final
    assert final.fingerprint != split.fingerprint
    assert final.source_fingerprint == split.source_fingerprint
    key = list(zip(final.train.user.tolist(), final.train.timestamp.tolist(), strict=True))
    assert key == sorted(key)
    assert final.final().fingerprint == final.fingerprint
    assert equal(final.final(), final)


def test_fingerprints_tell_splits_apart(tiny_interactions):
    made = [
        split_interactions(tiny_interactions, config).fingerprint
        for config in (
            *(SplitConfig(strategy=name) for name in SPLITS),
            SplitConfig(seed=1),
            SplitConfig(test_share=0.25),
            SplitConfig(validation_share=0.15),
        )
    ]
    other = tiny_interactions.where(np.arange(len(tiny_interactions)) > 0)
    made.append(split_interactions(other).fingerprint)
    assert len(set(made)) == len(made)
    assert made[0] == split_interactions(tiny_interactions).fingerprint


@pytest.mark.parametrize("strategy", ["temporal", "leave_one_out", "random"])
def test_no_user_long_enough_is_refused(strategy):
    log = Interactions.from_raw(
        np.repeat(np.arange(9), 2), np.arange(18), np.ones(18), np.arange(18)
    )
    message = r"at most 2 each; no user is long enough, so that validation and test would be empty"
    with pytest.raises(InputError, match=message):
        split_interactions(log, SplitConfig(strategy=strategy))


def test_too_few_users_for_cold_ones_are_refused():
    log = Interactions.from_raw(np.repeat([0, 1], 9), np.arange(18), np.ones(18), np.arange(18))
    with pytest.raises(InputError, match=r"for a user split.* validation and test would be empty"):
        split_interactions(log, SplitConfig(strategy="user"))


def test_one_moment_cannot_be_cut():
    log = Interactions.from_raw(np.repeat([0, 1], 9), np.arange(18), np.ones(18), np.zeros(18))
    with pytest.raises(InputError, match="train and validation would be empty"):
        split_interactions(log, SplitConfig(strategy="global_time"))


def test_validation_may_be_left_out(tiny_interactions):
    split = split_interactions(tiny_interactions, SplitConfig(validation_share=0))
    assert len(split.validation) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "temporl"}, r"Received: 'temporl'\. Did you mean 'temporal'"),
        ({"test_share": 0}, "`test_share` > 0"),
        ({"test_share": 0.5, "validation_share": 0.5}, "sum below 1"),
        ({"validation_share": -0.1}, "`validation_share` ≥ 0"),
        ({"test_share": float("nan")}, "sum below 1"),
        ({"seed": -1}, "Expected a seed of 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SplitConfig(**settings)


def test_movielens_100k_has_594_users_to_test(ml_100k):
    """As in the reference tables: at least 10 test ratings, one of them 4 or more."""
    split = split_interactions(ml_100k.interactions)
    is_positive = split.test.rating >= 4
    positives = np.bincount(split.test.user[is_positive], minlength=split.test.num_users)
    assert ((split.test.counts() >= 10) & (positives > 0)).sum() == 594
    assert [len(part) for part in (split.train, split.validation, split.test)] == [
        69180,
        10439,
        20381,
    ]


def test_a_given_split_is_taken_as_it_is(tiny_interactions, tmp_path):
    parts = np.random.default_rng(0).integers(0, 3, len(tiny_interactions)).astype(np.int8)
    config = SplitConfig(strategy="given")
    split = split_interactions(tiny_interactions, config, parts)
    assert split.part.tolist() == parts.tolist()
    for number, part in enumerate((split.train, split.validation, split.test)):
        assert rows(part) == rows(tiny_interactions.where(parts == number))
    assert rows(split.final().train) == rows(tiny_interactions.where(parts < 2))
    split.save(tmp_path / "split.npz")
    assert Split.load(tmp_path / "split.npz", tiny_interactions).fingerprint == split.fingerprint
    other = split_interactions(tiny_interactions, config, parts[::-1])
    assert other.fingerprint != split.fingerprint


def test_other_splits_do_not_look_at_parts(tiny_interactions, config):
    parts = np.zeros(len(tiny_interactions), np.int8)
    split = split_interactions(tiny_interactions, config, parts)
    assert split.fingerprint == split_interactions(tiny_interactions, config).fingerprint


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (None, r"for the given split\. Received: one that does not\. Add a column x_label"),
        ([0, 2], r"Expected a part for each of 4 rows.* Received: 2, of the parts \[0, 2\]"),
        ([0, 0, 1, 1], r"train and test among them\. Received: 4, of the parts \[0, 1\]"),
    ],
)
def test_a_given_split_without_whole_parts_is_refused(parts, message):
    log = Interactions.from_raw([1, 1, 2, 2], [1, 2, 1, 2], np.ones(4), np.arange(4))
    given_parts = None if parts is None else np.array(parts, np.int8)
    with pytest.raises(InputError, match=message):
        split_interactions(log, SplitConfig(strategy="given"), given_parts)


@given(random_logs(), st.integers(1, 30))
def test_users_apart_are_divided_as_they_are_together(raw, most):
    log = Interactions.from_raw(*raw)
    log = log.where(log.rating > 2)  # some users have no rows, others few
    for name in OF_EACH_USER:
        pieces = [SPLITS[name](piece, 0.1, 0.2, 0) for piece in by_users(log, most)]
        assert np.concatenate(pieces).tolist() == SPLITS[name](log, 0.1, 0.2, 0).tolist()


FINGERPRINTS = {
    "temporal": "0010296cb4d70ea6",
    "leave_one_out": "6d11f8ce6d10768f",
    "global_time": "53246cc1de81a92a",
    "user": "2fb62069a7490432",
    "item": "0f8ee5a42641b94a",
    "random": "7b61dc1fcb21a22b",
}
"""Of MovieLens-100K; tables depend on them."""


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_movielens_100k_is_divided_as_ever(ml_100k, name, monkeypatch):
    monkeypatch.setattr("drrec.data.split.by_users", lambda log: by_users(log, 20_000))
    split = split_interactions(ml_100k.interactions, SplitConfig(strategy=name))
    assert split.fingerprint[:16] == FINGERPRINTS[name]
