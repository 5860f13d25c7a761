import logging
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data import raw

from drrec import cli
from drrec.cli import flags
from drrec.data.datasets import DATASETS, load_dataset
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import PUBLISHED, prepare
from drrec.data.readers.checks import NULLS
from drrec.data.sources import fetch
from drrec.errors import InputError
from drrec.files import write_json
from drrec.reading import read_json

HEADER = "user_id,parent_asin,rating,timestamp\n"
ALL = {"min_user": 0, "min_item": 0}
TITLES = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(
    lambda raw: raw.strip() not in NULLS
)


def written(folder, frame, file="A.csv"):
    rows = frame[["user", "item", "rating", "seconds"]].to_csv(header=False, index=False)
    raw.write(folder / "got" / file, HEADER + rows)
    return folder / "got"


def test_all_known_names_are_on_the_command_line():
    assert list(flags.Name.__args__) == [*DATASETS, "log", "serving"]


def test_the_command_line_prepares_and_says_where(tmp_path, monkeypatch, capsys):
    frame = raw.events(100)
    written(tmp_path, frame)
    monkeypatch.chdir(tmp_path)
    argv = ["data", "amazon-2023", "--from", "got", "--repeats", "keep", "--min-user", "2"]
    argv += ["--min-item", "0", "--to", "mine"]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert capsys.readouterr().out == "data/mine\n"
    raw.same(load_dataset("data/mine"), raw.thinned(frame, "keep", 2, 0))
    assert cli.run(*cli.STAGES, argv=["data", "yelp", "--from", "got"]) == 2
    complaint = capsys.readouterr().err.splitlines()
    assert complaint[-1].startswith("Expected yelp_academic_dataset_review.json or")
    assert not pathlib.Path("data/yelp").exists()


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_missing_is_named_with_where_to_get_it(tmp_path, name):
    with pytest.raises(InputError) as caught:
        prepare(name, PrepareConfig(source=tmp_path), tmp_path)
    published = PUBLISHED[name]
    assert f"Expected {' or '.join(published.files)} in {tmp_path}" in str(caught.value)
    assert f"Get it from {published.page}" in str(caught.value)
    for ask in (fetch, load_dataset):
        with pytest.raises(InputError, match=f"run `python run.py data {name} --from <folder>`"):
            ask(name, tmp_path)
    with pytest.raises(InputError, match="Received: nowhere, which is none"):
        prepare(name, PrepareConfig(source=pathlib.Path("nowhere")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_fetched_takes_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"Received: ml-100k, .*leave those flags out"):
        prepare("ml-100k", PrepareConfig(source=tmp_path), tmp_path)


def test_of_several_logs_one_has_to_be_named(tmp_path):
    frame = raw.events(50)
    written(tmp_path, frame, "B.csv")
    source = written(tmp_path, frame.head(20), "A.csv")
    with pytest.raises(InputError, match=r"Received: A\.csv, B\.csv. Say which by `--file`"):
        prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)
    config = PrepareConfig(source=source, file="A.csv", to="a", **ALL)
    assert prepare("amazon-2023", config, tmp_path) == tmp_path / "a"
    raw.same(load_dataset(tmp_path / "a"), raw.thinned(frame.head(20), "drop", 0, 0))
    with pytest.raises(InputError, match=r"Expected C\.csv in"):
        prepare("amazon-2023", PrepareConfig(source=source, file="C.csv"), tmp_path)


def test_a_folder_made_alike_is_left_alone_and_another_is_not_overwritten(tmp_path):
    source = written(tmp_path, raw.events(50))
    folder = prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"amazon-2023.inter", "amazon-2023.item", "prepared.json"}
    prepare("amazon-2023", PrepareConfig(source=source, bad_rows="stop", **ALL), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert fetch("amazon-2023", tmp_path) == folder
    with pytest.raises(InputError, match=r"another min_user\. Remove it, or .* `--to`"):
        prepare("amazon-2023", PrepareConfig(source=source, min_user=2, min_item=0), tmp_path)
    written(tmp_path, raw.events(51))
    with pytest.raises(InputError, match="another bytes"):
        prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)
    (folder / "prepared.json").unlink()
    with pytest.raises(InputError, match="to be absent, or made with the same settings"):
        prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)


def test_the_record_counts(tmp_path):
    frame = raw.events(600, num_users=60, num_items=60)
    folder = prepare("amazon-2023", PrepareConfig(source=written(tmp_path, frame)), tmp_path)
    record = read_json(folder / "prepared.json")
    left = raw.thinned(frame, "drop", 5, 5)
    assert {key: value for key, value in record.items() if key != "settings"} == {
        "rows_read": 600,
        "rows_skipped": 0,
        "first_skipped": "",
        "users_read": frame["user"].nunique(),
        "items_read": frame["item"].nunique(),
        "rows": len(left),
        "users": left["user"].nunique(),
        "items": left["item"].nunique(),
    }
    assert record["settings"]["min_user"] == 5


def test_repeats_are_kept_as_the_folder_was_made(tmp_path):
    frame = raw.events(100)
    source = written(tmp_path, frame)
    prepare("amazon-2023", PrepareConfig(source=source, repeats="keep", **ALL), tmp_path)
    kept, dropped = (raw.thinned(frame, repeats, 0, 0) for repeats in ("keep", "drop"))
    raw.same(load_dataset("amazon-2023", tmp_path), kept)
    raw.same(load_dataset("amazon-2023", tmp_path, "keep"), kept)
    raw.same(load_dataset("amazon-2023", tmp_path, "drop"), dropped)
    raw.same(load_dataset(tmp_path / "amazon-2023" / "amazon-2023.inter"), dropped)
    raw.same(load_dataset(tmp_path / "amazon-2023" / "amazon-2023.inter", repeats="keep"), kept)
    prepare("amazon-2023", PrepareConfig(source=source, to="once", **ALL), tmp_path)
    raw.same(load_dataset(tmp_path / "once"), dropped)
    with pytest.raises(InputError, match="one without repeats, where they are to be kept"):
        load_dataset(tmp_path / "once", repeats="keep")


def test_a_folder_that_lost_rows_or_its_record_is_refused(tmp_path):
    source = written(tmp_path, raw.events(100))
    folder = prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)
    inter = folder / "amazon-2023.inter"
    lines = inter.read_text().splitlines(keepends=True)
    inter.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=rf"{len(lines) - 2} rows where {len(lines) - 1} were"):
        load_dataset("amazon-2023", tmp_path)
    write_json(folder / "prepared.json", {"settings": {}})
    with pytest.raises(InputError, match=r"Expected repeats in .*prepared\.json"):
        load_dataset("amazon-2023", tmp_path)
    (folder / "prepared.json").unlink()
    assert len(load_dataset("amazon-2023", tmp_path).interactions) == len(lines) - 2


def test_a_core_that_is_empty_says_what_to_lower(tmp_path):
    source = written(tmp_path, raw.events(50))
    with pytest.raises(InputError, match=r"users with 90 items.*Pass a lower `--min-user`"):
        prepare("amazon-2023", PrepareConfig(source=source, min_user=90), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_missing_titles_are_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        source = written(tmp_path, raw.events(50))
        prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)
    assert f"No titles: there is no {source / 'meta_A.json.gz'}" in caplog.text
    raw.write(source / "meta_A.jsonl", '{"parent_asin": "x"}\n')
    with pytest.raises(InputError, match=r"another titles\. Remove it"):
        prepare("amazon-2023", PrepareConfig(source=source, **ALL), tmp_path)


@settings(max_examples=15)
@given(
    rows=st.lists(
        st.tuples(IDS, IDS, st.floats(4, 5, width=32), st.integers(10**8, 4 * 10**9), TITLES),
        min_size=2,
        unique_by=lambda row: row[0].strip(),
    )
)
def test_whatever_ids_numbers_and_titles_there_are_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    reviews = [
        {"user_id": user, "parent_asin": item, "rating": rating, "timestamp": seconds}
        for user, item, rating, seconds, _ in rows
    ]
    raw.write(folder / "got" / "A.jsonl.gz", raw.json_lines(reviews))
    titles = {item.strip(): title for _, item, _, _, title in rows}
    products = [{"parent_asin": item, "title": title} for item, title in titles.items()]
    raw.write(folder / "got" / "meta_A.jsonl", raw.json_lines(products))
    prepare("amazon-2023", PrepareConfig(source=folder / "got", **ALL), folder)
    dataset = load_dataset("amazon-2023", folder)
    log = dataset.interactions
    found = zip(
        log.users.raw[log.user].tolist(),
        log.items.raw[log.item].tolist(),
        log.rating.tolist(),
        log.timestamp.tolist(),
        strict=True,
    )
    constant = len({rating for _, _, rating, _, _ in rows}) == 1
    assert set(found) == {
        (user.strip(), item.strip(), 5.0 if constant else rating, seconds)
        for user, item, rating, seconds, _ in rows
    }
    named = zip(log.items.raw[1:].tolist(), dataset.titles[1:].tolist(), strict=True)
    assert dict(named) == {item: " ".join(title.split()) for item, title in titles.items()}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"min_user": -1}, "`min_user` must be at least 0. Received: -1"),
        ({"session_gap": 0.0}, "`session_gap` must be above 0"),
        ({"session_gap": float("nan")}, "`session_gap` must be above 0"),
        ({"to": "../x"}, "`to` must be the plain name of a folder"),
        ({"to": ".."}, "`to` must be the plain name of a folder"),
    ],
)
def test_settings_out_of_range_are_refused(flags, message):
    with pytest.raises(InputError, match=message):
        PrepareConfig(**flags)
