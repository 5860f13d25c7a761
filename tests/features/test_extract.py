"""The whole extraction: against a plain loop, killed and resumed, with media of every bad kind."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sys
import time

import h5py
import numpy as np
import pytest
import torch
import transformers
from tests.features.tiny import (
    DecodesHere,
    gray,
    save_encoder,
    tone,
    write_image,
    write_trailer,
)
from tests.llm.launched import begun

from drrec import cli
from drrec.data.datasets import load_dataset
from drrec.errors import InputError
from drrec.features import journal, work
from drrec.features.config import ExtractConfig
from drrec.features.extract import extract, summary
from drrec.features.media import frames_of, sound_of
from drrec.features.store import features_path, load_features

IDS = [str(number) for number in range(1, 15)]


@pytest.fixture
def _decode_here(monkeypatch):
    monkeypatch.setattr(work, "Decoders", DecodesHere)


def write_log(folder):
    rows = [f"{user}\t{raw}\t4\t{time}" for user in "uv" for time, raw in enumerate(IDS)]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (folder / "mine.inter").write_text(head + "\n".join(rows) + "\n")
    titles = [f"{raw}\tThe {'storm ' * int(raw)}{raw}, or love" for raw in IDS]
    (folder / "mine.item").write_text(
        "item_id:token\tmovie_title:token\n" + "\n".join(titles) + "\n"
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set `mine` of 14 items with media of all kinds, good and bad, and three encoders."""
    folder = tmp_path_factory.mktemp("place") / "mine"
    media = folder / "media"
    for number, raw in enumerate(IDS[:8]):
        film = [gray(20 * number + 3 * step) for step in range(9 + number)]
        sound = tone(200 + 100 * number, 0.4 + 0.3 * number)
        write_trailer(media / f"trailers/{raw}.mp4", film, sound)
    write_image(media / "images/9.jpg", gray(77))
    write_trailer(media / "audio/9.mp4", sound=tone(300))
    (media / "trailers/10.mp4").write_bytes(b"")
    write_image(media / "images/10.png", gray(99))  # stands in for the broken trailer
    (media / "trailers/11.mp4").write_bytes(b"no film at all")
    write_trailer(media / "trailers/12.mkv", [gray(50)] * 9)  # no sound track
    write_log(folder)
    (folder / "plots.csv").write_text("item_id,plot\n2,A chase at night.\n")
    for kind in ("vit", "ast", "bert"):
        save_encoder(folder.parent / kind, kind)
    return folder


@pytest.fixture
def here(place, tmp_path):
    """A copy of it, to be worked in; the files keep their times."""
    shutil.copytree(place.parent, tmp_path / "here")
    return tmp_path / "here" / "mine"


def config_of(here, **changes):
    models = {"video": "vit", "audio": "ast", "text": "bert"}
    named = {f"{name}_model": str(here.parent / kind) for name, kind in models.items()}
    settings = {"frames": 3, "batch_size": 6, "precision": "float32", "workers": 1}
    return ExtractConfig(dataset=str(here), **(named | settings | changes))


def run(here, config=None, **changes):
    config = config or config_of(here, **changes)
    return extract(config, load_dataset(here), here.parent / "data", -1)


def stored(here):
    return features_path(here.parent / "data", load_dataset(here).key)


def content(path):
    """All of a file, by name."""
    with h5py.File(path) as file:
        made = {f"/{name}": value for name, value in file.attrs.items()}
        for group in ("video", "audio", "text"):
            if group in file:
                made |= {f"{group}/{name}": value for name, value in file[group].attrs.items()}
                made |= {
                    f"{group}/{name}": file[group][name][...].tobytes() for name in file[group]
                }
        return made | {"ids": file["item_ids"][...].tolist()}


@pytest.mark.usefixtures("_decode_here")
def test_features_are_those_of_a_plain_loop(here):
    outcomes = run(here)
    dataset = load_dataset(here)
    found = load_features(stored(here), dataset, ["video", "audio", "text"])
    items = dataset.interactions.items
    vit = transformers.AutoModel.from_pretrained(here.parent / "vit").eval()
    process = transformers.AutoImageProcessor.from_pretrained(here.parent / "vit", backend="pil")
    bert = transformers.AutoModel.from_pretrained(here.parent / "bert").eval()
    tokenize = transformers.AutoTokenizer.from_pretrained(here.parent / "bert")
    with torch.no_grad():
        for raw in IDS[:8]:
            images = frames_of(here / f"media/trailers/{raw}.mp4", 3)
            tokens = vit(**process(images=images, return_tensors="pt")).last_hidden_state
            np.testing.assert_allclose(
                found["video"].features[items.dense(raw)],
                tokens[:, 1:].mean(dim=(0, 1)),
                rtol=1e-4,
                atol=1e-5,
            )
        for raw, text in [("2", "The storm storm 2, or love. A chase at night."),
                          ("14", "The " + "storm " * 14 + "14, or love.")]:  # fmt: skip
            tokens = bert(**tokenize(text, return_tensors="pt")).last_hidden_state
            vector = found["text"].features[items.dense(raw)]
            np.testing.assert_allclose(vector, tokens[0].mean(0), rtol=1e-4, atol=1e-5)
    check_sound(here, found["audio"].features[items.dense("7")])
    assert {name: one.present[1:].nonzero()[0].tolist() for name, one in found.items()} == {
        "video": [*range(10), 11],
        "audio": list(range(9)),
        "text": list(range(14)),
    }
    assert found["video"].encoder.endswith("vit")
    reasons = {one.modality: one.reasons for one in outcomes}
    assert list(reasons["video"]) == ["11"]
    assert list(reasons["audio"]) == ["10", "11", "12"]
    assert reasons["audio"]["10"] == "10.mp4: an empty file"
    assert reasons["audio"]["12"] == "12.mkv: no sound track"
    said = summary(outcomes, stored(here))
    assert "audio: 9 of 14 items" in said
    assert "  12: 12.mkv: no sound track" in said


def check_sound(here, vector):
    """Each window alone, without the patches of padding, by how much of it is sound."""
    ast = transformers.AutoModel.from_pretrained(here.parent / "ast").eval()
    listen = transformers.AutoFeatureExtractor.from_pretrained(here.parent / "ast")
    sound = sound_of(here / "media/trailers/7.mp4", 16_000, 30)
    windows = [sound[:20_480], sound[20_480:]]
    assert 5_000 < len(windows[1]) < 20_000
    means = []
    for window in windows:
        with torch.no_grad():
            made = listen(window, sampling_rate=16_000, return_tensors="pt")
            patches = ast(**made).last_hidden_state[0, 2:].reshape(2, -1, 24)
        heard = (1 + (len(window) - 400) // 160 - 16) // 10 + 1
        means.append(patches[:, :heard].mean(dim=(0, 1)).numpy())
    expected = (means[0] * len(windows[0]) + means[1] * len(windows[1])) / len(sound)
    np.testing.assert_allclose(vector, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("_decode_here")
def test_interrupted_at_any_batch_and_resumed_it_equals_one_run(here, monkeypatch):
    add, added, last = journal.Journal.add, [], None

    def noted(self, batch):
        add(self, batch)
        added.append(batch)
        if len(added) == last:
            raise KeyboardInterrupt

    monkeypatch.setattr(journal.Journal, "add", noted)
    run(here)
    whole, once = content(stored(here)), len(added)
    for after in (1, 2, 4, 6):
        stored(here).unlink()
        added.clear()
        last = after
        with pytest.raises(KeyboardInterrupt):
            run(here)
        assert len(added) == after
        last = None
        run(here)
        assert content(stored(here)) == whole
        assert len(added) == once  # nothing was encoded twice
        assert [p.name for p in stored(here).parent.iterdir()] == [stored(here).name]


def command_line(log, command):
    """What a process does that runs a stage, and what it says goes to a file."""
    said = os.open(log, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(log.parent)
    sys.exit(cli.run(*cli.STAGES, argv=command))


def test_killed_at_once_and_run_again_it_equals_one_run(here, monkeypatch):
    """A real process with real decoders, killed as kill -9 does; its children go with it."""
    config = {"modality": "video", "batch_size": 1}
    with monkeypatch.context() as patch:
        patch.setattr(work, "Decoders", DecodesHere)
        run(here, **config)
    whole = content(stored(here))
    stored(here).unlink()
    models = [flag for name, kind in (("video", "vit"), ("audio", "ast"), ("text", "bert"))
              for flag in (f"--{name}-model", str(here.parent / kind))]  # fmt: skip
    command = ["extract", "--dataset", str(here), *models]
    command += ["--modality", "video", "--frames", "3", "--batch-size", "1", "--gpu", "-1"]
    command += ["--precision", "float32", "--workers", "1", "--data-dir", str(here.parent / "data")]
    part = stored(here).with_name(f".{stored(here).stem}.video.part")
    process = begun(command_line, here.parent / "log", command)
    one_batch = 400  # bytes, at least
    try:
        until = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size > 3 * one_batch):
            assert process.is_alive(), (here.parent / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.001)
        children = children_of(process.pid)
    finally:
        process.kill()
        process.join()
    assert children
    assert not stored(here).exists()
    until = time.monotonic() + 60
    while any(is_alive(child) for child in children):
        assert time.monotonic() < until
        time.sleep(0.05)
    add, added = journal.Journal.add, []
    monkeypatch.setattr(
        journal.Journal, "add", lambda self, batch: (added.append(batch), add(self, batch))
    )
    outcomes = run(here, **config)
    assert content(stored(here)) == whole
    assert 0 < len(added) < 12 - 3  # of 12 films and pictures, three at least were done
    assert "11.mp4: InvalidDataError" in summary(outcomes, stored(here))


def children_of(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("no /proc")
    return [int(child) for child in path.read_text().split()]


def is_alive(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.usefixtures("_decode_here")
def test_what_is_there_already_is_not_made_again_unless_something_changed(here, monkeypatch):
    assert [one.is_new for one in run(here)] == [True] * 3
    before = content(stored(here))
    outcomes = run(here)
    assert [one.is_new for one in outcomes] == [False] * 3
    assert "video: there already" in summary(outcomes, stored(here))
    (here / "plots.csv").write_text("item_id,plot\n3,Another.\n")
    assert [one.is_new for one in run(here)] == [False, False, True]
    os.utime(here / "media/trailers/1.mp4", (1, 1))
    assert [one.is_new for one in run(here)] == [True, True, False]
    for change in ({"frames": 2}, {"pooling": "cls"}, {"frame_pooling": "mean_std"},
                   {"dtype": "float16"}, {"batch_size": 5}, {"precision": "bfloat16"}):  # fmt: skip
        (outcome,) = run(here, modality="video", **change)
        assert outcome.is_new, change
    after = content(stored(here))
    says_how = ("audio/fingerprint", "audio/source")
    kept = [{key: value for key, value in each.items() if key.startswith("audio")
             and key not in says_how} for each in (before, after)]  # fmt: skip
    assert kept[0] == kept[1]


@pytest.mark.usefixtures("_decode_here")
def test_a_resume_with_other_settings_starts_anew(here, monkeypatch):
    add = journal.Journal.add

    def interrupted(self, batch):
        add(self, batch)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(here, modality="video", frames=1)
    run(here, modality="video", frames=3)
    resumed = content(stored(here))
    stored(here).unlink()
    run(here, modality="video", frames=3)
    assert content(stored(here)) == resumed


@pytest.mark.usefixtures("_decode_here")
def test_spread_stands_beside_the_mean_and_half_precision_is_stored(here):
    dataset = load_dataset(here)
    run(here, modality="video")
    plain = load_features(stored(here), dataset, ["video"])["video"].features
    run(here, modality="video", frame_pooling="mean_std", dtype="float16")
    both = load_features(stored(here), dataset, ["video"])["video"].features
    np.testing.assert_allclose(both[:, :24], plain, atol=2e-3)
    spread = both[:, 24:]
    assert spread[dataset.interactions.items.dense("9")].tolist() == [0] * 24  # one picture
    assert spread[dataset.interactions.items.dense("8")].max() > 0.01
    assert content(stored(here))["video/dtype"] == "float16"


@pytest.mark.usefixtures("_decode_here")
def test_strict_stops_at_a_broken_file_and_leaves_the_old_features(here):
    run(here, modality="text")
    before = stored(here).read_bytes()
    with pytest.raises(InputError, match=r"video of item 11. Received: 11.mp4: .* --strict"):
        run(here, modality="video", strict=True)
    assert stored(here).read_bytes() == before


@pytest.mark.usefixtures("_decode_here")
def test_media_and_plots_of_unknown_items_are_named(here, caplog):
    write_image(here / "media/images/nobody.png", gray(1))
    (here / "plots.csv").write_text("item_id,plot\n99,Somebody else.\n")
    assert run(here, modality="video,text")
    assert "images/nobody.png" in caplog.text
    assert "1 belong to no item (99)" in caplog.text
    with pytest.raises(InputError, match=r"1 of none \(99\).*--strict"):
        run(here, modality="text", strict=True)
    (here / "plots.csv").unlink()
    with pytest.raises(InputError, match=r"1 of none \(images/nobody.png\)"):
        run(here, modality="video", strict=True)


@pytest.mark.usefixtures("_decode_here")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"modality": "smell"}, "among video, audio, text. Received: 'smell'"),
        ({"media": pathlib.Path("nowhere")}, r"trailers/ or images/ of nowhere. Received: none"),
        ({"video_model": "bert"}, "to be a model of images. Received: a model of text"),
        ({"text_file": pathlib.Path("none.csv")}, "none.csv"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_encoded(here, changes, said, monkeypatch):
    monkeypatch.chdir(here.parent)
    with pytest.raises(InputError, match=said) as refused:
        run(here, **changes)
    assert "\n" not in str(refused.value)
    assert not stored(here).parent.exists() or not list(stored(here).parent.glob("*"))


@pytest.mark.usefixtures("_decode_here")
def test_nothing_but_broken_media_is_refused(here):
    for path in (here / "media/trailers").glob("*"):
        path.write_bytes(b"x")
    shutil.rmtree(here / "media/images")
    with pytest.raises(InputError, match="only files that cannot be used"):
        run(here, modality="video")


@pytest.mark.usefixtures("_decode_here")
def test_batches_do_not_change_what_comes_out(here):
    dataset = load_dataset(here)
    run(here, batch_size=1)
    one = load_features(stored(here), dataset, ["video", "audio", "text"])
    run(here, batch_size=64)
    for name, many in load_features(stored(here), dataset, list(one)).items():
        np.testing.assert_allclose(many.features, one[name].features, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_decode_here")
def test_small_encoders_are_named_untrained(here):
    models = {f"{name}_model": "small" for name in ("video", "audio", "text")}
    run(here, seed=3, **models)
    found = content(stored(here))
    small = f"small-{load_dataset(here).key}-3"
    weights = here.parent / "data/features" / small / "video/model.safetensors"
    assert found["video/weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert found["video/encoder"] == "untrained ViT (seed 3)"
    assert found["text/encoder"] == "untrained BERT (seed 3)"
    assert found["video/pooling"] == "mean, mean and spread of frames"
    assert "torch" in found["audio/library_versions"]


@pytest.mark.usefixtures("_decode_here")
def test_limits_cost_the_items_beyond_them_and_no_others(here):
    (here.parent / "film.mp4").write_bytes((here / "media/trailers/8.mp4").read_bytes())
    (here / "media/trailers/13.mp4").symlink_to(here.parent / "film.mp4")
    write_image(here / "media/images/14.png", gray(5, 64))
    (plain,) = run(here, modality="video", max_pixels=64 * 64, follow_links=True)
    assert plain.num_present == 13
    dataset = load_dataset(here)
    before = load_features(stored(here), dataset, ["video"])["video"]
    (less,) = run(here, modality="video", max_pixels=64 * 64 - 1)
    assert less.is_new
    assert less.num_present == 11
    assert less.reasons["13"] == (
        "13.mp4: a link that leads out of the media folder (--follow-links)"
    )
    assert less.reasons["14"] == "14.png: more than 4,095 pixels (--max-pixels)"
    after = load_features(stored(here), dataset, ["video"])["video"]
    rows = after.present
    assert rows.sum() == 11
    np.testing.assert_array_equal(after.features[rows], before.features[rows])


@pytest.mark.parametrize(
    "changes",
    [{"max_pixels": 0}, {"max_pixels": 10**9}, {"max_duration": 0}, {"decode_timeout": 0},
     {"decode_timeout": 1e9}, {"decode_memory": -1}],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused(changes):
    with pytest.raises(InputError, match=f"`{next(iter(changes))}` must be "):
        ExtractConfig(**changes)


@pytest.mark.usefixtures("_decode_here")
def test_a_journal_that_a_kill_left_behind_is_swept(here, monkeypatch):
    run(here)
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "remove", lambda self: None)  # killed before it
        stored(here).unlink()
        run(here)
    left = [path.name for path in stored(here).parent.glob(".*.part")]
    assert len(left) == 3
    assert not any(outcome.is_new for outcome in run(here))
    assert not list(stored(here).parent.glob(".*.part"))
