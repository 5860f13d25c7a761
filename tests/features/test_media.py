import fractions
import pathlib
import struct

import av
import numpy as np
import pytest
from PIL import Image
from tests.features.tiny import CODECS, gray, tone, write_image, write_trailer

from drrec.features.media import Unusable, frames_of, sound_of
from drrec.features.sources import find_media


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
    middle = sound_of(path, 16_000, 0.5)
    assert len(middle) == 8_000
    assert np.abs(np.fft.rfft(middle)).argmax() * 2 == pytest.approx(440, abs=4)


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


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff\xd8\xff\xe0 no jpeg"])
def test_a_broken_picture_is_unusable(tmp_path, content):
    path = tmp_path / "images/1.png"
    path.parent.mkdir()
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


def picture(path, pixels, **saved):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **saved)
    return np.asarray(frames_of(path, 4)[0]).astype(int)


def test_pictures_of_other_depths_look_like_themselves(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    plain = picture(tmp_path / "images/1.png", ramp)
    for suffix in ("png", "tiff"):
        deep = picture(tmp_path / f"images/2.{suffix}", ramp.astype(np.uint16) * 257)
        np.testing.assert_array_equal(deep, plain)
    for top in (1.0, 255.0):
        real = picture(tmp_path / "images/3.tiff", (ramp / 255 * top).astype(np.float32))
        np.testing.assert_allclose(real, plain, atol=1)


def test_what_lies_under_transparency_is_not_seen(tmp_path):
    pixels = np.zeros((48, 48, 4), np.uint8)
    pixels[10:20, 10:20] = (200, 30, 40, 255)
    on_white = picture(tmp_path / "images/1.png", pixels)
    assert on_white[0, 0].tolist() == [255, 255, 255]
    assert on_white[15, 15].tolist() == [200, 30, 40]
    pixels[:10, :, :3] = 99
    np.testing.assert_array_equal(picture(tmp_path / "images/2.png", pixels), on_white)


def test_an_animation_is_sampled_by_its_times(tmp_path):
    shown = [Image.fromarray(gray(shade)) for shade in (10, 90, 170, 250)]
    path = tmp_path / "images/1.gif"
    path.parent.mkdir()
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=[100, 100, 100, 900])
    assert shades(frames_of(path, 4)) == pytest.approx([90, 250], abs=2)
    assert shades(frames_of(path, 12)) == pytest.approx([10, 90, 170, 250], abs=2)


def test_a_film_on_its_side_is_turned_upright(tmp_path):
    pixels = gray(0)
    pixels[:24] = 250  # bright above
    path = write_trailer(tmp_path / "trailers/1.mp4", [pixels] * 4)
    whole = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)  # clockwise
    content = path.read_bytes()
    at = content.index(struct.pack(">9i", *whole), content.index(b"tkhd"))
    path.write_bytes(content[:at] + struct.pack(">9i", *quarter) + content[at + 36 :])
    turned = np.asarray(frames_of(path, 1)[0])
    assert turned[:, 40:].mean() > 240
    assert turned[:, :8].mean() < 15


def test_a_film_of_changing_rate_is_sampled_by_time(tmp_path):
    path = tmp_path / "trailers/1.mkv"
    path.parent.mkdir()
    times = [*range(10), 30, 50, 70, 90]  # in tenths of a second
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height = stream.width = 48
        for number, when in enumerate(times):
            frame = av.VideoFrame.from_ndarray(gray(10 + 15 * number), format="rgb24")
            frame.pts, frame.time_base = when, fractions.Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = shades(frames_of(path, 5))
    middles = (9, 27, 45, 64, 82)
    seen = {max(n for n, when in enumerate(times) if when <= middle) for middle in middles}
    assert found == pytest.approx([10 + 15 * number for number in sorted(seen)], abs=4)


def stereo(path, left, right, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate)
        stream.layout = "stereo"
        both = np.stack([left, right]).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = rate, 0
        for each in av.AudioResampler(format="s16", layout="stereo", rate=rate).resample(frame):
            container.mux(stream.encode(each))
        container.mux(stream.encode())
    return path


def test_channels_that_cancel_each_other_are_heard(tmp_path):
    wave = tone(440, 0.5)
    for name, right in (("same", wave), ("anti", -wave)):
        sound = sound_of(stereo(tmp_path / f"audio/{name}.wav", wave, right), 16_000, 5)
        assert sound.std() == pytest.approx(0.5 / 2**0.5, rel=0.02), name


def test_windows_are_heard_over_the_whole_track(tmp_path):
    track = np.concatenate([np.zeros(4 * 16_000, np.float32), tone(440, 4)])
    path = stereo(tmp_path / "audio/1.wav", track, track)
    sound = sound_of(path, 16_000, 2, window=16_000)
    assert len(sound) == 2 * 16_000
    assert np.abs(sound[:16_000]).max() < 0.01
    assert sound[16_000:].std() == pytest.approx(0.5 / 2**0.5, rel=0.05)
    np.testing.assert_allclose(sound_of(path, 16_000, 30, window=16_000), track, atol=1e-3)


def test_media_in_folders_below_and_of_another_case_are_found(tmp_path):
    for name in ("images/new/AB.png", "images/c.png", "images/D.png", "images/.hidden/c.png"):
        write_image(tmp_path / name, gray(5))
    found = find_media(tmp_path, "video", {"ab", "c", "d", "D"})
    assert {raw: [path.name for path in paths] for raw, paths in found.files.items()} == {
        "ab": ["AB.png"], "c": ["c.png"], "D": ["D.png"]}  # fmt: skip
    unknown = find_media(tmp_path, "video", {"ab", "aB"}).unknown
    assert unknown == ["images/D.png", "images/c.png", "images/new/AB.png"]
