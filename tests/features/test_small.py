"""Small untrained encoders: a linear probe finds in them what media are made of."""

import hashlib

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.features.tiny import encoder

from drrec.features.processors import Prepared, Words, joined
from drrec.features.small import build_small_encoders, small_name, vocabulary

NUM_ITEMS = 90
TOPICS = ("storm rain thunder", "love kiss heart", "chase car speed", "joke laugh clown")


def content(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(1)
    common = ["the", "a", "of", "and", "one", "city", "night", "day", "people", "who", "must"]
    made, topics = [], rng.dirichlet(np.full(4, 0.4), NUM_ITEMS)
    for mixture in topics:
        words = [
            str(
                rng.choice(
                    TOPICS[rng.choice(4, p=mixture)].split() if rng.random() < 0.5 else common
                )
            )
            for _ in range(24)
        ]
        made.append(" ".join(words) + ".")
    return made, topics


@pytest.fixture(scope="module")
def folder(tmp_path_factory, texts):
    made = tmp_path_factory.mktemp("small") / "encoders"
    build_small_encoders(made, texts[0], 0)
    return made


def probed(features, truth):
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
    return cross_val_score(model, features, truth, cv=5, scoring="r2").mean()


def test_the_same_texts_and_seed_give_the_same_bytes(folder, texts, tmp_path):
    build_small_encoders(tmp_path / "again", texts[0], 0)
    assert content(tmp_path / "again") == content(folder)
    build_small_encoders(tmp_path / "again", texts[0], 1)
    changed = content(tmp_path / "again")
    weights = [path for path in changed if path.name == "model.safetensors"]
    assert len(weights) == 3
    assert all(changed[path] != content(folder)[path] for path in weights)


def test_what_is_there_is_left_unless_the_texts_changed(folder, texts, tmp_path):
    build_small_encoders(tmp_path / "e", texts[0], 0)
    before = (tmp_path / "e/text/model.safetensors").stat().st_mtime_ns
    build_small_encoders(tmp_path / "e", texts[0], 0)
    assert (tmp_path / "e/text/model.safetensors").stat().st_mtime_ns == before
    build_small_encoders(tmp_path / "e", [*texts[0], "more words"], 0)
    assert (tmp_path / "e/text/model.safetensors").stat().st_mtime_ns != before
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_reports_can_say_that_they_are_untrained():
    assert small_name("video", 3) == "untrained ViT (seed 3)"


def test_colour_brightness_and_motion_are_in_the_frames(folder):
    from transformers import AutoImageProcessor

    rng = np.random.default_rng(0)
    process = AutoImageProcessor.from_pretrained(folder / "video", backend="pil")
    truth = rng.uniform(-1, 1, (NUM_ITEMS, 3))  # red against blue, brightness, speed
    encode = encoder(folder / "video", "video")
    features = []
    for red, bright, speed in truth:
        frames = []
        for step in range(8):
            frame = 90 + 50 * bright + np.zeros((96, 96, 3))
            frame += np.array([40 * red, 0, -40 * red])
            left = int(40 + 5 * (1 + speed) * (step - 4) + rng.integers(-4, 5))
            frame[30:60, max(left, 0) : left + 24] += 50
            frames.append((frame + rng.normal(0, 5, frame.shape)).clip(0, 255).astype(np.uint8))
        pixels = process(images=frames, return_tensors="np")["pixel_values"]
        vectors = encode.vectors(Prepared({"pixel_values": pixels}, np.ones(8, np.int64), 1))
        features.append(np.concatenate([vectors.mean(0), vectors.std(0)]))
    found = [probed(np.array(features), truth[:, index]) for index in range(3)]
    assert min(found) > 0.8, found
    assert min(found[:2]) > 0.95, found


def test_pitch_loudness_and_tempo_are_in_the_sound(folder):
    from transformers import AutoFeatureExtractor

    rng = np.random.default_rng(0)
    extract = AutoFeatureExtractor.from_pretrained(folder / "audio")
    truth = rng.uniform(-1, 1, (NUM_ITEMS, 3))
    time = np.arange(32_000) / 16_000
    rows = []
    for pitch, loud, tempo in truth:
        pulse = (np.sin(2 * np.pi * (4 + 2 * tempo) * time + rng.uniform(0, 6)) > 0) * 0.8 + 0.2
        wave = np.sin(2 * np.pi * 400 * 2**pitch * time + rng.uniform(0, 6))
        sound = 0.2 * 3**loud * pulse * wave + rng.normal(0, 0.01, len(time))
        values = extract(sound.astype(np.float32), sampling_rate=16_000, return_tensors="np")
        rows.append(Prepared(dict(values), np.array([len(time)]), 256 * 160))
    features = encoder(folder / "audio", "audio").vectors(joined(rows))
    found = [probed(features, truth[:, index]) for index in range(3)]
    assert min(found) > 0.5, found
    assert min(found[:2]) > 0.95, found


def test_words_are_in_the_text(folder, texts):
    made, topics = texts
    features = encoder(folder / "text", "text").vectors(Words(str(folder / "text"), 128)(made))
    found = [probed(features, topics[:, topic]) for topic in range(4)]
    assert min(found) > 0.6, found


def test_every_word_has_a_piece_and_unknown_ones_are_spelt(folder):
    pieces = vocabulary(["The storm, the SEA"])
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {"the", "storm", "sea", ",", "##a"} <= set(pieces)
    assert len(pieces) == len(set(pieces))
    assert Words(str(folder / "text"), 64).lengths(["storm", "stormx", ""]) == [3, 4, 2]
