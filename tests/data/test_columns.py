import pytest

from drrec.data import columns
from drrec.errors import InputError


def load(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return columns.load(path)


@pytest.mark.parametrize(
    "header",
    [
        "user_id,item_id,rating,timestamp",
        "userId,movieId,Rating,Timestamp",
        "USER,ITEM,SCORE,TIME",
        " user-id , Product ID ,stars,ts",
    ],
)
def test_common_names_are_understood(tmp_path, header):
    dataset = load(tmp_path, f"{header}\na,x,4,10\nb,x,5,20\n")
    assert dataset.name == "log"
    assert dataset.interactions.rating.tolist() == [4, 5]
    assert dataset.interactions.timestamp.tolist() == [10, 20]
    assert dataset.titles.tolist() == ["", ""]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_is_read_off_the_header(tmp_path, separator):
    text = "user,item,rating\na,x,4\nb,y,5\n".replace(",", separator)
    assert load(tmp_path, text).interactions.rating.tolist() == [4, 5]


def test_tsv_is_tabbed_whatever_its_header_holds(tmp_path):
    text = "user\titem\ta,b,c,d,e\n1\tx\t-\n2\ty\t-\n"
    assert load(tmp_path, text, "log.tsv").interactions.num_users == 2


def test_columns_may_lie_in_any_order_among_others(tmp_path):
    text = 'note,timestamp,item,extra,rating,user\n"so, so",5,x,1,4,a\n,6,y,,5,b\n'
    log = load(tmp_path, text).interactions
    assert log.users.raw.tolist() == ["a", "b"]
    assert log.rating.tolist() == [4, 5]


@pytest.mark.parametrize("header", ["user,rating", "item,rating", "1,2,3,4", "username,thing"])
def test_a_header_without_users_or_items_is_refused(tmp_path, header):
    with pytest.raises(InputError, match="Expected a header with at least user_id and item_id"):
        load(tmp_path, f"{header}\na,x\n")


def test_two_columns_for_one_thing_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected one item column .* item and movieid"):
        load(tmp_path, "user,item,movie_id\na,x,y\n")


def test_a_bad_row_is_named_by_file_and_line(tmp_path):
    with pytest.raises(InputError, match=r"Received: 'good' in line 3 of .*log\.csv"):
        load(tmp_path, "user,item,rating\na,x,4\nb,y,good\n")


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="an empty file"):
        load(tmp_path, "")
