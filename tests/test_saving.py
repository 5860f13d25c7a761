"""A model that was made up is refused as it is loaded: nothing is followed out of its arrays."""

import json

import numpy as np
import pytest

import drrec
from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError


@pytest.fixture
def saved(tiny_dataset, tmp_path):
    path = tmp_path / "model.drrec"
    drrec.ItemKNN().fit(tiny_dataset).save(path)
    return path


def changed(path, change):
    """The file with other arrays, under a checksum that is right."""
    arrays = dict(read_arrays(path, "a model", "Mend it."))
    change(arrays)
    write_arrays(path, arrays, compressed=True)


def of(arrays, end):
    return next(name for name in arrays if name.endswith(end))


def far_out(arrays):
    arrays[of(arrays, "/indices")][0] = 10**6


def backwards(arrays):
    name = of(arrays, "/indptr")
    arrays[name] = arrays[name][::-1].copy()


def cut(arrays):
    name = of(arrays, "history")
    arrays[name] = arrays[name][:-1]


def of_numbers(arrays):
    name = next(name for name in arrays if arrays[name].dtype == object)
    arrays[name] = np.arange(len(arrays[name]))


def elsewhere(arrays):
    head = json.loads(str(arrays["head"]).replace('"item_knn"', '"os.system"'))
    arrays["head"] = np.array(json.dumps(head))


@pytest.mark.parametrize("change", [far_out, backwards, cut, of_numbers, elsewhere])
def test_arrays_that_do_not_go_together_are_refused(saved, change):
    assert drrec.load(saved).recommend(["u00"], k=1)["item"].size == 1
    changed(saved, change)
    with pytest.raises(InputError) as caught:
        drrec.load(saved)
    assert str(caught.value).isprintable()
