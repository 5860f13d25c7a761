import csv

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.power import Disk

from drrec.agents.runlog import RunLog, columns, read_rows


def write(folder, steps, from_step=0):
    with RunLog(folder, from_step) as log:
        for step in steps:
            log.row(step, {"reward": step / 100, "q": -step / 7})


def steps_of(folder):
    return [int(row["step"]) for row in read_rows(folder / "training.csv")]


def test_rows_are_on_disk_when_they_are_written(tmp_path):
    with RunLog(tmp_path, 0) as log:
        log.row(10, {"reward": 0.25, "q": 1 / 3})
        with (tmp_path / "training.csv").open(newline="") as file:
            assert list(csv.reader(file)) == [["step", "reward", "q"], ["10", "0.25", "0.333333"]]


def test_columns_are_numbers_by_name(tmp_path):
    write(tmp_path, [10, 20])
    found = columns(tmp_path / "training.csv")
    assert found["step"] == [10, 20]
    assert found["reward"] == [0.1, 0.2]
    np.testing.assert_allclose(found["q"], [-10 / 7, -20 / 7], rtol=1e-5)
    assert columns(tmp_path / "missing.csv") == {}


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    write(tmp_path, [10, 20, 30, 40])
    write(tmp_path, [30, 50], from_step=20)
    assert steps_of(tmp_path) == [10, 20, 30, 50]


def test_a_new_start_drops_all_rows_and_the_old_header(tmp_path):
    write(tmp_path, [10, 20])
    with RunLog(tmp_path, 0) as log:
        log.row(5, {"other": 1.0})
    assert columns(tmp_path / "training.csv") == {"step": [5.0], "other": [1.0]}


@pytest.mark.parametrize("kept", [1, 4, 8])
def test_a_last_line_that_was_cut_is_left_out(tmp_path, kept):
    write(tmp_path, [10, 20])
    text = (tmp_path / "training.csv").read_bytes()
    last = text.rstrip().rindex(b"\n") + 1
    (tmp_path / "training.csv").write_bytes(text[: last + kept])
    assert steps_of(tmp_path)[0] == 10
    write(tmp_path, [30], from_step=10)
    assert steps_of(tmp_path) == [10, 30]


def test_tensorboard_reads_the_same_while_it_trains(tmp_path):
    with RunLog(tmp_path, 0) as log:
        log.row(10, {"reward": 0.1})
        log.row(20, {"reward": 0.2})
        events = EventAccumulator(str(tmp_path / "events")).Reload()
    values = [
        (event.step, float(tf.make_ndarray(event.tensor_proto)))
        for event in events.Tensors("reward")
    ]
    assert values == [(10, pytest.approx(0.1)), (20, pytest.approx(0.2))]


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 40,
        b"\0" * 40 + b"\n",
        b"\xff\xfe,1\n",
        b"30,x,1\n",
        b"30,1\n",
        b"30,1,1,1\n",
        b"30,1,1",
    ],
)
def test_what_follows_the_last_whole_row_is_left_out_and_cut_off(tmp_path, tail):
    write(tmp_path, [10, 20])
    path = tmp_path / "training.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert steps_of(tmp_path) == [10, 20]
    with RunLog(tmp_path, 20):
        pass
    assert path.read_bytes().replace(b"\r", b"") == whole.replace(b"\r", b"")


@pytest.mark.parametrize("content", [b"", b"\0" * 9, b"\xf1,\n1,2\n", b"a,b\n1,2\n"])
def test_a_file_that_is_no_log_has_no_rows(tmp_path, content):
    (tmp_path / "training.csv").write_bytes(content)
    assert columns(tmp_path / "training.csv") == {}


def test_rows_whose_writing_returned_outlive_a_power_loss(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    with disk.watching(monkeypatch), RunLog(disk.root, 0) as log:
        for step in (10, 20, 30):
            log.row(step, {"reward": step / 7})
            disk.done += 1
    found = list(disk.losses(tmp_path / "losses"))
    disk.close()
    for loss in found:
        steps = columns(loss.folder / "training.csv").get("step", [])
        assert steps == [10, 20, 30][: len(steps)], loss.how
        assert len(steps) >= loss.done, loss.how
