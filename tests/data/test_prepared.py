"""Logs in pieces, and prepared folders: the same log whatever way it comes."""

import gzip
import io
import json
import pathlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data import raw

from drrec import cli
from drrec.data.config import LogConfig
from drrec.data.dataset import Dataset
from drrec.data.datasets import load_dataset
from drrec.data.prepared import load, prepare_log
from drrec.data.published.config import PrepareConfig
from drrec.data.rows import Rows
from drrec.data.split import SplitConfig, split_interactions
from drrec.errors import InputError
from drrec.limits import limited


def events(num_rows=600, **sizes):
    """A log with repeats, equal times and titles."""
    frame = raw.events(num_rows, **sizes).rename(columns={"seconds": "timestamp"})
    return frame.assign(title="Film " + frame["item"].str[-3:])


def written(folder, frame, pieces=1, name="part", end="csv"):
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), pieces)):
        piece, path = frame.iloc[rows], folder / f"{name}-{number}.{end}"
        if end == "parquet":
            piece.to_parquet(path)
        elif end == "jsonl":
            piece.to_json(path, orient="records", lines=True)
        elif end == "csv.zst":
            zstd = pytest.importorskip("pyarrow").CompressedOutputStream(str(path), "zstd")
            with zstd as file:
                file.write(piece.to_csv(index=False).encode())
        else:
            piece.to_csv(path, index=False)
    return folder


def made(tmp_path, source, to="made", config=None, **flags):
    return prepare_log(
        PrepareConfig(source=source, to=to, **flags), config or LogConfig(), tmp_path
    )


def same(one: Dataset, other: Dataset) -> None:
    assert one.interactions.fingerprint == other.interactions.fingerprint
    assert one.titles.tolist() == other.titles.tolist()
    assert one.genres.tolist() == other.genres.tolist()
    assert one.scale == other.scale
    for column in ("session", "weight"):
        np.testing.assert_array_equal(
            getattr(one.interactions, column), getattr(other.interactions, column)
        )


@pytest.mark.parametrize("end", ["csv", "csv.gz", "csv.zst", "parquet", "jsonl"])
def test_pieces_in_a_folder_or_by_a_pattern_are_one_log(tmp_path, end):
    frame = events()
    whole = load_dataset(written(tmp_path / "whole", frame) / "part-0.csv")
    folder = written(tmp_path / "logs", frame, 3, end=end)
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-9.csv").write_text("not a log")
    for path in (folder, folder / "*", f"{tmp_path}/**/lo[g]s/part-?.{end}"):
        same(load_dataset(path), whole)
    assert load_dataset(folder).name == load_dataset(folder / "part*").name == "logs"
    same(Dataset.from_csv(folder / "*"), whole)


def test_a_bad_row_of_a_piece_is_named_by_file_and_line(tmp_path):
    folder = written(tmp_path / "logs", events(60), 3)
    path = folder / "part-1.csv"
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace(lines[4].split(",")[2], "good")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"Received: 'good' in line 5 of .*part-1\.csv"):
        load_dataset(folder)
    path.write_text("user,item,rating\na,x,4\n")
    with pytest.raises(InputError, match=r"Expected the columns of .* in .*part-1\.csv, too"):
        load_dataset(folder)


def test_files_are_what_their_names_say_and_no_pattern(tmp_path):
    folder = tmp_path / "we[i]rd {a,b} 'q'"
    one, other = events(80), events(80, seed=1)
    written(folder, other, name="a1")
    path = written(folder, one, name="a[01]*") / "a[01]*-0.csv"
    same(load_dataset(path), Dataset.from_pandas(one, titles=titles(one)))
    parquet = written(folder, one, name="b?", end="parquet") / "b?-0.parquet"
    written(folder, other, name="bc", end="parquet")
    same(load_dataset(parquet), load_dataset(path))
    with pytest.raises(InputError, match=r"Expected files of a log at .*none"):
        load_dataset(tmp_path / "none-*.csv")


def titles(frame):
    return dict(zip(frame["item"], frame["title"], strict=True))


@pytest.mark.parametrize("repeats", ["drop", "keep"])
def test_a_prepared_log_is_what_pandas_keeps_of_it(tmp_path, repeats, monkeypatch):
    monkeypatch.setattr("drrec.data.thinning._BLOCK", 300)  # several blocks, users across them
    monkeypatch.setattr("drrec.data.prepared._FILE", 50)
    monkeypatch.setattr("drrec.data.rows._VECTORS", 1)
    frame = events(5000, num_users=60, num_items=80)
    folder = made(
        tmp_path, written(tmp_path / "logs", frame, 3), repeats=repeats, min_user=35, min_item=6
    )
    left = raw.thinned(frame.rename(columns={"timestamp": "seconds"}), repeats, 35, 6)
    assert 100 < len(left) < len(frame)
    dataset = load_dataset(folder)
    raw.same(dataset, left)
    assert len(list((folder / "rows").iterdir())) > 2
    assert dataset.titles[1:].tolist() == [
        titles(frame)[i] for i in dataset.interactions.items.raw[1:]
    ]
    same(dataset, Dataset.from_pandas(
        left.rename(columns={"seconds": "timestamp"}), titles=titles(frame), repeats=repeats
    ))  # fmt: skip


def test_a_user_may_have_more_rows_than_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("drrec.data.rows._VECTORS", 1)
    size = 9000
    frame = pd.DataFrame({"user": np.arange(size) % 50 // 49, "item": np.arange(size) % 4000})
    frame.to_parquet(tmp_path / "log.parquet")
    log = load_dataset(tmp_path / "log.parquet").interactions
    assert (len(log), log.counts().tolist()) == (4000, [3920, 80])
    assert len(set(zip(log.user.tolist(), log.item.tolist(), strict=True))) == 4000


@pytest.mark.parametrize("strategy", ["temporal", "leave_one_out", "global_time", "random"])
def test_the_stored_split_is_the_one_that_is_drawn(tmp_path, strategy):
    source = written(tmp_path / "logs", events())
    folder = made(tmp_path, source, split=strategy)
    dataset, drawn = load_dataset(folder), SplitConfig(strategy=strategy)
    split = split_interactions(load_dataset(source).interactions, drawn)
    assert split.part.tolist() == dataset.parts.tolist()
    assert split.fingerprint == split_interactions(dataset.interactions, drawn).fingerprint
    stored = split_interactions(dataset.interactions, SplitConfig(strategy="given"), dataset.parts)
    assert stored.test.fingerprint == split.test.fingerprint


def test_what_else_a_log_has_is_kept(tmp_path):
    frame = events(90).drop(columns="rating")
    rng = np.random.default_rng(0)
    frame["play_count"] = rng.integers(0, 9, len(frame))
    frame["session_id"] = frame["timestamp"] // 9000
    frame["x_label"] = rng.integers(0, 3, len(frame))
    frame["genres"] = "Genre " + frame["item"].str[-1:]
    source = written(tmp_path / "logs", frame)
    there, expected = load_dataset(made(tmp_path, source)), load_dataset(source)
    same(there, expected)
    assert there.interactions.weight is not None
    assert there.interactions.session is not None
    assert there.parts.tolist() == expected.parts.tolist()


@given(st.data())
@settings(max_examples=8)
def test_any_log_comes_back(tmp_path_factory, data):
    row = st.tuples(*[st.sampled_from("abcdé7'\"")] * 2, st.integers(1, 5), st.integers(0, 50))
    rows = data.draw(st.lists(row, min_size=2).filter(lambda rows: len({r[0] for r in rows}) > 1))
    folder = tmp_path_factory.mktemp("log")
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    source = written(folder / "logs", frame, end="parquet")
    same(load_dataset(made(folder, source)), load_dataset(source))


def test_the_command_line_prepares_a_log(tmp_path, monkeypatch, capsys):
    written(tmp_path / "logs", events().rename(columns={"user": "who"}), 2, end="parquet")
    monkeypatch.chdir(tmp_path)
    argv = ["data", "log", "--from", "logs/*.parquet", "--to", "mine", "--user-column", "who"]
    argv += ["--min-user", "5", "--min-item", "5", "--max-memory", "600", "--split", "temporal"]
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert capsys.readouterr().out == "data/mine\n"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data/mine").rglob("*")}
    assert cli.run(*cli.STAGES, argv=argv) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data/mine").rglob("*")} == before
    assert cli.run(*cli.STAGES, argv=[*argv, "--min-user", "6"]) == 2
    assert "another min_user" in capsys.readouterr().err
    assert cli.run(*cli.STAGES, argv=[*argv, "--bad-rows", "skip"]) == 2
    assert "Expected no --bad-rows with log" in capsys.readouterr().err
    assert cli.run(*cli.STAGES, argv=["data", "log"]) == 2
    assert "Expected `--from`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("rows/00000.parquet", {"rating": np.float64}, "the columns user, item, rating"),
        ("rows/00000.parquet", {"item": 99}, "a value out of range"),
        ("rows/00000.parquet", {"item": 0}, "a value out of range"),
        ("rows/00000.parquet", {"user": -1}, "a value out of range"),
        ("rows/00000.parquet", {"rating": np.nan}, "a value out of range"),
        ("rows/00000.parquet", {"timestamp": 7}, "a value out of range"),
        ("rows/00000.parquet", {"part": 3}, "a value out of range"),
        ("rows/00000.parquet", {"item": None}, "an empty item"),
        ("rows/00000.parquet", {}, "rows where 90 were written"),
        ("users.parquet", {"id": "AUSER000000001"}, "ids that are empty or repeated"),
        ("items.parquet", {"id": ""}, "ids that are empty or repeated"),
        ("items.parquet", {}, "other rows than"),
    ],
)
def test_a_folder_that_was_changed_is_refused(tmp_path, name, change, words):
    source = written(tmp_path / "logs", events(120))
    folder = made(tmp_path, source, split="temporal", repeats="keep")
    path = folder / name
    frame = pd.read_parquet(path)
    if "rows/" in name and not change:
        words = f"{len(frame) - 1} rows where {len(frame)} were written"
    for column, value in change.items():
        if isinstance(value, type):
            frame[column] = frame[column].astype(value)
        elif value is None:
            frame[column] = frame[column].astype("Int32").mask(frame.index == 50)
        else:
            frame.loc[frame.index == min(5, len(frame) - 1), column] = frame[column].dtype.type(
                value
            )
    (frame if change else frame.iloc[:-1]).to_parquet(path, index=False)
    with pytest.raises(InputError, match=f"{words}.*make it again"):
        load_dataset(folder)


def test_a_folder_that_lacks_something_is_refused(tmp_path):
    folder = made(tmp_path, written(tmp_path / "logs", events(90)))
    with pytest.raises(InputError, match="one without repeats, where they are to be kept"):
        load_dataset(folder, repeats="keep")
    with pytest.raises(InputError, match="Expected no flags of columns or ratings"):
        load(folder, config=LogConfig(rating_scale="1,10"))
    record = folder / "prepared.json"
    text = record.read_text()
    for old, new in (('"version": 1', '"version": 2'), ("4.0", '"x"'), ('"drop"', "7")):
        record.write_text(text.replace(old, new))
        with pytest.raises(InputError, match="make it again"):
            load_dataset(folder)
    record.write_text(text)
    (folder / "items.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="make it again"):
        load_dataset(folder)
    (folder / "items.parquet").unlink()
    with pytest.raises(InputError, match=r"no items\.parquet"):
        load_dataset(folder)


def test_a_core_that_is_empty_leaves_nothing(tmp_path):
    source = written(tmp_path / "logs", events(60))
    with pytest.raises(InputError, match=r"with 90 items.*Pass a lower `--min-user`"):
        made(tmp_path, source, min_user=90)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]


def test_little_memory_gives_the_same_log(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spill"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "spill").mkdir()
    rng = np.random.default_rng(0)
    size = 500_000
    frame = pd.DataFrame({"user": rng.integers(0, 9000, size), "item": rng.integers(0, 9000, size)})
    frame["rating"], frame["timestamp"] = rng.integers(1, 6, size), rng.integers(0, 10**9, size)
    frame.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr("drrec.data.engine._OURS", 460)
    spilled, read = [], Rows.read

    def watched(self, repeats):
        query = "SELECT count(*) FROM duckdb_temporary_files()"
        spilled.extend(self.connection.execute(query).fetchone())
        return read(self, repeats)

    monkeypatch.setattr(Rows, "read", watched)
    with limited(max_memory=500):  # 40 MB for 48 bytes a row and more
        few = load_dataset(tmp_path / "log.parquet")
    assert spilled[0] > 0
    assert few.interactions.fingerprint == Dataset.from_pandas(frame).interactions.fingerprint
    assert not list((tmp_path / "spill").iterdir())


def test_json_lines_are_read_as_they_are(tmp_path):
    rows = [
        {"user": "a", "item": 7, "rating": 4, "a/b~\"c'": 1, "title": None},
        {"item": 7.0, "user": "b", "rating": 2.5},
        {"user": "b", "item": 12, "rating": 5, "title": "Zoë \"x\"\n'y'"},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = load_dataset(path)
    assert found.interactions.items.raw.tolist() == ["", "7", "12"]
    assert found.titles.tolist() == ["", "", "Zoë \"x\" 'y'"]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")  # the exact reader's
    same(load_dataset(path), found)


def test_a_pattern_is_unpacked_within_limits(tmp_path):
    text = io.StringIO()
    events(900).to_csv(text, index=False)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    with limited(max_bytes=1000), pytest.raises(InputError, match="unpack to at most 1,000 bytes"):
        load_dataset(tmp_path / "*.gz")
    with limited(max_rows=899), pytest.raises(InputError, match="Expected at most 899 rows"):
        load_dataset(tmp_path / "*.gz")
    assert pathlib.Path(tmp_path / "a.csv.gz").exists()
