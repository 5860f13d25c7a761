import dataclasses
import pathlib

import numpy as np
import pytest

from drrec.data.datasets import DATASETS, load_dataset
from drrec.data.published.prepare import PUBLISHED
from drrec.data.sources import MADE, SOURCES
from drrec.data.split import SplitConfig, split_interactions
from drrec.errors import InputError

LFM2K = pathlib.Path(__file__).parents[3] / "shared" / "data" / "lfm2k"
INTER = "user_id:token\titem_id:token\trating:float\n1\tx\t4\n2\ty\t5\n"


def test_each_data_set_has_a_source():
    assert list(DATASETS) == [*SOURCES, *MADE, *PUBLISHED]


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_that_was_not_fetched_says_how_to(tmp_path, name):
    with pytest.raises(InputError, match=f"run `python run.py data {name}( --from <folder>)?`"):
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
    with pytest.raises(InputError, match=r"Expected files of a log .*, or one of u\.data"):
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


def test_mmrecs_form_loads_with_the_parts_that_its_owner_gave(tmp_path):
    folder = tmp_path / "artists"
    folder.mkdir()
    text = "userID\titemID\trating\tx_label\n7\t10\t1\t0\n2\t9\t1\t1\n7\t9\t1\t2\n2\t10\t1\t0\n"
    (folder / "artists.inter").write_text(text)
    dataset = load_dataset(folder)
    log = dataset.interactions
    assert log.users.raw[log.user].tolist() == ["2", "2", "7", "7"]
    assert log.items.raw[log.item].tolist() == ["9", "10", "10", "9"]
    assert dataset.parts.tolist() == [1, 0, 0, 2]
    assert log.liked.all()


def test_last_fm_listeners_in_mmrecs_form():
    if not LFM2K.is_dir():
        pytest.skip(f"there is no {LFM2K}")
    dataset = load_dataset(LFM2K)
    log = dataset.interactions
    assert (dataset.name, len(log), log.num_users, log.num_items) == ("lfm2k", 39187, 1300, 1426)
    assert np.bincount(dataset.parts).tolist() == [30825, 3332, 5030]
    assert log.items.raw[1:].tolist() == [str(number) for number in range(1425)]
    assert log.liked.all()
    split = split_interactions(log, SplitConfig(strategy="given"), dataset.parts)
    assert (len(split.train), len(split.test)) == (30825, 5030)
