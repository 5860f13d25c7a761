"""Seconds and memory: what a body holds is seen, also where the process has held more before."""

import math
import pathlib
import threading
import time

import numpy as np
import pytest

from drrec.evaluation import cost
from drrec.evaluation.cost import UNKNOWN, Cost, Watch, added_up, read_cost
from drrec.reading import read_json

MB = 1e6


def held(megabytes: int, seconds: float = 0.2) -> Cost:
    with Watch() as watch:
        block = np.ones(megabytes * 125_000)
        time.sleep(seconds)
        del block
    return watch.cost


def test_a_new_record_is_seen_without_samples_and_a_smaller_peak_by_them() -> None:
    start = held(1).peak_memory
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "_SECONDS_BETWEEN", 1000)
        most = held(400, seconds=0.0)
    assert most.peak_memory > start + 350 * MB
    less = held(150)
    assert start + 100 * MB < less.peak_memory < most.peak_memory - 100 * MB
    assert 0.2 <= less.seconds < 5


def test_what_fails_is_measured_too() -> None:
    with pytest.raises(KeyError), Watch() as watch:  # noqa: PT012
        time.sleep(0.05)
        raise KeyError
    assert watch.cost.seconds >= 0.05


def test_costs_add_up_over_sessions_whether_they_come_to_their_end_or_not(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "fit.json"
    assert np.isnan(read_cost(path)).all()
    with added_up(path, Cost(100.0, 1e15)):
        time.sleep(0.05)
    first = read_cost(path)
    assert 100.05 <= first.seconds < 105
    assert first.peak_memory == 1e15
    with pytest.raises(KeyboardInterrupt), added_up(path, read_cost(path)):
        raise KeyboardInterrupt
    assert first.seconds < read_cost(path).seconds < 110
    assert set(read_json(path)) == {"seconds", "peak_memory"}


def test_what_a_killed_process_noted_is_there(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fit.json"
    with added_up(path, Cost(100.0, 1.0)) as note:
        time.sleep(0.05)
        note()
        noted = read_cost(path)
    assert 100.05 <= noted.seconds <= read_cost(path).seconds < 105
    assert noted.peak_memory > 1e6


def test_what_was_taken_so_far_is_known_while_a_sample_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, asked, watch = cost._bytes, [], Watch()

    def sampled(name: str) -> float:
        if threading.current_thread() is not threading.main_thread() and not asked:
            asked.append(None)
            asked[0] = watch.so_far()
        return plain(name)

    monkeypatch.setattr(cost, "_bytes", sampled)
    with watch:
        until = time.monotonic() + 60
        while not asked and time.monotonic() < until:
            time.sleep(0.01)
    assert asked[0].peak_memory > 1e6


def test_what_is_not_known_stays_so(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.json"
    with added_up(path, UNKNOWN):
        pass
    assert read_json(path) == {"seconds": None, "peak_memory": None}
    assert np.isnan(read_cost(path)).all()
    monkeypatch.setattr(cost, "_STATUS", tmp_path / "no such system")
    assert math.isnan(held(1).peak_memory)
    assert held(1).seconds > 0.2


def test_of_several_seeds_the_mean_and_the_most() -> None:
    assert Cost.of_seeds([Cost(1.0, 5.0), Cost(3.0, 4.0)]) == (2.0, 5.0)
