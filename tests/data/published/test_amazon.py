import json

import pytest
from tests.data import raw

from drrec.data.datasets import load_dataset
from drrec.data.published import amazon
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.errors import InputError

HEADER = "user_id,parent_asin,rating,timestamp\n"


def ratings_2018(frame):
    return frame[["item", "user", "rating", "seconds"]].to_csv(header=False, index=False)


def reviews_2018(frame):
    return raw.json_lines(
        [
            {
                "overall": row.rating,
                "verified": True,
                "reviewerID": row.user,
                "asin": row.item,
                "reviewText": 'It\u2028"works"\n',
                "unixReviewTime": row.seconds,
            }
            for row in frame.itertuples()
        ]
    )


def ratings_2023(frame):
    stamps = frame.assign(seconds=frame["seconds"] * 1000 + 70)
    columns = ["user", "item", "rating", "seconds"]
    return HEADER + stamps[columns].to_csv(header=False, index=False)


def reviews_2023(frame):
    return raw.json_lines(
        [
            {
                "rating": row.rating,
                "asin": "B00VARIANT",
                "parent_asin": row.item,
                "user_id": row.user,
                "timestamp": row.seconds * 1000,
            }
            for row in frame.itertuples()
        ]
    )


FORMS = {
    ("amazon-2018", "Video_Games.csv"): ratings_2018,
    ("amazon-2018", "ratings_Video_Games.csv.gz"): ratings_2018,
    ("amazon-2018", "Video_Games_5.json.gz"): reviews_2018,
    ("amazon-2018", "reviews_Video_Games_5.json"): reviews_2018,
    ("amazon-2023", "Video_Games.csv"): ratings_2023,
    ("amazon-2023", "Video_Games.csv.gz"): ratings_2023,
    ("amazon-2023", "Video_Games.jsonl.gz"): reviews_2023,
}


def made(tmp_path, name, file, text, **flags):
    raw.write(tmp_path / "got" / file, text)
    prepare(name, PrepareConfig(source=tmp_path / "got", **flags), tmp_path)
    return load_dataset(name, tmp_path)


@pytest.mark.parametrize(("name", "file"), FORMS)
def test_pandas_keeps_the_same_ratings_by_default_of_the_5_core(tmp_path, name, file):
    frame = raw.events(600, num_users=60, num_items=60)
    expected = raw.thinned(frame, "drop", 5, 5)
    assert 20 < len(expected) < len(frame.drop_duplicates(["user", "item"]))
    raw.same(made(tmp_path, name, file, FORMS[name, file](frame)), expected)


def test_order_within_a_second_is_kept(tmp_path):
    text = f"{HEADER}u,x,5,1588615855900\nu,y,1,1588615855100\nv,x,3,1588615855100\n"
    dataset = made(tmp_path, "amazon-2023", "A.csv", text, min_user=0, min_item=0)
    log = dataset.interactions
    assert log.items.raw[log.item].tolist() == ["y", "x", "x"]
    assert log.timestamp.tolist() == [1588615855] * 3


@pytest.mark.parametrize(
    ("name", "log", "meta", "id_field", "genres_field"),
    [
        ("amazon-2018", "A_5.json.gz", "meta_A.json.gz", "asin", "category"),
        ("amazon-2023", "A.jsonl", "meta_A.jsonl.gz", "parent_asin", "categories"),
    ],
)
def test_titles_come_from_the_metadata(tmp_path, name, log, meta, id_field, genres_field):
    frame = raw.events(40, num_users=3, num_items=3)
    names = {
        "B0ITEM0000": ("Zelda:\tOcarina\n of  Time", ["Games", "Arts, Crafts & Sewing"]),
        "B0ITEM0001": ("Emoji \ud83d\x00", ["Board Games"]),
        "B0ITEM0002": (None, [["nested"], "Games"]),
        "B0ITEM0999": ("Never rated", []),
    }
    products = [
        {id_field: item, "title": title, genres_field: genres}
        for item, (title, genres) in names.items()
    ]
    raw.write(tmp_path / "got" / meta, raw.json_lines(products))
    text = (reviews_2018 if name == "amazon-2018" else reviews_2023)(frame)
    dataset = made(tmp_path, name, log, text, min_user=0, min_item=0)
    assert dataset.interactions.items.raw.tolist() == ["", *list(names)[:3]]
    assert dataset.titles.tolist() == ["", "Zelda: Ocarina of Time", "Emoji", ""]
    assert dataset.genres.tolist() == ["", "Games, Arts, Crafts & Sewing", "Board Games", "Games"]


GOOD = {"reviewerID": "u", "asin": "x", "overall": 5.0, "unixReviewTime": 1}


@pytest.mark.parametrize(
    ("name", "file", "bad", "message"),
    [
        ("amazon-2018", "A.csv", "B000000001,u,5", "Expected 4 fields. Received: 3"),
        ("amazon-2018", "A.csv", "B000000001,u,good,1", "Expected a rating"),
        ("amazon-2018", "A.csv", "B000000001,u,5,soon", "Expected seconds or milliseconds"),
        ("amazon-2018", "A.csv", "A1RSDE90N6RSZF,B000000001,5,1", "as in the release of 2018"),
        ("amazon-2018", "A.json", json.dumps(GOOD)[:-3], "Expected JSON"),
        ("amazon-2018", "A.json", json.dumps(GOOD | {"asin": None}), "Expected the field asin"),
        ("amazon-2018", "A.json", json.dumps(GOOD | {"overall": "x"}), "Expected a rating"),
        ("amazon-2023", "A.csv", "u,B000000001,5", "Expected 4 fields. Received: 3"),
        ("amazon-2023", "A.jsonl", "[]", "Expected a JSON object"),
    ],
)
def test_a_malformed_row_is_named_and_nothing_is_made(tmp_path, name, file, bad, message):
    frame = raw.events(3)
    lines = next(
        form for (n, f), form in FORMS.items() if n == name and _ending(f) == _ending(file)
    )
    text = lines(frame).splitlines(keepends=True)
    place = 3
    text.insert(place - 1, f"{bad}\n")
    with pytest.raises(InputError, match=message) as caught:
        made(tmp_path, name, file, "".join(text))
    assert f"in line {place} of {tmp_path / 'got' / file}" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def _ending(file):
    return [ending for ending in file.split(".")[1:] if ending != "gz"]


def test_a_malformed_product_is_named(tmp_path):
    raw.write(tmp_path / "got" / "meta_A.json", '{"asin": "B0ITEM0001"}\n{"title": "Nobody"}\n')
    with pytest.raises(InputError, match=r"asin or parent_asin.* in line 2 of .*meta_A\.json"):
        made(tmp_path, "amazon-2018", "A.csv", ratings_2018(raw.events(9)), min_user=0, min_item=0)


def test_another_header_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"without parent_asin in line 1 of .*A\.csv"):
        made(tmp_path, "amazon-2023", "A.csv", "user_id,asin,rating,timestamp\nu,x,5,1\n")
    more = f"{HEADER.strip()},history\nu,x,5,1588615855070,a b\nv,x,4,1588615855070,\n"
    log = made(tmp_path, "amazon-2023", "A.csv", more, min_user=0, min_item=0).interactions
    assert log.rating.tolist() == [5, 4]


@pytest.mark.parametrize(
    ("file", "category"),
    [
        ("All_Beauty.csv", "All_Beauty"),
        ("All_Beauty_5.json.gz", "All_Beauty"),
        ("reviews_Books_5.json.gz", "Books"),
        ("ratings_Books.csv", "Books"),
    ],
)
def test_the_category_is_read_off_the_name(tmp_path, file, category):
    assert amazon.category(tmp_path / file) == category
