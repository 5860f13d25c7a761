import json
import pathlib

import numpy as np
import pytest
from tests.features.tiny import dataset_of

from drrec.data.datasets import load_dataset
from drrec.errors import InputError
from drrec.features.config import ImportConfig
from drrec.features.importers import import_features
from drrec.features.store import load_features

LFM2K = pathlib.Path(__file__).parents[3] / "shared/data/lfm2k"
IDS = ["0", "1", "3"]
ROWS = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float64)


@pytest.fixture
def dataset():
    return dataset_of(IDS)


def mmrec(folder):
    folder.mkdir()
    np.save(folder / "image_feat.npy", ROWS)
    np.save(folder / "text_feat.npy", 10 * ROWS[:, :1])
    return {"source": folder, "modality": "video"}


def ducho(folder):
    place = folder / "visual_embeddings/torch/ResNet50/avgpool"
    place.mkdir(parents=True)
    for item, row in enumerate(ROWS):
        np.save(place / f"{item}.npy", row[None].astype(np.float32))
    return {"source": folder}


def one_json(folder):
    folder.mkdir()
    (folder / "f.json").write_text(json.dumps({str(i): r.tolist() for i, r in enumerate(ROWS)}))
    return {"source": folder / "f.json", "modality": "video"}


def many_json(folder):
    folder.mkdir()
    for item, row in enumerate(ROWS):
        nested = {str(item): row.tolist()} if item == 1 else row.tolist()
        (folder / f"{item}.json").write_text(json.dumps(nested))
    return {"source": folder, "modality": "video"}


def csv(folder):
    folder.mkdir()
    rows = [f"{row[0]};{item};{row[1]}" for item, row in enumerate(ROWS)]
    (folder / "f.csv").write_text("a;itemID;b\n" + "\n".join(rows) + "\n")
    return {"source": folder / "f.csv", "modality": "video"}


FORMS = {"mmrec": mmrec, "ducho": ducho, "json": one_json, "json folder": many_json, "csv": csv}


def imported(form, made, dataset, path):
    return import_features(
        ImportConfig(format=form.split()[0], dataset="mine", **made), dataset, path
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows_by_item(form, dataset, tmp_path, caplog):
    made = FORMS[form](tmp_path / "theirs")
    counts = imported(form, made, dataset, tmp_path / "mine.h5")
    found = load_features(tmp_path / "mine.h5", dataset, ["video"])["video"]
    assert found.features.tolist() == [[0, 0], [1, 2], [3, 4], [7, 8]]
    assert found.present.tolist() == [False, True, True, True]
    assert found.encoder.startswith(form.split()[0])
    assert counts == {"video": 3}
    assert "1 rows belong to no item" in caplog.text


def test_what_a_form_holds_of_several_modalities_is_all_taken(dataset, tmp_path):
    made = mmrec(tmp_path / "theirs") | {"modality": "", "encoder": "ResNet"}
    assert imported("mmrec", made, dataset, tmp_path / "mine.h5") == {"video": 3, "text": 3}
    found = load_features(tmp_path / "mine.h5", dataset, ["video", "text"])
    assert found["text"].features.tolist() == [[0], [10], [30], [70]]
    assert found["text"].encoder == "ResNet"


def test_rows_that_are_missing_zero_or_nan_are_absent(tmp_path):
    made = one_json(tmp_path / "theirs")
    made["source"].write_text(json.dumps({"0": [0, 0], "1": [1, 2], "3": [float("nan")] * 2}))
    dataset = dataset_of([*IDS, "x"])
    imported("json", made, dataset, tmp_path / "mine.h5")
    found = load_features(tmp_path / "mine.h5", dataset, ["video"])["video"]
    assert found.present.tolist() == [False, False, True, False, False]


def test_an_import_leaves_other_modalities(dataset, tmp_path):
    imported("ducho", ducho(tmp_path / "a"), dataset, tmp_path / "mine.h5")
    made = csv(tmp_path / "b") | {"modality": "audio"}
    imported("csv", made, dataset, tmp_path / "mine.h5")
    assert set(load_features(tmp_path / "mine.h5", dataset, ["video", "audio"])) == {
        "video",
        "audio",
    }


def bad_array(made):
    (made["source"] / "image_feat.npy").write_bytes(b"no array")


def pickled(made):
    np.save(made["source"] / "image_feat.npy", np.array([{}]), allow_pickle=True)


def flat(made):
    np.save(made["source"] / "image_feat.npy", np.ones(4))


def part_nan(made):
    np.save(made["source"] / "image_feat.npy", np.where(ROWS == 3, np.nan, ROWS))


def two_layers(made):
    place = made["source"] / "visual_embeddings/torch/ResNet50/fc"
    place.mkdir()
    np.save(place / "0.npy", ROWS[0])


def other_width(made):
    np.save(next(made["source"].rglob("1.npy")), ROWS[:1, :1])


def of_words(made):
    made["source"].write_text('{"0": ["a", "b"]}')


def a_list(made):
    made["source"].write_text("[1, 2]")


def cut(made):
    made["source"].write_text(made["source"].read_text()[:-3])


def others(made):
    made["source"].write_text('{"a": [1, 2], "b": [1, 2]}')


def no_modality(made):
    made["modality"] = ""


def no_header(made):
    made["source"].write_text("1;2;3\n")


def a_word(made):
    made["source"].write_text("item_id,a\n0,1\n1,x\n")


def gone(made):
    made["source"] = made["source"] / "none"


@pytest.mark.parametrize(
    ("form", "spoil", "said"),
    [
        ("mmrec", bad_array, r"array of numbers in .*image_feat.npy"),
        ("mmrec", pickled, r"array of numbers in .*of object"),
        ("mmrec", flat, r"\[items, dim\] in .* Received: \[4\]"),
        ("mmrec", part_nan, r"finite video features of mine. Received: NaN .*\(1\)"),
        ("mmrec", gone, "Received: nothing there"),
        ("ducho", two_layers, r"one folder of video features .*avgpool, .*fc"),
        ("ducho", other_width, r"one width, 2 as item 0 has. Received: 1 for item 1"),
        ("json", of_words, r"Expected numbers of .*f.json"),
        ("json", a_list, r"Expected \{item: \[numbers\]\}"),
        ("json", cut, r"Expected JSON in .*f.json"),
        ("json", others, r"item ids, such as 0, 1, 3. Received: ids such as a, b"),
        ("json", no_modality, "Expected --modality to name"),
        ("csv", no_header, r"Expected a column item_id"),
        ("csv", a_word, r"Expected numbers in line 3 of .*f.csv"),
    ],
)
def test_bad_features_of_others_are_refused(form, spoil, said, dataset, tmp_path):
    made = FORMS[form](tmp_path / "theirs")
    spoil(made)
    with pytest.raises(InputError, match=said) as refused:
        imported(form, made, dataset, tmp_path / "mine.h5")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "mine.h5").exists()


def test_a_modality_that_a_form_lacks_is_refused(dataset, tmp_path):
    made = mmrec(tmp_path / "theirs") | {"modality": "audio"}
    with pytest.raises(InputError, match=r"Expected audio features .* Received: video, text"):
        imported("mmrec", made, dataset, tmp_path / "mine.h5")


@pytest.mark.skipif(not LFM2K.exists(), reason="lfm2k is not here")
@pytest.mark.filterwarnings("ignore")
def test_lfm2k_comes_over_row_for_row(tmp_path):
    dataset = load_dataset(LFM2K)
    made = {"source": LFM2K}
    assert imported("mmrec", made, dataset, tmp_path / "l.h5") == {"audio": 1425, "text": 1425}
    found = load_features(tmp_path / "l.h5", dataset, ["audio", "text"])
    audio = np.load(LFM2K / "audio_feat.npy")
    for raw in ("0", "17", "1424"):
        dense = dataset.interactions.items.dense(raw)
        np.testing.assert_array_equal(found["audio"].features[dense], audio[int(raw)])


def test_mmrec_rows_of_items_that_are_counted_from_one_are_not_shifted(tmp_path, caplog):
    dataset = dataset_of(["1", "2", "3", "4"])
    imported("mmrec", mmrec(tmp_path / "made"), dataset, tmp_path / "f.h5")
    found = load_features(tmp_path / "f.h5", dataset, ["video"])["video"].features
    np.testing.assert_array_equal(found[1:], ROWS)
    assert "the first row is item 1's" in caplog.text
    assert "belong to no item" not in caplog.text


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index"])
def test_a_pandas_index_is_no_dimension(dataset, tmp_path, name):
    rows = [f"{item},{item},{row[0]},{row[1]}" for item, row in enumerate(ROWS)]
    (tmp_path / "f.csv").write_text(f"{name},item_id,a,b\n" + "\n".join(rows) + "\n")
    made = {"source": tmp_path / "f.csv", "modality": "video"}
    imported("csv", made, dataset, tmp_path / "f.h5")
    assert load_features(tmp_path / "f.h5", dataset, ["video"])["video"].features.shape == (4, 2)


def test_features_that_tell_nothing_apart_are_said(dataset, tmp_path, caplog):
    (tmp_path / "f.json").write_text(json.dumps({raw: [1.5, 2.5] for raw in IDS}))
    made = {"source": tmp_path / "f.json", "modality": "video"}
    imported("json", made, dataset, tmp_path / "f.h5")
    assert "all items have the same" in caplog.text


def test_numbers_that_are_far_too_large_are_refused(dataset, tmp_path):
    (tmp_path / "f.json").write_text(json.dumps({"0": [1e30, 1.0], "1": [1.0, 2.0]}))
    made = {"source": tmp_path / "f.json", "modality": "video"}
    with pytest.raises(InputError, match=r"numbers beyond 1e\+15 for 1 items \(0\)"):
        imported("json", made, dataset, tmp_path / "f.h5")
