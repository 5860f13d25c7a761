"""A sound file is read; whatever is made of it is read or refused in one line."""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.fuzzing.harness import Verdict, tried
from tests.fuzzing.targets import TARGETS, Target

EXAMPLES = {False: 39, True: 15}
"""Of each reader, and of each that is slow: some 1,200 in all."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folders = {}

    def made(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("sound")
            TARGETS[name].make(folders[name])
        return folders[name]

    return made


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_sound_is_read(name, tmp_path):
    TARGETS[name].make(tmp_path)
    TARGETS[name].read(tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_changed_is_read_or_refused_in_one_line(name, sound, tmp_path, monkeypatch):
    monkeypatch.setattr("drrec.features.hdf5._SECONDS", 1.0)  # the library reads some for ever

    @settings(
        max_examples=EXAMPLES[TARGETS[name].is_slow],
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=True))
    def check(random_):
        tried(TARGETS[name], random_, sound(name), tmp_path / "changed")

    check()


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda _: {}["a"], "KeyError"),
        (lambda _: (b"x" * (600 << 20)).count(b"y"), "bytes of memory"),
    ],
)
def test_a_reader_that_fails_is_found(read, said, tmp_path):
    target = Target(lambda folder: (folder / "a").write_text("a") and None, read, ("a",))
    (tmp_path / "sound").mkdir()
    target.make(tmp_path / "sound")
    with pytest.raises(Verdict, match=said):
        tried(target, random.Random(0), tmp_path / "sound", tmp_path / "changed")
