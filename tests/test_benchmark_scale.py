"""Logs that are made up block by block, and the slopes of what is measured on them."""

import importlib.util
import pathlib
import sys

import numpy as np
import pandas as pd
import pytest

SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module", autouse=True)
def _scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        yield


def module(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def test_blocks_hold_each_user_once_and_no_pair_twice(monkeypatch):
    zipf = module("zipf")
    monkeypatch.setattr(zipf, "ROWS_AT_ONCE", 900)
    blocks = list(zipf.ZipfLog(users=300, items=400, rows=9000, seed=3).blocks())
    assert len(blocks) > 5
    users = [np.unique(block.user) for block in blocks]
    assert np.concatenate(users).tolist() == list(range(300))
    rows = [np.concatenate(column) for column in zip(*blocks, strict=True)]
    user, item, rating, timestamp = rows
    assert len(np.unique(user * 400 + item)) == len(user)
    assert 4000 < len(user) <= 9000 + 300
    assert item.min() >= 0
    assert item.max() < 400
    assert set(rating.tolist()) == {1, 2, 3, 4, 5}
    assert (np.diff(timestamp)[np.diff(user) == 0] > 0).all()
    again = list(zipf.ZipfLog(users=300, items=400, rows=9000, seed=3).blocks())
    np.testing.assert_array_equal(again[-1].item, blocks[-1].item)


def test_popularity_has_a_long_tail_and_users_have_a_taste():
    zipf = module("zipf")
    (rows,) = zipf.ZipfLog(users=2000, items=1000, rows=60_000).blocks()
    count = np.bincount(rows.item, minlength=1000)
    assert count[:50].mean() > 4 * count[500:].mean()
    taste = np.zeros((2000, zipf.NUM_TASTES))
    np.add.at(taste, (rows.user, rows.item % zipf.NUM_TASTES), 1)
    active = taste.sum(axis=1) > 20
    share = taste.max(axis=1)[active] / taste.sum(axis=1)[active]
    assert share.mean() > 0.25  # with no taste .1


def test_a_log_in_random_order_is_as_busy_as_zipfs_law_says(monkeypatch):
    zipf = module("zipf")
    monkeypatch.setattr(zipf, "ROWS_AT_ONCE", 70_000)
    log = zipf.ZipfLog(
        users=300, items=900, rows=150_000, order="random", user_exponent=0.5, item_exponent=0.9
    )
    blocks = list(log.blocks())
    assert [len(block.user) for block in blocks] == [70_000, 70_000, 10_000]
    user, item, rating, timestamp = (np.concatenate(column) for column in zip(*blocks, strict=True))
    for ids, size, exponent in ((user, 300, 0.5), (item, 900, 0.9)):
        counts = np.sort(np.bincount(ids, minlength=size))[::-1]
        steps = np.arange(size + 1) ** (1 - exponent)  # shares by the law's integral
        expected = len(ids) * np.diff(steps) / steps[-1]
        assert counts[:5] == pytest.approx(expected[:5], rel=0.1)
        assert counts[size // 2 :].sum() == pytest.approx(expected[size // 2 :].sum(), rel=0.1)
    assert np.mean(user < 150) == pytest.approx(0.5, abs=0.1)  # .7 if ids were in order
    assert set(rating.tolist()) == {1, 2, 3, 4, 5}
    assert np.mean(rating == 4) == pytest.approx(0.34, abs=0.01)
    assert not (np.diff(timestamp) >= 0).all()


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_what_is_written_is_what_goes_on(tmp_path, monkeypatch, name):
    zipf = module("zipf")
    monkeypatch.setattr(zipf, "ROWS_AT_ONCE", 700)
    log = zipf.ZipfLog(users=50, items=90, rows=2000, order="random")
    blocks = list(zipf.written(log.blocks(), tmp_path / name))
    assert len(blocks) == 3
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    frame = read(tmp_path / name)
    assert list(frame) == ["user_id", "item_id", "rating", "timestamp"]
    rows = np.concatenate([np.stack(block, 1) for block in blocks])
    np.testing.assert_array_equal(frame.to_numpy(), rows)


def test_slopes_are_the_powers_that_costs_grow_by(tmp_path):
    scale = module("benchmark_scale")
    found = [
        {"stage": stage, "rows": rows, "cpu_seconds": 2e-6 * rows**power, "peak_mb": 90.0}
        for rows in (1000, 4000, 64_000)
        for stage, power in (("embed", 1.0), ("baselines", 1.5))
    ]
    slopes = scale.slopes(found, "rows")
    assert slopes["embed"] == {"cpu_seconds": 1.0, "peak_mb": 0.0}
    assert slopes["baselines"]["cpu_seconds"] == 1.5
    scale.draw({"axis": "rows", "measured": found, "slopes": slopes}, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes()[:4] == b"\x89PNG"


def test_with_rows_users_and_items_grow_along():
    scale = module("benchmark_scale")
    grown = scale._sizes(scale.Scale(), 1_000_000)
    assert grown == {"rows": 1_000_000, "users": 20_000, "items": 5_000}
    assert scale._sizes(scale.Scale(axis="items"), 50) | {"items": 50} == {
        "rows": 1_000_000,
        "users": 20_000,
        "items": 50,
    }


@pytest.mark.parametrize("stages", ["embed", "data,embed"])
def test_what_stages_read_is_the_generated_log(tmp_path, stages):
    scale = module("benchmark_scale")
    options = scale.Scale(users=40, items=60, rows=900, stages=stages, place=tmp_path)
    made = scale._generate(options)
    (rows,) = module("zipf").ZipfLog(users=40, items=60, rows=900).blocks()
    log = scale._log(options)
    assert made == {"rows": len(rows.user)}
    assert log.user.tolist() == rows.user.tolist()
    assert log.items.raw[log.item].tolist() == rows.item.astype(str).tolist()
    assert (tmp_path / "log.csv").exists() == ("data" in stages)
    train, last = scale._halves(options)
    ends = np.flatnonzero(np.diff(rows.user, append=-1))
    assert last.item.tolist() == (rows.item[ends] + 1).tolist()
    assert len(train) == len(log) - 40
