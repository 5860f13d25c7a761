"""What is chosen for this process holds for those that it begins, such as the extractor."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from drrec import device
from drrec.errors import InputError


def seen_by_a_child():
    command = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    return subprocess.check_output([sys.executable, "-c", command], text=True).strip()


@pytest.mark.parametrize(
    ("gpu", "before", "after"),
    [(-1, "0", ""), (-1, None, ""), (None, "2", "2"), (1, "5,7", "7"), (1, None, "1")],
)
def test_children_see_what_was_chosen(monkeypatch, gpu, before, after):
    if before is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", before or "")  # put back afterwards
    taken = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["card 0", "card 1"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda cards, _: taken.extend(cards))
    growth = tf.config.experimental
    monkeypatch.setattr(growth, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(growth, "get_device_details", lambda _: {"device_name": "made up"})
    said = device.select(gpu)
    assert seen_by_a_child() == after
    assert taken == ([] if gpu == -1 else [f"card {gpu or 0}"])
    assert ("processor" in said) == (gpu == -1)


@pytest.mark.parametrize("gpu", [-2, 99])
def test_a_card_that_there_is_not_is_refused(gpu):
    with pytest.raises(InputError, match=f"Received: {gpu}"):
        device.select(gpu)
