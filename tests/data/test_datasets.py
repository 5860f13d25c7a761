import dataclasses

import pytest

from drrec.data.datasets import DATASETS, load_dataset
from drrec.data.sources import SOURCES
from drrec.errors import InputError

INTER = "user_id:token\titem_id:token\trating:float\n1\tx\t4\n2\ty\t5\n"


def test_each_data_set_has_a_source():
    assert list(DATASETS) == list(SOURCES)


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_that_was_not_fetched_says_how_to(tmp_path, name):
    with pytest.raises(InputError, match=f"run `python run.py data {name}`"):
        load_dataset(name, tmp_path)


def test_a_registered_folder_with_too_few_rows_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    (folder / "ml-100k.inter").write_text(INTER)
    with pytest.raises(InputError, match=r"Expected the 100,000 ratings .* Received: 2\."):
        load_dataset("ml-100k", tmp_path)
    monkeypatch.setitem(SOURCES, "ml-100k", dataclasses.replace(SOURCES["ml-100k"], num_ratings=2))
    assert load_dataset("ml-100k", tmp_path).name == "ml-100k"


def test_paths_load_by_what_they_are(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.inter").write_text(INTER)
    (tmp_path / "log.csv").write_text("user,item,rating\n1,x,4\n2,y,5\n")
    (tmp_path / "log.TSV").write_text("user\titem\trating\n1\tx\t4\n2\ty\t5\n")
    (folder / "u").mkdir()
    (folder / "u" / "u.data").write_text("1\tx\t4\t0\n2\ty\t5\t1\n")
    paths = [
        folder,
        folder / "mine.inter",
        tmp_path / "log.csv",
        tmp_path / "log.TSV",
        folder / "u",
    ]
    loaded = [load_dataset(path) for path in paths]
    assert [dataset.name for dataset in loaded] == ["mine", "mine", "log", "log", "u"]
    assert len({dataset.interactions.fingerprint for dataset in loaded}) == 1


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"Received: 'ml100k'. Did you mean 'ml-100k'\?"):
        load_dataset("ml100k", tmp_path)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"Expected a readable file at nowhere/log\.csv"):
        load_dataset("nowhere/log.csv")


def test_a_folder_or_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Expected a \.inter file, or one of u\.data"):
        load_dataset(tmp_path)
    (tmp_path / "log.xlsx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"ends in \.inter, \.csv, \.tsv"):
        load_dataset(tmp_path / "log.xlsx")


def test_loading_opens_no_connection(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("subprocess.run", refuse)
    with pytest.raises(InputError):
        load_dataset("ml-100k", tmp_path)
