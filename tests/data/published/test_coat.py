"""Coat's two matrices: of chosen coats to train on, of ones drawn at random to test on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data import raw

from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.data.strategies import TEST, TRAIN, VALIDATION
from drrec.errors import InputError

SIZES = st.tuples(st.integers(2, 5), st.integers(2, 6))


def made(folder, files, **flags):
    for name, text in files.items():
        raw.write(folder / "got" / name, text)
    prepare("coat", PrepareConfig(source=folder / "got", **flags), folder)
    return load_dataset("coat", folder)


def drawn(seed, num_users=40, num_items=30):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 6, (num_users, num_items)) * (rng.random((num_users, num_items)) < 0.4)


def rows_of(dataset):
    """(user, item): rating and whether it tests, of every row."""
    log, parts = dataset.interactions, dataset.parts.tolist()
    users, items = log.users.raw[log.user].tolist(), log.items.raw[log.item].tolist()
    values = zip(log.rating.tolist(), (part == TEST for part in parts), strict=True)
    return dict(zip(zip(users, items, strict=True), values, strict=True))


def told(train, test):
    """The same in plain Python: what is in both matrices tests."""
    found = {}
    for matrix, is_test in ((train, False), (test, True)):
        for user, row in enumerate(matrix):
            for item, rating in enumerate(row):
                if rating:
                    found[str(user), str(item)] = (float(rating), is_test)
    return found


@given(data=st.data(), size=SIZES)
@settings(max_examples=15)
def test_each_rating_is_a_row_and_no_test_pair_trains(tmp_path_factory, data, size):
    ratings = st.lists(st.integers(0, 5), min_size=size[1], max_size=size[1])
    matrices = st.lists(ratings, min_size=size[0], max_size=size[0])
    train, test = (np.array(data.draw(matrices)) for _ in range(2))
    train[:, 0], test[:, 0] = [3, *train[1:, 0]], [*test[:1, 0], *[2] * (size[0] - 1)]
    dataset = made(tmp_path_factory.mktemp("coat"), raw.coat(train, test))
    assert rows_of(dataset) == told(train.tolist(), test.tolist())
    assert len(dataset.interactions) == len(told(train.tolist(), test.tolist()))


def test_the_given_split_is_the_published_one(tmp_path):
    train, test = drawn(0), drawn(1)
    dataset = made(tmp_path, raw.coat(train, test))
    assert dataset.is_observed
    learned, judged = dataset.split("given")
    assert len(judged.interactions) == (test > 0).sum()
    assert len(learned.interactions) == ((train > 0) & (test == 0)).sum()
    assert (learned.is_observed, judged.is_observed) == (False, True)
    assert not dataset.split("given", on="validation")[1].is_observed
    assert not dataset.split("random")[1].is_observed


def test_a_tenth_of_the_training_ratings_validates_drawn_at_random(tmp_path):
    parts = made(tmp_path, raw.coat(drawn(0), drawn(1))).parts
    share = (parts == VALIDATION).sum() / np.isin(parts, (TRAIN, VALIDATION)).sum()
    assert 0.05 < share < 0.15


def test_genres_are_jacket_types(tmp_path):
    train = np.array([[5, 1, 0], [1, 0, 2]])
    files = raw.coat(train, 5 - train, types=[16, 1, 4])
    dataset = made(tmp_path, files)
    assert dataset.genres.tolist() == ["", "type 16", "type 1", "type 4"]
    assert dataset.titles.tolist() == [""] * 4


@pytest.mark.parametrize(
    ("name", "line", "text", "message"),
    [
        ("train.ascii", 2, "5 1", "Expected 3 numbers, as in line 1. Received: 2"),
        ("train.ascii", 2, "5 1 6", "Expected ratings from 1 to 5, or 0 for none. Received: '6'"),
        ("test.ascii", 1, "5 1 1.5", "Expected ratings from 1 to 5, or 0 for none"),
        ("test.ascii", 3, "5 1 -1", "Expected ratings from 1 to 5, or 0 for none"),
        ("user_item_features/item_features.ascii", 2, "0 1", "Expected 33 fields of 0 or 1"),
        ("user_item_features/item_features.ascii", 2, "2 " * 33, "Expected 33 fields of 0 or 1"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, name, line, text, message):
    files = raw.coat(drawn(0, 4, 3).clip(1), drawn(1, 4, 3), types=[1, 2, 3])
    lines = files[name].splitlines()
    lines[line - 1] = text
    with pytest.raises(InputError) as caught:
        made(tmp_path, files | {name: "\n".join([*lines, ""])})
    assert message in str(caught.value)
    assert f"in line {line} of {tmp_path / 'got' / name}" in str(caught.value)
    assert not (tmp_path / "coat").exists()


def test_matrices_of_two_sizes_are_refused(tmp_path):
    for train, test, sizes in (((4, 3), (4, 5), "4 x 3, 4 x 5"), ((4, 3), (2, 3), "4 x 3, 2 x 3")):
        with pytest.raises(InputError, match=f"matrices of one size in .*Received: {sizes}"):
            made(tmp_path, raw.coat(drawn(0, *train).clip(1), drawn(0, *test).clip(1)))


def test_a_test_part_that_is_missing_or_another_one_is_noticed(tmp_path):
    files = raw.coat(drawn(0), drawn(1))
    with pytest.raises(InputError, match=r"Expected test\.ascii beside .*train\.ascii"):
        made(tmp_path, {"train.ascii": files["train.ascii"]})
    made(tmp_path, files)
    more = raw.coat(drawn(0, 41), drawn(1, 41))
    with pytest.raises(InputError, match="another test_bytes"):
        made(tmp_path, {"test.ascii": more["test.ascii"]})
