import multiprocessing
import os
import signal
import threading
import time

import pytest
from tests.features.hostile import Hostile

from drrec.errors import InputError
from drrec.features.bounds import MediaLimits
from drrec.features.decoding import Decoders


@pytest.fixture
def decoded(tmp_path):
    """What comes of items' files, by their names; each item is a name or several."""

    def _decoded(items, workers=1, refuses=False, **limits):
        config = Hostile(MediaLimits(**limits), refuses)
        decoders = Decoders(config, workers)
        files = [tuple(str(tmp_path / name) for name in item.split()) for item in items]
        try:
            return [
                one.reason or one.prepared.inputs["pixel_values"][0, 0]
                for one in decoders.decoded(files)
            ]
        finally:
            decoders.close()

    return _decoded


def test_a_file_that_crashes_hangs_swallows_or_fails_costs_its_own_item(decoded):
    """And of that item only itself: the next file is tried."""
    items = ["a", "crash.mp4 broken.mp4", "b", "hang.mp4", "hang.mp4 c", "swallow.mp4", "fail.mp4"]
    slow = "decoding took longer than 2 seconds (--decode-timeout)"
    assert decoded([*items, "", "d"], workers=2, timeout=2.0, memory=0.5) == [
        97,
        "crash.mp4: the decoder crashed on it; broken.mp4: no film",
        98,
        f"hang.mp4: {slow}",
        99,
        "swallow.mp4: it takes more memory than there is (--decode-memory)",
        "fail.mp4: the decoder failed (SystemError: a library in disorder)",
        "no file",
        100,
    ]


def test_a_file_at_which_a_process_was_ended_once_is_tried_again(decoded):
    assert decoded(["a", "once", "b"]) == [97, sum(map(ord, "once")), 98]


def test_a_processor_that_cannot_be_loaded_is_said(decoded):
    with pytest.raises(InputError, match=r"^Expected the image processor\. Received: none\.$"):
        decoded(["a", "b"], refuses=True)


def test_decoders_that_are_at_something_can_be_closed(tmp_path):
    before = {*threading.enumerate()}
    decoders = Decoders(Hostile(MediaLimits()), 1)
    found = decoders.decoded([(str(tmp_path / "a"),), (str(tmp_path / "hang"),)] * 4)
    assert next(found).reason == ""
    decoders.close()  # long before the time limit
    assert multiprocessing.active_children() == []
    assert {*threading.enumerate()} <= before


def test_what_interrupts_the_parent_is_not_heard_by_the_processes(tmp_path, capfd):
    decoders = Decoders(Hostile(MediaLimits()), 1)
    found = decoders.decoded([(str(tmp_path / name),) for name in ("a", "b", "c", "d", "e")])
    next(found)
    os.kill(decoders._processes[0]._process.pid, signal.SIGINT)
    time.sleep(0.1)
    assert [one.reason for one in found] == [""] * 4
    decoders.close()
    assert capfd.readouterr().err == ""
