import pytest
from tests.data import raw

from drrec.data.datasets import load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.errors import InputError

PAIRS = "MicroLens-50k_pairs.csv"


def pairs(frame, header="user,item,timestamp"):
    stamps = frame.assign(seconds=frame["seconds"] * 1000 + 999)
    rows = stamps[["user", "item", "seconds"]].to_csv(header=False, index=False)
    return f"{header}\n{rows}"


def made(folder, text, **flags):
    raw.write(folder / "got" / PAIRS, text)
    prepare("microlens", PrepareConfig(source=folder / "got", **flags), folder)
    return load_dataset("microlens", folder)


@pytest.mark.parametrize("header", ["user,item,timestamp", "userID,videoID,timestamp"])
def test_pandas_keeps_the_same_comments_all_users_by_default(tmp_path, header):
    frame = raw.events(200).assign(rating=5.0)
    raw.same(made(tmp_path, pairs(frame, header)), raw.thinned(frame, "drop", 0, 0))


@pytest.mark.parametrize("name", ["titles", "title_en"])
def test_titles_may_be_quoted(tmp_path, name):
    titles = 'item,title\nB0ITEM0001,"Hello, ""world"""\nB0ITEM0002,Plain \nB0ITEM0999,No\n'
    raw.write(tmp_path / "got" / f"MicroLens-50k_{name}.csv", titles)
    dataset = made(tmp_path, pairs(raw.events(60, num_items=3)))
    assert dataset.titles.tolist() == ["", "", 'Hello, "world"', "Plain"]


def test_a_malformed_title_is_named(tmp_path):
    raw.write(tmp_path / "got" / "MicroLens-50k_titles.csv", 'item,title\n1,ok\n2,"open\n')
    with pytest.raises(InputError, match=r"in line 3 of .*MicroLens-50k_titles\.csv"):
        made(tmp_path, pairs(raw.events(60)))


def test_another_header_or_row_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected the header user,item,timestamp.* in line 1 of"):
        made(tmp_path, pairs(raw.events(3), "user,video,when"))
    with pytest.raises(InputError, match=r"Expected 3 fields\. Received: 2 in line 3 of"):
        made(tmp_path, "user,item,timestamp\nu,x,1588615855070\nv,x\nw,x,1588615855070\n")


def test_a_cut_timestamp_is_noticed(tmp_path):
    text = pairs(raw.events(50)).rstrip()
    with pytest.raises(InputError, match="the file is cut short"):
        made(tmp_path, text[:-5])
    assert len(made(tmp_path, text).interactions)
