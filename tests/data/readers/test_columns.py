import pytest

from drrec.data.config import LogConfig
from drrec.data.readers import files
from drrec.errors import InputError


def load(tmp_path, text, name="log.csv", **settings):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return files.load(path, LogConfig(**settings))


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


PLAYS = "user_id:token\titem_id:token\ttimestamp:float\tsession_id:token\n"


def test_sessions_and_repeats_are_read(tmp_path):
    text = f"{PLAYS}a\tx\t10\t7\na\tx\t20\t7\na\ty\t30\t8\nb\tx\t5\t7\n"
    path = tmp_path / "plays.inter"
    path.write_text(text)
    kept = files.load(path, LogConfig(), "keep").interactions
    assert kept.timestamp.tolist() == [10, 20, 30, 5]
    assert kept.session.tolist() == [0, 0, 1, 2]
    dropped = files.load(path, LogConfig()).interactions
    assert dropped.timestamp.tolist() == [20, 30, 5]
    assert dropped.session.tolist() == [0, 1, 2]


def test_a_bad_row_beside_sessions_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Received: 'noon' in line 3"):
        load(tmp_path, f"{PLAYS}a\tx\t10\t7\nb\tx\tnoon\t7\n", "plays.inter")


def test_rarer_names_count_where_no_usual_one_is_there(tmp_path):
    header = "review_id:token\tuser_id:token\tbusiness_id:token\tstars:float\tdate:float\n"
    log = load(tmp_path, f"{header}r\ta\tx\t4\t10\ns\tb\ty\t5\t20\n", "yelp.inter").interactions
    assert log.items.raw.tolist() == ["", "x", "y"]
    assert log.timestamp.tolist() == [10, 20]
    both = "user_id,asin,parent_asin,item_id,date,rating\na,1,2,x,May 4,4\nb,1,2,y,May 5,5\n"
    log = load(tmp_path, both).interactions
    assert log.items.raw.tolist() == ["", "x", "y"]
    assert log.timestamp.tolist() == [0, 1]
    assert load(tmp_path, both.replace("item_id", "a")).interactions.items.raw.tolist() == ["", "2"]
