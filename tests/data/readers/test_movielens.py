import dataclasses

import pytest

from drrec.data.readers import movielens
from drrec.errors import InputError

ROWS = [("1", "10", "4", "100"), ("1", "20", "3", "200"), ("2", "10", "5", "50")]
TITLES = {"10": "Café, le (1995)", "20": "Plain (1996)"}


def write(folder, form, end="\n", encoding="latin-1"):
    folder.mkdir(exist_ok=True)
    separator = {"u.data": "\t", "ratings.dat": "::", "ratings.csv": ","}[form]
    head = ["userId,movieId,rating,timestamp"] if form == "ratings.csv" else []
    lines = head + [separator.join(row) for row in ROWS]
    (folder / form).write_bytes("".join(line + end for line in lines).encode())
    if form == "u.data":
        flags = "|".join("1" if index in (8, 17) else "0" for index in range(19))  # Drama, War
        items = [f"{raw}|{title}||||{flags}" for raw, title in TITLES.items()]
    elif form == "ratings.dat":
        items = [f"{raw}::{title}::Drama|War" for raw, title in TITLES.items()]
    else:
        items = ["movieId,title,genres"]
        items += [f'{raw},"{title}",Drama|War' for raw, title in TITLES.items()]
    name = movielens.FORMS[form].movies
    (folder / name).write_bytes("".join(item + end for item in items).encode(encoding))
    return folder


@pytest.mark.parametrize("form", movielens.FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_every_form_loads_alike(tmp_path, form, end, encoding):
    dataset = movielens.load(write(tmp_path / "ml", form, end, encoding))
    log = dataset.interactions
    assert dataset.name == "ml"
    assert log.users.raw[log.user].tolist() == ["1", "1", "2"]
    assert log.items.raw[log.item].tolist() == ["10", "20", "10"]
    assert log.rating.tolist() == [4, 3, 5]
    assert log.timestamp.tolist() == [100, 200, 50]
    assert dataset.titles.tolist() == ["", "Café, le (1995)", "Plain (1996)"]
    assert dataset.genres.tolist() == ["", "Drama, War", "Drama, War"]


def test_a_folder_without_titles_loads(tmp_path, caplog):
    folder = write(tmp_path / "ml", "u.data")
    (folder / "u.item").unlink()
    assert movielens.load(folder).titles.tolist() == ["", "", ""]
    assert movielens.load(folder).genres.tolist() == ["", "", ""]
    assert "No titles" in caplog.text


def test_a_cut_titles_file_is_refused_by_line(tmp_path):
    folder = write(tmp_path / "ml", "u.data")
    content = (folder / "u.item").read_bytes()
    (folder / "u.item").write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"Expected 24 fields .* line 2 of .*u\.item"):
        movielens.load(folder)


def test_the_header_says_which_column_is_what(tmp_path):
    folder = write(tmp_path / "ml", "ratings.csv")
    (folder / "ratings.csv").write_text("movieId,userId,timestamp,rating\n10,1,5,4\n20,2,6,3\n")
    log = movielens.load(folder).interactions
    assert log.users.raw.tolist() == ["1", "2"]
    assert log.timestamp.tolist() == [5, 6]


def test_a_folder_of_no_form_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected u.data, ratings.dat, ratings.csv in .*"):
        movielens.load(tmp_path)


def test_forms_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        movielens.FORMS["u.data"].movies = "x"
