import pytest

from drrec.data.readers import recbole
from drrec.errors import InputError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\tx\t4\t10\n2\ty\t5\t20.0\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "mine"
    made.mkdir()
    (made / "mine.inter").write_text(INTER)
    return made


def test_a_folder_and_its_file_load_alike(folder):
    whole, alone = recbole.load(folder), recbole.load(folder / "mine.inter")
    assert whole.name == alone.name == "mine"
    assert whole.interactions.fingerprint == alone.interactions.fingerprint
    assert whole.interactions.timestamp.tolist() == [10, 20]
    assert whole.titles.tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("item_id:token\tmovie_title:token_seq\nx\tToy Story\ny\tHeat\n", ["Toy Story", "Heat"]),
        ("item_id:token\tclass:token\tname:token_seq\ny\tc\tHeat\n", ["", "Heat"]),
        (
            "item_id:token\ttitle:token\trelease_year:token\nx\tToy\t1995\ny\tAda (1990)\t1991\n",
            ["Toy (1995)", "Ada (1990)"],
        ),
        ("item_id:token\ttitle:token\tyear:float\nx\tToy\t\ny\tHeat\t19\n", ["Toy", "Heat"]),
        ("item_id:token\tclass:token_seq\nx\tDrama\n", ["", ""]),
    ],
    ids=["movie_title", "name", "year", "no year", "no titles"],
)
def test_titles_come_from_the_item_file(folder, text, titles):
    (folder / "mine.item").write_text(text)
    assert recbole.load(folder).titles.tolist() == ["", *titles]


@pytest.mark.parametrize(
    ("text", "genres"),
    [
        ("item_id:token\ttitle:token\tclass:token_seq\nx\tA\tSci-Fi  War\n", "Sci-Fi, War"),
        ("item_id:token\tgenres:token_seq\nx\tFilm Noir|War\n", "Film Noir, War"),
        ("item_id:token\tcategory:token_seq\nx\tFilm Noir, War\n", "Film Noir, War"),
        ("item_id:token\tgenre:token_seq\nx\t(no genres listed)\n", ""),
        ("item_id:token\tclass:token_seq\nx\tunknown\n", ""),
        ("item_id:token\ttitle:token_seq\nx\tA\n", ""),
    ],
)
def test_genres_come_from_the_item_file(folder, text, genres):
    (folder / "mine.item").write_text(text)
    assert recbole.load(folder).genres.tolist() == ["", genres, ""]


def test_without_an_item_file_no_genre_is_known(folder):
    assert recbole.load(folder).genres.tolist() == ["", "", ""]


def test_a_latin_1_item_file_loads(folder):
    (folder / "mine.item").write_bytes("item_id:token\ttitle:token\nx\tAmélie\n".encode("latin-1"))
    assert recbole.load(folder).titles[1] == "Amélie"


def test_a_cut_item_file_is_refused_by_line(folder):
    (folder / "mine.item").write_text("item_id:token\ttitle:token\nx\tToy\ny\n")
    with pytest.raises(InputError, match=r"Expected 2 fields .* line 3 of .*mine\.item"):
        recbole.load(folder)


def test_of_several_the_one_named_as_the_folder_is_taken(folder):
    (folder / "all.inter").write_text(INTER + "3\tx\t1\t30\n")
    assert recbole.load(folder).name == "mine"


def test_the_only_inter_file_is_taken_and_two_are_refused(folder):
    (folder / "mine.inter").rename(folder / "other.inter")
    assert recbole.load(folder).name == "other"
    (folder / "third.inter").write_text(INTER)
    with pytest.raises(InputError, match=r"Expected mine.inter, or one .inter file.*: 2 others"):
        recbole.load(folder)


def test_quotes_are_plain_text(folder):
    (folder / "mine.inter").write_text('user_id:token\titem_id:token\n"a\tx\nb"\ty\n')
    assert recbole.load(folder).interactions.users.raw.tolist() == ['"a', 'b"']


def test_movielens_100k_has_titles_with_years(ml_100k):
    titles = dict(zip(ml_100k.interactions.items.raw, ml_100k.titles, strict=True))
    assert titles["1"] == "Toy Story (1995)"
    assert (ml_100k.titles[1:] != "").all()
    genres = dict(zip(ml_100k.interactions.items.raw, ml_100k.genres, strict=True))
    assert genres["1"] == "Animation, Children's, Comedy"


def test_ratings_and_timestamps_may_be_absent(folder):
    for header, rows in (
        ("user_id:token\titem_id:token", ["1\tx", "2\ty"]),
        ("item_id:token\tuser_id:token\ttimestamp:float", ["x\t1\t7", "y\t2\t9"]),
        ("user_id:token\tartist_id:token\tweight:float", ["1\tx\t300", "2\ty\t2"]),
    ):
        (folder / "mine.inter").write_text("\n".join([header, *rows, ""]))
        log = recbole.load(folder).interactions
        assert log.items.raw[log.item].tolist() == ["x", "y"]
        assert log.rating.tolist() == [5, 5]
        assert log.timestamp.tolist() == ([7, 9] if "timestamp" in header else [0, 1])


def test_titles_of_businesses_are_found(folder):
    (folder / "mine.item").write_text("business_id:token\tname:token_seq\nx\tBar\n")
    assert recbole.load(folder).titles.tolist() == ["", "Bar", ""]
