"""That pictures and sounds say what they should, by measures made by hand."""

import colorsys

import numpy as np
import pytest

from drrec.worlds import demo_media
from drrec.worlds.demo_media import SAMPLE_RATE, SIDE

MIDDLE = np.zeros(3)


def rng():
    return np.random.default_rng(5)


def pixels(kind, trait):
    frames = demo_media.frames(kind, np.array(trait, float), rng())
    return np.stack([np.asarray(frame, float) / 255 for frame in frames])  # [F, S, S, 3]


def spectrum(kind, trait):
    samples = demo_media.sound(kind, np.array(trait, float), rng())
    return np.abs(np.fft.rfft(samples)), np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)


def test_each_kind_has_its_colour():
    hues = [colorsys.rgb_to_hsv(*np.median(pixels(k, MIDDLE), axis=(0, 1, 2)))[0] for k in range(5)]
    apart = np.abs(np.subtract.outer(hues, hues))
    apart = np.minimum(apart, 1 - apart)[~np.eye(5, dtype=bool)]
    assert apart.min() > 0.08


@pytest.mark.parametrize("kind", range(5))
def test_pictures_show_the_traits(kind):
    assert pixels(kind, [1, 0, 0]).mean() > pixels(kind, [-1, 0, 0]).mean() + 0.2
    moved = [np.abs(np.diff(pixels(kind, [0, pace, 0]), axis=0)).mean() for pace in (-1, 1)]
    assert moved[1] > 2 * moved[0]
    low, high = (pixels(kind, [0, 0, depth]).mean(axis=(0, 2, 3)) for depth in (-1, 1))
    assert high[:10].mean() - high[-10:].mean() > low[:10].mean() - low[-10:].mean() + 0.1
    assert pixels(kind, MIDDLE).shape == (12, SIDE, SIDE, 3)


@pytest.mark.parametrize("kind", range(5))
def test_sounds_tell_the_traits(kind):
    def loudest(trait, above):
        power, frequency = spectrum(kind, trait)
        return frequency[np.where(frequency > above, power, 0).argmax()]

    assert loudest([1, 0, -1], 100) > 2 * loudest([-1, 0, -1], 100)
    drone = []
    for depth in (-1, 1):
        power, frequency = spectrum(kind, [0, 0, depth])
        drone.append(power[np.abs(frequency - 70) < 2].sum())
    assert drone[1] > 5 * drone[0]
    beats = []
    for pace in (-1, 1):
        samples = np.abs(demo_media.sound(kind, np.array([0, pace, -1.0]), rng()))
        envelope = samples[: len(samples) // 400 * 400].reshape(-1, 400).mean(axis=1)
        power = np.abs(np.fft.rfft(envelope - envelope.mean()))
        beats.append(power.argmax() / 2)
    assert beats[1] > 3 * beats[0]


def test_each_kind_has_its_timbre():
    shares = []
    for kind in range(5):
        power, frequency = spectrum(kind, [0, 0, -1])
        pitch = 360 * 2 ** rng().normal(0, 0.05)
        parts = [power[np.abs(frequency - pitch * n) < 30].sum() for n in range(1, 7)]
        shares.append(np.array(parts) / power.sum())
    for a in range(5):
        for b in range(a):
            assert np.abs(shares[a] - shares[b]).sum() > 0.1
