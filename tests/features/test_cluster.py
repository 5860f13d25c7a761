"""Extraction by workers of a cluster: the same file byte for byte, though a machine dies."""

import threading

import pytest
from tests.cluster import work
from tests.features.test_extract import config_of, here, place, stored

from drrec.cluster import pool
from drrec.data.datasets import load_dataset
from drrec.errors import InputError
from drrec.features import encoding
from drrec.features import extract as extracting
from drrec.features.extract import extract

__all__ = ["here", "place"]


def run(here, cluster=None, **changes):
    config = config_of(here, modality="video,text", **changes)
    return extract(config, load_dataset(here), here.parent / "data", -1, cluster)


@pytest.fixture(scope="module")
def cluster(machines):
    with machines.of(1, 1), machines.connected() as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "NUMBERS_AT_ONCE", 1)
        yield cluster


def broken_off(here, monkeypatch, after):
    """Begin an extraction in this process, and stop after some batches."""

    def some(*given):
        for number, batch in enumerate(batches(*given)):
            if number == after:
                raise KeyboardInterrupt
            yield batch

    batches = extracting.batches
    with monkeypatch.context() as patch:
        patch.setattr(extracting, "batches", some)
        with pytest.raises(KeyboardInterrupt):
            run(here)


def test_a_worker_with_other_libraries_refuses(here, cluster, monkeypatch):
    monkeypatch.setattr(encoding, "versions", lambda: {"torch": "0"})
    with pytest.raises(InputError, match="same libraries on all"):
        run(here, cluster)


def test_the_file_is_the_same_though_a_machine_dies(here, cluster, machines, monkeypatch):
    outcomes = run(here)
    whole = stored(here).read_bytes()
    stored(here).unlink()
    broken_off(here, monkeypatch, after=1)
    journal = next(stored(here).parent.glob(".*.video.part"))
    size = journal.stat().st_size

    def kill():
        work.until(lambda: journal.stat().st_size > size)
        machines.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    assert run(here, cluster) == outcomes
    thread.join()
    assert stored(here).read_bytes() == whole
