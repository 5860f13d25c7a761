import datetime
import json

import pytest
from tests.data import raw

from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.errors import InputError

REVIEWS = "yelp_academic_dataset_review.json"


def reviews(frame):
    return raw.json_lines(
        [
            {
                "review_id": "r",
                "user_id": row.user,
                "business_id": row.item,
                "stars": row.rating,
                "text": "Good.",
                "date": f"{datetime.datetime.fromtimestamp(row.seconds, datetime.UTC):%F %T}",
            }
            for row in frame.itertuples()
        ]
    )


def made(folder, text, name=REVIEWS, **flags):
    raw.write(folder / "got" / name, text)
    prepare("yelp", PrepareConfig(source=folder / "got", **flags), folder)
    return load_dataset("yelp", folder)


@pytest.mark.parametrize("name", [REVIEWS, f"{REVIEWS}.gz"])
def test_pandas_keeps_the_same_reviews(tmp_path, name):
    frame = raw.events(600, num_users=60, num_items=60)
    raw.same(made(tmp_path, reviews(frame), name), raw.thinned(frame, "drop", 5, 5))


def test_titles_and_genres_are_the_businesses(tmp_path):
    businesses = [
        {"business_id": "B0ITEM0001", "name": "Bar", "categories": "Bars, Nightlife"},
        {"business_id": "B0ITEM0002", "name": "Café\tX", "categories": None},
        {"business_id": "elsewhere", "name": "No", "categories": "No"},
    ]
    name = REVIEWS.replace("review", "business")
    raw.write(tmp_path / "got" / name, raw.json_lines(businesses))
    frame = raw.events(60, num_users=3, num_items=3)
    dataset = made(tmp_path, reviews(frame), min_user=0, min_item=0)
    assert dataset.titles.tolist() == ["", "", "Bar", "Café X"]
    assert dataset.genres.tolist() == ["", "", "Bars, Nightlife", ""]


def test_a_day_alone_is_its_midnight(tmp_path):
    lines = reviews(raw.events(40, num_users=3)).splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"date": "1970-01-02"})
    text = "\n".join([*lines, ""])
    log = made(tmp_path, text, min_user=0, min_item=0, repeats="keep").interactions
    assert log.timestamp.min() == 86_400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"date": "May 4"}, "Expected a date like 2018-07-07 22:09:11. Received: 'May 4'"),
        ({"stars": None}, "Expected the field stars"),
        ({"stars": "many"}, "Expected a rating"),
        ({"user_id": ""}, "Expected a user id"),
    ],
)
def test_a_malformed_review_is_named(tmp_path, change, message):
    lines = reviews(raw.events(4)).splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    with pytest.raises(InputError, match=message) as caught:
        made(tmp_path, "\n".join([*lines, ""]))
    assert f"in line 2 of {tmp_path / 'got' / REVIEWS}" in str(caught.value)
