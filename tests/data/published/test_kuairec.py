"""KuaiRec's two logs: a large one to train on, one of nearly all pairs to test on."""

import numpy as np
import pytest
from tests.data import raw

from drrec.data.config import LogConfig
from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.data.strategies import TEST
from drrec.errors import InputError

FEELINGS = raw.full_matrix(0, 20, 15)
BIG, SMALL = raw.views(FEELINGS, 1, 0.4), raw.views(FEELINGS[:8, :9], 2, 0.96)
CATEGORIES = {item: sorted({item % 3, item % 5}) for item in range(15)}


def files(**changed):
    return raw.kuairec(BIG, SMALL, CATEGORIES) | changed


def made(folder, given, place="got", **flags):
    for name, text in given.items():
        raw.write(folder / place / name, text)
    prepare("kuairec", PrepareConfig(source=folder / "got", **flags), folder)
    return load_dataset("kuairec", folder)


def stars(ratio, like_from=1.0):
    """From 0, 1 star, straight to the least like, 4 stars, and on to 5 times, 5 stars."""
    ratio = min(ratio, 5.0)
    if ratio < like_from:
        return 1 + 3 * ratio / like_from
    return 4 + (ratio - like_from) / (5 - like_from)


@pytest.mark.parametrize("place", ["got", "got/data"])
def test_the_large_log_trains_but_for_the_pairs_of_the_small_one(tmp_path, place):
    dataset = made(tmp_path, files(), place)
    assert dataset.is_observed
    log = dataset.interactions
    users, items = log.users.raw[log.user], log.items.raw[log.item]
    found = {
        (int(user), int(item)): (rating, bool(part == TEST))
        for user, item, rating, part in zip(users, items, log.rating, dataset.parts, strict=True)
    }
    expected = {(r.user, r.item): (stars(r.ratio), False) for r in BIG.itertuples()}
    expected |= {(r.user, r.item): (stars(r.ratio), True) for r in SMALL.itertuples()}
    assert len(log) == len(found)
    assert set(found) == set(expected)
    for pair, (rating, is_test) in found.items():
        assert rating == pytest.approx(expected[pair][0], abs=1e-5)
        assert is_test == expected[pair][1]


@pytest.mark.parametrize("on", ["test", "validation"])
def test_what_the_small_log_says_changes_nothing_that_trains(tmp_path, on):
    one = made(tmp_path / "one", files()).split("given", on=on)[0].interactions
    other = raw.kuairec(BIG, SMALL.assign(ratio=SMALL["ratio"] ** 2 / 3), CATEGORIES)
    same = made(tmp_path / "other", other).split("given", on=on)[0].interactions
    assert same.fingerprint == one.fingerprint


def test_a_view_without_a_time_comes_first(tmp_path):
    log = made(tmp_path, files()).split("given")[0].interactions
    known = BIG[
        ~BIG.set_index(["user", "item"]).index.isin(SMALL.set_index(["user", "item"]).index)
    ]
    for user in range(log.num_users):
        own = log.timestamp[log.user == user]
        assert (np.diff(own) >= 0).all()
        assert (own == 0).sum() == known["seconds"].isna()[known["user"] == user].sum()
    assert (log.timestamp == 0).any()


def test_of_repeated_views_the_last_counts(tmp_path):
    again = BIG.assign(ratio=7.0, seconds=1_600_000_000.0)
    text = (
        files()["big_matrix.csv"]
        + raw.kuairec(again, SMALL, {})["big_matrix.csv"].partition("\n")[2]
    )
    train = made(tmp_path, files(**{"big_matrix.csv": text})).split("given")[0].interactions
    assert (train.rating == 5).all()
    with pytest.raises(InputError, match=r"Received: one with another bytes"):
        made(tmp_path, files())


@pytest.mark.parametrize("by_path", [True, False])
def test_another_least_like_is_taken(tmp_path, by_path):
    made(tmp_path, files())
    name, config = tmp_path / "kuairec" if by_path else "kuairec", LogConfig(like_from=2)
    rows = load_dataset(name, tmp_path, config=config).interactions
    ratio = {(r.user, r.item): r.ratio for r in (*BIG.itertuples(), *SMALL.itertuples())}
    users, items = rows.users.raw[rows.user], rows.items.raw[rows.item]
    for user, item, rating in zip(users, items, rows.rating, strict=True):
        expected = stars(ratio[int(user), int(item)], like_from=2)
        assert rating == pytest.approx(expected, abs=1e-5)


def test_genres_are_categories(tmp_path):
    dataset = made(tmp_path, files())
    items = dataset.interactions.items.raw[1:].tolist()
    named = [", ".join(map(str, CATEGORIES[int(item)])) for item in items]
    assert dataset.genres.tolist() == ["", *named]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("big_matrix.csv", "0,1,5,5,,,,", "Expected a watch_ratio of 0 or more. Received: ''"),
        ("big_matrix.csv", "0,1,5,5,,,,-0.5", "Expected a watch_ratio of 0 or more"),
        ("small_matrix.csv", "0,1,5,5,,,,nan", "Expected a watch_ratio of 0 or more"),
        ("small_matrix.csv", "0,1,5,5,,,noon,1.0", "Expected seconds since 1970, before"),
        ("small_matrix.csv", "0,1,5,5,,,1e11,1.0", "Expected seconds since 1970, before"),
        ("small_matrix.csv", "0,,5,5,,,1e9,1.0", "Expected a item id"),
        ("big_matrix.csv", "0,1,5,5,1.0", "Expected 8 fields. Received: 5"),
        (
            "item_categories.csv",
            "0,7",
            "Expected one to ten numbers such as [27, 9]. Received: '7'",
        ),
        ("item_categories.csv", "0,[]", "Expected one to ten numbers"),
        ("item_categories.csv", '0,"[1, 2"', "Expected one to ten numbers"),
        ("item_categories.csv", "0,[__import__('os')]", "Expected one to ten numbers"),
        ("item_categories.csv", f'0,"{list(range(11))}"', "Expected one to ten numbers"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, name, text, message):
    lines = files()[name].splitlines()
    lines[1] = text
    with pytest.raises(InputError) as caught:
        made(tmp_path, files(**{name: "\n".join([*lines, ""])}))
    assert message in str(caught.value)
    assert f"in line 2 of {tmp_path / 'got' / name}" in str(caught.value)


@pytest.mark.parametrize("name", ["big_matrix.csv", "small_matrix.csv"])
def test_a_log_that_is_cut_within_its_last_number_is_refused(tmp_path, name):
    cut = files()[name].rstrip()[:-2]
    with pytest.raises(InputError, match=rf"{name}. Received: no line end: the file is cut short"):
        made(tmp_path, files(**{name: cut}))


def test_another_header_is_refused(tmp_path):
    text = files()["small_matrix.csv"].replace("watch_ratio", "ratio")
    with pytest.raises(InputError, match=r"Expected the header user_id,.*in line 1 of .*small"):
        made(tmp_path, files(**{"small_matrix.csv": text}))
