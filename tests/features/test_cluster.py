"""Extraction by workers of a cluster: the same file byte for byte, though a machine dies.

Workers load PyTorch several times, a minute of processor time: these tests run where
`DRREC_TEST_RAY` is set, as it is in `.ci/run`.
"""

import functools
import os
import threading
import time

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

# Ray Data reads settings of its own that it has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.skipif("DRREC_TEST_RAY" not in os.environ, reason="DRREC_TEST_RAY"),
]


def run(here, cluster=None, **changes):
    config = config_of(here, modality="video", **changes)
    return extract(config, load_dataset(here), here.parent / "data", -1, cluster)


def slowly(path):
    """Begin with encoders that note what they are at, and wait for each other at first."""
    encode = encoding.Worker.__call__

    def noting(self, first, end):
        work.note(path, f"{self._encoder.config.modality}-{first}")
        work.until(lambda: len(work.lines_of(path)) >= 2)
        time.sleep(1.0)
        return encode(self, first, end)

    encoding.Worker.__call__ = noting


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    return tmp_path_factory.mktemp("noted") / "batches"


@pytest.fixture(scope="module")
def cluster(machines, noted):
    begin = functools.partial(slowly, str(noted))
    context = pytest.MonkeyPatch.context()
    with machines.of(1, 1), machines.connected(begin) as cluster, context as patch:
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


def test_the_file_is_the_same_though_a_machine_dies(here, noted, cluster, machines, monkeypatch):
    outcomes = run(here)
    whole = stored(here).read_bytes()
    stored(here).unlink()
    broken_off(here, monkeypatch, after=1)
    noted.unlink(missing_ok=True)

    def kill():
        work.until(lambda: len(work.lines_of(noted)) >= 2)
        machines.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    assert run(here, cluster) == outcomes
    thread.join()
    assert stored(here).read_bytes() == whole
    begun = work.lines_of(noted)
    assert len(begun) > len(set(begun))  # what the machine was at was made again
    assert "video-0" not in begun  # it was in the journal
