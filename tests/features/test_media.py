import pathlib

import av
import numpy as np
import pytest
from PIL import Image
from tests.features.tiny import CODECS, gray, tone, write_image, write_trailer

from drrec.features.media import Unusable, find_media, frames_of, sound_of


def shades(images):
    return [float(np.asarray(image).mean()) for image in images]


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_are_the_middles_of_equal_segments_in_any_container(tmp_path, suffix):
    film = [gray(10 + 6 * number) for number in range(40)]
    path = write_trailer(tmp_path / f"trailers/1.{suffix}", film)
    found = frames_of(path, 4)
    expected = [10 + 6 * number for number in (5, 15, 25, 35)]
    assert shades(found) == pytest.approx(expected, abs=4)
    assert found[0].size == (48, 48)


def test_more_frames_than_there_are_gives_each_once(tmp_path):
    path = write_trailer(tmp_path / "trailers/1.mp4", [gray(40), gray(120), gray(200)])
    assert shades(frames_of(path, 8)) == pytest.approx([40, 120, 200], abs=4)


def test_of_a_long_film_key_frames_stand_for_their_segments(tmp_path):
    film = [gray(number // 2) for number in range(400)]
    path = write_trailer(tmp_path / "trailers/1.mp4", film, gop=50)
    for segment, shade in enumerate(shades(frames_of(path, 5))):
        assert 40 * segment - 3 <= shade <= 40 * segment + 43
    with av.open(str(path)) as container:
        keys = [p.pts for p in container.demux(video=0) if p.is_keyframe and p.size]
    assert len(keys) >= 8


def test_a_picture_is_one_frame_turned_as_it_was_taken(tmp_path):
    pixels = gray(0)
    pixels[:, :24] = 250
    path = write_image(tmp_path / "images/1.png", pixels)
    (image,) = frames_of(path, 8)
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert image.mode == "RGB"
    turned = Image.fromarray(pixels).convert("L")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(path, exif=exif)
    (image,) = frames_of(path, 1)
    np.testing.assert_array_equal(np.asarray(image), pixels[::-1, ::-1])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_sound_is_mono_at_the_rate_that_was_asked_for(tmp_path, suffix):
    rate = 48_000
    path = write_trailer(tmp_path / f"audio/1.{suffix}", sound=tone(440, 1.5, rate), rate=rate)
    sound = sound_of(path, 16_000, 60)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(24_000, abs=1_200)
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() * 16_000 / len(sound) == pytest.approx(440, abs=2)
    assert sound[4_000:20_000].std() == pytest.approx(0.5 / 2**0.5, rel=0.05)
    start = sound_of(path, 16_000, 0.5)
    np.testing.assert_array_equal(start, sound[:8_000])


def broken_files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    whole = write_trailer(folder / "whole.mp4", [gray(9)] * 8, tone(300)).read_bytes()
    kinds = {
        "empty": b"",
        "text": b"this is no film\n" * 50,
        "cut": whole[: len(whole) // 2],
        "zeros": bytes(5_000),
    }
    made = {}
    for kind, content in kinds.items():
        made[kind] = folder / f"{kind}.mp4"
        made[kind].write_bytes(content)
    made["folder"] = folder
    made["missing"] = folder / "none.mp4"
    return made


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "zeros", "folder", "missing"])
def test_a_broken_file_is_unusable_and_says_why(tmp_path, kind):
    path = broken_files(tmp_path)[kind]
    for read in (lambda: frames_of(path, 4), lambda: sound_of(path, 16_000, 5)):
        with pytest.raises(Unusable) as refused:
            read()
        assert str(refused.value).strip()
        assert "\n" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


def test_a_file_that_lies_about_what_it_holds_is_unusable(tmp_path):
    silent = write_trailer(tmp_path / "a.mp4", [gray(9)] * 4)
    blind = write_trailer(tmp_path / "b.mp4", sound=tone(300))
    mute = write_trailer(tmp_path / "c.mp4", [gray(9)] * 4, np.zeros(0, np.float32))
    with pytest.raises(Unusable, match="no sound track"):
        sound_of(silent, 16_000, 5)
    with pytest.raises(Unusable, match="no video stream"):
        frames_of(blind, 4)
    with pytest.raises(Unusable, match=r"no sound|Error"):
        sound_of(mute, 16_000, 5)
    assert sound_of(blind, 16_000, 5).size
    assert frames_of(mute, 4)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff\xd8\xff\xe0 no jpeg", None])
def test_a_broken_picture_is_unusable(tmp_path, content, monkeypatch):
    path = write_image(tmp_path / "images/1.png", gray(3, 64))
    if content is None:  # more pixels than anybody's poster has
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 3_000)
    else:
        path.write_bytes(content)
    with pytest.raises(Unusable):
        frames_of(path, 1)


def test_media_are_found_by_raw_id_trailers_first(tmp_path):
    for name in ("trailers/1.mp4", "trailers/a.b.webm", "trailers/.9.mp4", "trailers/x.mp4",
                 "images/1.jpg", "images/2.png", "audio/2.wav", "audio/y.mp3"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    items = {"1", "2", "9", "a.b"}
    video, audio = (find_media(tmp_path, name, items) for name in ("video", "audio"))
    names = {
        raw: [f"{p.parent.name}/{p.name}" for p in paths] for raw, paths in video.files.items()
    }
    assert names == {
        "1": ["trailers/1.mp4", "images/1.jpg"],
        "2": ["images/2.png"],
        "a.b": ["trailers/a.b.webm"],
    }
    assert set(audio.files) == {"1", "2", "a.b"}
    assert video.unknown == ["trailers/x.mp4"]
    assert audio.unknown == ["trailers/x.mp4", "audio/y.mp3"]
