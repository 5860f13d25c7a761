import fcntl
import os
import tempfile

import pytest

from drrec.serving.counting import PREFIX, counting_folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Temporary files of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_processes_that_are_no_more_are_removed_and_others_are_not(place):
    (place / f"{PREFIX}left").mkdir()
    with counting_folder() as held, counting_folder() as other:
        assert sorted(os.path.join(place, name) for name in os.listdir(place)) == sorted(
            [held, other]
        )
    assert not any(place.iterdir())


@pytest.mark.parametrize(("module", "name"), [(os, "open"), (fcntl, "flock")])
def test_a_folder_that_another_process_sweeps_before_it_is_locked_is_made_again(
    place, monkeypatch, module, name
):
    original, swept = getattr(module, name), []

    def late(*given):
        if not swept:
            swept.extend(place.iterdir())
            swept[0].rmdir()
        return original(*given)

    monkeypatch.setattr(module, name, late)
    with counting_folder() as folder:
        assert os.path.isdir(folder)
    assert swept
