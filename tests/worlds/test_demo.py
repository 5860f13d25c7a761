import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from PIL import Image

from drrec.data.datasets import load_dataset
from drrec.data.sources import fetch
from drrec.worlds import demo_media, demo_text
from drrec.worlds.demo import make_demo
from drrec.worlds.demo_text import GENRES
from drrec.worlds.world import KINDS, World

WORDS = ("demo.inter", "demo.item", "plots.csv", "world.npz")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data") / "demo"
    make_demo(folder, num_films=40, num_users=50)
    return folder


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_is_a_data_set_with_titles_and_a_world_that_knows_it(demo):
    dataset = load_dataset("demo", demo.parent)
    log = dataset.interactions
    assert (dataset.name, log.num_users, log.num_items) == ("demo", 50, 41)
    assert len(set(dataset.titles.tolist())) == 41
    truth = World.load(demo / "world.npz").truth(log.users, log.items)
    paid, rated = truth.appeal[log.user, log.item], (log.rating - 3) / 2
    assert np.corrcoef(paid, rated)[0, 1] > 0.6


def test_every_film_can_be_seen_heard_and_read(demo):
    items = World.load(demo / "world.npz").items.tolist()
    assert files(demo) == sorted(
        [*WORDS, *(f"media/trailers/{i}.mp4" for i in items)]
        + [f"media/images/{i}.jpg" for i in items]
    )
    for item in items[:5]:
        with av.open(str(demo / "media" / "trailers" / f"{item}.mp4")) as trailer:
            video, audio = trailer.streams.video[0], trailer.streams.audio[0]
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert len([1 for _ in trailer.decode(video)]) == 12
            assert float(audio.duration * audio.time_base) == pytest.approx(2, abs=0.2)
        with Image.open(demo / "media" / "images" / f"{item}.jpg") as poster:
            assert poster.size == (96, 96)
    with (demo / "plots.csv").open(encoding="utf-8", newline="") as file:
        plots = {row["item_id"]: row["plot"] for row in csv.DictReader(file)}
    assert list(plots) == items
    assert all(len(plot.split()) > 10 and "{" not in plot for plot in plots.values())


def test_genres_hint_at_the_kind_and_mislead_now_and_then(tmp_path):
    make_demo(tmp_path / "demo", num_films=400, num_users=40, with_media=False)
    kind = World.load(tmp_path / "demo" / "world.npz").kind
    rows = (tmp_path / "demo" / "demo.item").read_text(encoding="utf-8").splitlines()[1:]
    fits = [
        set(row.split("\t")[3].split()) <= set(GENRES[KINDS[k]])
        for row, k in zip(rows, kind, strict=True)
    ]
    assert 0.8 < np.mean(fits) < 0.97


def test_hints_mislead_each_modality_apart(tmp_path, monkeypatch):
    told = {"frames": [], "sound": [], "synopsis": []}

    def listening(name, module):
        speak = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda kind, *rest: told[name].append(kind) or speak(kind, *rest)
        )

    listening("frames", demo_media)
    listening("sound", demo_media)
    listening("synopsis", demo_text)
    monkeypatch.setattr(demo_media, "write_trailer", lambda path, *rest: path.touch())
    make_demo(tmp_path / "demo", num_films=400, num_users=20)
    kind = World.load(tmp_path / "demo" / "world.npz").kind
    wrong = np.array(list(told.values())) != kind  # [M, I']
    assert ((wrong.mean(axis=1) > 0.07) & (wrong.mean(axis=1) < 0.18)).all()
    # Apart, two would both be wrong in 0.12² of the films.
    both = wrong.astype(int) @ wrong.T / len(kind)
    assert both[~np.eye(3, dtype=bool)].max() < 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(demo, tmp_path):
    for seed, same in ((0, True), (1, False)):
        folder = tmp_path / str(seed)
        make_demo(folder, seed, num_films=40, num_users=50, with_media=seed == 0)
        for name in WORDS:
            assert ((folder / name).read_bytes() == (demo / name).read_bytes()) == same
    for name in files(demo):
        assert (tmp_path / "0" / name).read_bytes() == (demo / name).read_bytes()


def test_fetch_makes_it_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("drrec.worlds.demo.make_demo", lambda to: made.append(to) or to.mkdir())
    assert fetch("demo", tmp_path) == fetch("demo", tmp_path) == tmp_path / "demo"
    assert made == [tmp_path / "demo"]


def test_killed_halfway_there_is_nothing_and_the_next_time_all_of_it(demo, tmp_path):
    folder = tmp_path / "demo"
    asked = f"make_demo({str(folder)!r}, num_films=40, num_users=50)"
    code = f"from drrec.worlds.demo import make_demo; {asked}"
    source = str(pathlib.Path(__file__).parents[2] / "src")
    environment = os.environ | {"PYTHONPATH": source}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while process.poll() is None and len(list(tmp_path.glob(".demo.*/media/trailers/*"))) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob(".demo.*/media/trailers/*.mp4"))
    assert not folder.exists()
    make_demo(folder, num_films=40, num_users=50)
    assert files(folder) == files(demo)
