"""Media of hostile kinds: they are unusable and nothing else happens."""

import fractions
import os
import struct
import tracemalloc
import warnings
import zlib

import av
import numpy as np
import pytest
from PIL import Image
from tests.features.tiny import gray, tone, write_image, write_trailer

from drrec.features import bounds, media
from drrec.features.bounds import CONTAINERS, MediaLimits
from drrec.features.media import Unusable, frames_of, sound_of

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs first in PATH; each leaves a file when it runs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gs", "gswin64c", "djpeg", "cjpeg"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 0\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "ran"


@pytest.mark.parametrize("name", ["images/1.jpg", "images/1.eps", "trailers/1.jpg"])
def test_no_picture_starts_a_program(tmp_path, programs, name):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_bytes(EPS)
    with pytest.raises(Unusable):
        frames_of(path, 1)
    assert not programs.exists()


def test_pictures_of_other_kinds_are_not_opened(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, kind in enumerate(("ICO", "TGA", "PCX", "SGI", "PDF")):
        path = folder / f"{number}.png"
        Image.fromarray(gray(80)).save(path, kind)
        with pytest.raises(Unusable, match=r"^no picture of a kind that is opened \(AVIF, BMP"):
            frames_of(path, 1)


@pytest.mark.parametrize("kind", bounds.PICTURES)
def test_pictures_of_every_listed_kind_are_opened(tmp_path, kind):
    path = tmp_path / "images/1.jpg"  # whatever its name says
    path.parent.mkdir()
    Image.fromarray(gray(80)).save(path, kind)
    (image,) = frames_of(path, 3)
    assert np.asarray(image).mean() == pytest.approx(80, abs=3)


def png_of(width, height):
    """The beginning of a picture that would take memory by the terabyte."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("folder", ["images", "trailers"])
def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, folder, monkeypatch):
    path = tmp_path / folder / "1.png"
    path.parent.mkdir()
    path.write_bytes(png_of(1_000_000, 900_000))
    monkeypatch.setattr(Image.Image, "load", None)  # nobody calls it
    with pytest.raises(Unusable, match=r"more than 100,000,000 pixels \(--max-pixels\)|Invalid"):
        frames_of(path, 1)


def test_the_limit_of_pixels_is_the_flag(tmp_path):
    path = write_image(tmp_path / "images/1.png", gray(3, 64))
    assert len(frames_of(path, 1, MediaLimits(pixels=64 * 64))) == 1
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in decoding processes
        with pytest.raises(Unusable, match=r"^more than 4,095 pixels \(--max-pixels\)$"):
            frames_of(path, 1, MediaLimits(pixels=64 * 64 - 1))
    assert before == Image.MAX_IMAGE_PIXELS
    large = MediaLimits(pixels=200_000_000)  # Pillow's own limit is 89 million
    path.write_bytes(png_of(12_000, 12_000))
    with pytest.raises(Unusable, match=r"^OSError: .*truncated|^OSError: broken"):
        frames_of(path, 1, large)


def test_a_page_that_is_larger_than_the_first_counts(tmp_path):
    path = tmp_path / "images/1.tiff"
    path.parent.mkdir()
    small, large = Image.fromarray(gray(3, 8)), Image.fromarray(gray(3, 64))
    small.save(path, save_all=True, append_images=[large])
    with pytest.raises(Unusable, match="more than 100 pixels"):
        frames_of(path, 1, MediaLimits(pixels=100))


def test_an_animation_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "MOST_PICTURES", 3)
    path = tmp_path / "images/1.gif"
    path.parent.mkdir()
    shown = [Image.fromarray(gray(shade)) for shade in (10, 90, 170, 250)]
    shown[0].save(path, save_all=True, append_images=shown[1:3])
    assert frames_of(path, 1)
    shown[0].save(path, save_all=True, append_images=shown[1:])
    with pytest.raises(Unusable, match="4 pictures in one file, more than 3"):
        frames_of(path, 1)


def lists_of(film, sound):
    """Files that stand for others, by kind."""
    return {
        "concat": f"ffconcat version 1.0\nfile '{film}'\n",
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n",
        "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{film}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "lavfi": "testsrc",
        "ffmetadata": ";FFMETADATA1\ntitle=x\n",
        "imf": f'<CompositionPlaylist xmlns="x"><Id>{sound}</Id></CompositionPlaylist>',
    }


@pytest.mark.parametrize("name", ["1.mp4", "1.m3u8", "1.ffconcat", "1.mpd"])
@pytest.mark.parametrize("kind", lists_of("", ""))
def test_a_list_of_other_files_is_not_followed(tmp_path, kind, name):
    film = write_trailer(tmp_path / "trailers/sub.mp4", [gray(9)] * 4, tone(300))
    path = film.with_name(name)
    path.write_text(lists_of("sub.mp4", "sub.mp4")[kind])
    for read in (lambda: frames_of(path, 1), lambda: sound_of(path, 16_000, 1)):
        with pytest.raises(Unusable):
            read()


@pytest.fixture
def _told():
    """As in decoding processes: FFmpeg says what it refuses."""
    av.logging.set_level(av.logging.PANIC)
    yield
    av.logging.set_level(None)


@pytest.mark.usefixtures("_told")
def test_a_list_that_ffmpeg_would_follow_is_named(tmp_path):
    write_trailer(tmp_path / "trailers/sub.mp4", [gray(9)] * 4)
    path = tmp_path / "trailers/1.mp4"
    path.write_text("ffconcat version 1.0\nfile 'sub.mp4'\n")
    with av.open(str(path)) as opened:
        assert next(opened.decode(video=0)), "without a list of containers it is followed"
    with pytest.raises(Unusable, match=r"^of the kind concat, which is not opened$"):
        frames_of(path, 1)
    write_image(tmp_path / "trailers/shot1.jpg", gray(9))
    pattern = tmp_path / "trailers/shot%d.jpg"
    write_image(pattern, gray(9))
    with pytest.raises(Unusable, match=r"^of the kind image2, which is not opened$"):
        frames_of(pattern, 1)


def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = write_trailer(tmp_path / "sub.mp4", [gray(9)] * 4)
    for name in ("concat:sub.mp4", "subfile,,start,0,end,0,,:sub.mp4", "http:x"):
        with pytest.raises(Unusable, match="No such file"):
            frames_of(media.pathlib.Path(name), 1)
    film.rename(tmp_path / "concat:sub.mp4")
    assert frames_of(media.pathlib.Path("concat:sub.mp4"), 1)


def referring(content, name):
    """A QuickTime film whose frames lie in another file of this name, by an alias beside it."""
    path = b"disk:folder:" + name
    path += b"\0" * (len(path) % 2)
    alias = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12)
    alias += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16)  # one level up, one down
    alias += struct.pack(">HH", 2, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)
    entry = b"alis" + bytes(4) + alias
    data = bytes(4) + struct.pack(">I", 1) + struct.pack(">I", len(entry) + 4) + entry

    def rebuilt(boxes):
        made = b""
        while boxes:
            size, kind = struct.unpack(">I4s", boxes[:8])
            body, boxes = boxes[8:size], boxes[size:]
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
                body = rebuilt(body)
            elif kind == b"dref":
                body = data
            elif kind == b"mdat":
                body = bytes(len(body))
            made += struct.pack(">I4s", len(body) + 8, kind) + body
        return made

    return rebuilt(content)


def test_a_film_whose_frames_lie_in_another_file_has_none(tmp_path):
    film = write_trailer(tmp_path / "secret.mov", [gray(90)] * 4)
    path = film.with_name("1.mov")
    path.write_bytes(referring(film.read_bytes(), b"secret.mov"))
    with av.open(str(path), options={"enable_drefs": "1"}) as container:
        assert len(list(container.decode(video=0))) == 4, "where it is allowed it is followed"
    with pytest.raises(Unusable):
        frames_of(path, 1)


def test_no_listed_container_is_a_list_and_all_are_ffmpegs():
    assert not {"concat", "hls", "dash", "image2", "lavfi", "sdp", "imf"} & set(CONTAINERS)
    known = {part for name in av.formats_available for part in name.split(",")}
    assert set(CONTAINERS) <= known


def test_frames_that_are_too_large_are_not_decoded(tmp_path):
    path = write_trailer(tmp_path / "trailers/1.mp4", [gray(9)] * 4)
    assert frames_of(path, 1, MediaLimits(pixels=48 * 48))
    with pytest.raises(Unusable, match=r"^frames of 48 × 48, more than 2,000 pixels"):
        frames_of(path, 1, MediaLimits(pixels=2_000))


def test_frames_that_grow_are_not_decoded(tmp_path):
    """The stream begins with frames of 48 × 48 and goes on with some of 1,024 × 1,024."""
    path = tmp_path / "trailers/1.ts"
    path.parent.mkdir()
    parts = []
    for begin, size in ((0, 48), (40, 1_024)):
        with av.open(str(path), "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.height = stream.width = size
            for number in range(begin, begin + 40):
                frame = av.VideoFrame.from_ndarray(gray(9, size), format="rgb24")
                frame.pts, frame.time_base = number, fractions.Fraction(1, 8)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.width == 48
    assert frames_of(path, 2)[-1].width == 1_024
    with pytest.raises(Unusable):
        frames_of(path, 2, MediaLimits(pixels=100 * 100))


def wav(path, rate=16_000, channels=1, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (tone(300, seconds) * 30_000).astype("<i2").tobytes()
    header = struct.pack("<HHIIHH", 1, channels, rate, min(rate * 2, 2**32 - 1), 2 * channels, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header
    body += b"data" + struct.pack("<I", len(content)) + content
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": 1_000_000_000}, "sound of 1,000,000,000 samples a second, not 1,000 to 768,000"),
        ({"rate": 1}, "sound of 1 samples a second"),
        ({"channels": 100}, "sound of 100 channels, more than 64"),
        ({"channels": 10_000}, "broken, or of a kind that is not opened"),
    ],
)
def test_sound_beyond_measure_is_not_decoded(tmp_path, changes, said):
    assert sound_of(wav(tmp_path / "audio/0.wav"), 16_000, 1).size == 16_000
    with pytest.raises(Unusable, match=said):
        sound_of(wav(tmp_path / "audio/1.wav", **changes), 16_000, 1)


def test_a_film_that_says_it_lasts_for_years_is_refused(tmp_path):
    film = write_trailer(tmp_path / "trailers/1.mp4", [gray(9)] * 8, tone(300))
    assert frames_of(film, 1, limits := MediaLimits(duration=1.5))
    assert sound_of(film, 16_000, 1, limits=limits).size
    for read in (frames_of, lambda path, _, short: sound_of(path, 16_000, 1, limits=short)):
        with pytest.raises(Unusable, match=r"1 seconds long, more than 0 \(--max-duration\)"):
            read(film, 1, MediaLimits(duration=0.4))


def test_frames_whose_times_leap_ahead_are_refused(tmp_path):
    path = tmp_path / "trailers/1.mkv"
    path.parent.mkdir()
    live = {"live": "1"}  # so that the header does not say how long it is
    with av.open(str(path), "w", container_options=live) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height = stream.width = 48
        for when in (0, 1, 2, 10_000_000):
            frame = av.VideoFrame.from_ndarray(gray(9), format="rgb24")
            frame.pts = when
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert (container.duration or 0) < 1e9
    with pytest.raises(Unusable, match="1,000,000 seconds long"):
        frames_of(path, 1)


def test_what_is_passed_over_is_not_kept(tmp_path):
    path = wav(tmp_path / "audio/1.wav", seconds=20)
    whole = sound_of(path, 16_000, 60)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]

        class Standing:  # cannot be wound forward
            decode = container.decode
            streams = container.streams

            def seek(self, *_, **__):
                pass

        tracemalloc.start()
        late = media._heard(Standing(), stream, 18.0, 16_000, 16_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    np.testing.assert_allclose(late, whole[18 * 16_000 : 19 * 16_000], atol=1e-4)
    assert most < whole.nbytes / 2
