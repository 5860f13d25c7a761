import dataclasses
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.errors import InputError
from drrec.features import store
from drrec.features.store import (
    FeatureRows,
    features_path,
    load_features,
    stored_fingerprints,
    write_features,
)

IDS = ["2", "10", "a", "b"]
PRESENT = np.array([True, False, True, True])


def dataset_of(ids, name="mine"):
    log = Interactions.from_raw(
        ["u", "v"] * len(ids), [raw for raw in ids for _ in "uv"], np.ones(2 * len(ids)),
        np.arange(2 * len(ids)),
    )  # fmt: skip
    return Dataset(name, log, np.full(len(ids) + 1, ""))


def rows_of(dim=3, dtype=np.float32, **changes):
    features = np.arange(1, 4 * dim + 1, dtype=dtype).reshape(4, dim)
    return dataclasses.replace(
        FeatureRows(features=features, present=PRESENT, encoder="some/encoder"), **changes
    )


@pytest.fixture
def dataset():
    return dataset_of(IDS)


@pytest.fixture
def path(dataset, tmp_path):
    made = features_path(tmp_path, "mine")
    write_features(made, dataset, {"video": rows_of(), "text": rows_of(2, np.float16)})
    return made


def test_rows_come_back_by_dense_id_and_zero_where_absent(path, dataset):
    assert path.parent.name == "features"
    assert path.name == "mine.h5"
    loaded = load_features(path, dataset, ["text", "video"])
    assert list(loaded) == ["text", "video"]
    features, present, encoder = loaded["video"]
    assert features.dtype == np.float32
    assert features.tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0], [7, 8, 9], [10, 11, 12]]
    assert present.tolist() == [False, True, False, True, True]
    assert encoder == "some/encoder"
    assert loaded["text"].features.shape == (5, 2)


def test_the_schema_is_what_the_page_says(path):
    with h5py.File(path) as file:
        assert (file.attrs["schema_version"], file.attrs["dataset"]) == (1, "mine")
        assert file["item_ids"].asstr()[...].tolist() == IDS
        assert set(file) == {"item_ids", "video", "text"}
        assert file["text/features"].dtype == np.float16
        assert file["video/present"].dtype == bool
        assert file["video/features"][1].tolist() == [0, 0, 0]
        assert set(file["video"].attrs) == {
            *("encoder", "weights_sha256", "pooling", "dtype", "library_versions", "fingerprint"),
            "source",
        }


def test_rows_may_stand_in_any_order(path, dataset):
    before = load_features(path, dataset, ["video"])["video"]
    order = [2, 0, 3, 1]
    with h5py.File(path, "r+") as file:
        for name in ("item_ids", "video/features", "video/present"):
            file[name][...] = file[name][...][order]
    after = load_features(path, dataset, ["video"])["video"]
    np.testing.assert_array_equal(after.features, before.features)
    np.testing.assert_array_equal(after.present, before.present)
    write_features(path, dataset, {"audio": rows_of()})
    kept = load_features(path, dataset, ["video"])["video"]
    np.testing.assert_array_equal(kept.features, before.features)


def test_other_modalities_stay_and_the_same_one_is_replaced(path, dataset):
    new = rows_of(features=np.full((4, 5), 9, np.float32), fingerprint="f")
    write_features(path, dataset, {"video": new})
    loaded = load_features(path, dataset, ["video", "text"])
    assert loaded["video"].features.shape == (5, 5)
    assert loaded["text"].features[1].tolist() == [1, 2]
    assert stored_fingerprints(path, dataset) == {"video": "f", "text": ""}
    assert stored_fingerprints(path.with_name("none"), dataset) == {}


def nan_row(file):
    file["video/features"][2, 1] = np.nan


def no_present(file):
    del file["video/present"]


def a_column(file):
    del file["video/features"]
    file["video/features"] = np.ones(4, np.float32)


def of_doubles(file):
    del file["video/features"]
    file["video/features"] = np.ones((4, 3))


def none_present(file):
    file["video/present"][...] = False


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (nan_row, r"NaN or infinity for 1 items \(a\)"),
        (no_present, "damaged"),
        (a_column, r"video features \[4\], where \[items, dim\] is right"),
        (of_doubles, "features of float64, where float16 or float32 is right"),
        (none_present, "Received: none that is present"),
        (lambda file: file.attrs.modify("dataset", "other"), "Received: those of 'other'"),
        (lambda file: file.attrs.modify("schema_version", 7), "version 1 in .* version 7"),
        (lambda file: file.attrs.__delitem__("dataset"), "without the attributes"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_with_its_name(path, dataset, damage, said):
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=said) as refused:
        load_features(path, dataset, ["video"])
    assert "features of mine" in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nan_where_absent_is_never_read(path, dataset):
    with h5py.File(path, "r+") as file:
        file["video/features"][1] = np.nan
    assert not np.isnan(load_features(path, dataset, ["video"])["video"].features).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, dataset, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"mine in .*mine.h5. Received: a file that is no HDF5"):
        load_features(path, dataset, ["video"])
    with pytest.raises(InputError, match="no HDF5"):
        write_features(path, dataset, {"text": rows_of()})


def test_a_damaged_byte_is_found(path, dataset):
    content = path.read_bytes()
    place = content.index(np.float32([7, 8, 9]).tobytes())
    path.write_bytes(content[:place] + b"\x01" + content[place + 1 :])
    with pytest.raises(InputError, match="damaged"):
        load_features(path, dataset, ["video"])


def test_a_file_for_other_items_is_refused_and_they_are_named(path):
    with pytest.raises(InputError, match=r"1 missing \(c\), 2 unknown \(a, b\)") as refused:
        load_features(path, dataset_of(["2", "10", "c"]), ["video"])
    assert "features of mine" in str(refused.value)
    five = dataclasses.replace(
        rows_of(), features=np.ones((5, 2), np.float32), present=np.ones(5, bool)
    )
    with pytest.raises(InputError, match="1 missing"):
        write_features(path, dataset_of([*IDS, "c"]), {"audio": five})
    assert load_features(path, dataset_of(IDS), ["video"])


def test_what_a_file_lacks_is_refused_and_what_it_has_is_named(path, dataset):
    with pytest.raises(InputError, match=r"Expected audio features .* with video, text\. Extract"):
        load_features(path, dataset, ["video", "audio"])
    with pytest.raises(InputError, match=r"among video, audio, text\. Received: 'smell'"):
        load_features(path, dataset, ["smell"])
    with pytest.raises(InputError, match="nothing there"):
        load_features(path.with_name("none.h5"), dataset, ["video"])


def test_bad_rows_are_never_written(path, dataset):
    before = path.read_bytes()
    bad = np.full((4, 3), np.inf, np.float32)
    with pytest.raises(InputError, match="finite video features of mine"):
        write_features(path, dataset, {"video": rows_of(features=bad)})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["mine.h5"]


def test_the_same_rows_make_the_same_bytes(path, dataset, tmp_path):
    write_features(tmp_path / "again.h5", dataset, {"video": rows_of()})
    write_features(tmp_path / "again.h5", dataset, {"text": rows_of(2, np.float16)})
    write_features(tmp_path / "once.h5", dataset, {"video": rows_of()})
    write_features(tmp_path / "once.h5", dataset, {"text": rows_of(2, np.float16)})
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "once.h5").read_bytes()


def test_a_file_that_another_process_writes_is_not_called_damaged(path, dataset):
    code = (
        f"import h5py, sys; file = h5py.File({str(path)!r}, 'a'); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(InputError, match="another process has open to write"):
            load_features(path, dataset, ["video"])
        other.stdin.close()
    assert load_features(path, dataset, ["video"])


def test_of_two_writers_at_once_neither_loses_what_the_other_wrote(tmp_path, dataset, monkeypatch):
    path = features_path(tmp_path, "mine")
    plain, others = store._write, []

    def written(group, rows):
        if not others:  # the first writer has read what there was; now comes the second
            others.append(
                threading.Thread(
                    target=write_features, args=(path, dataset, {"text": rows_of(encoder="second")})
                )
            )
            others[0].start()
            others[0].join(0.5)  # as long as it takes without a lock, many times over
        plain(group, rows)

    monkeypatch.setattr(store, "_write", written)
    write_features(path, dataset, {"audio": rows_of(encoder="first")})
    others[0].join()
    assert set(stored_fingerprints(path, dataset)) == {"audio", "text"}
