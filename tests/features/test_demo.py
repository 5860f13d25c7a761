"""Linear probes: that the demo's media tell the hidden kinds and traits through the encoders."""

from __future__ import annotations

import functools

import av
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.features.tiny import DecodesHere

from drrec.data.datasets import load_dataset
from drrec.features import work
from drrec.features.config import ExtractConfig
from drrec.features.extract import extract
from drrec.features.store import MODALITIES, features_path, load_features
from drrec.worlds.demo import make_demo
from drrec.worlds.world import KINDS, TRAITS, World

PENALTIES = np.logspace(0, 5, 11)
FOLDS = 5


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """The hidden world, and what the untrained encoders make of its media, film by film."""
    data_dir = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:  # or half of the time goes into good sound
        patch.setattr(av, "open", functools.partial(av.open, options={"aac_coder": "fast"}))
        make_demo(data_dir / "demo", num_films=240, num_users=100)
    dataset = load_dataset("demo", data_dir)
    config = ExtractConfig(dataset="demo", media=data_dir / "demo" / "media")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "Decoders", DecodesHere)
        extract(config, dataset, data_dir)
    found = load_features(features_path(data_dir, "demo"), dataset, MODALITIES)
    assert all(modality.present[1:].all() for modality in found.values())
    return World.load(data_dir / "demo" / "world.npz"), {
        name: modality.features[1:] for name, modality in found.items()
    }


def kind_accuracy(features, kind):
    probe = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
    return cross_val_score(probe, features, kind, cv=FOLDS).mean()


def trait_correlations(features, trait):
    probe = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    guessed = cross_val_predict(probe, features, trait, cv=FOLDS)
    return [np.corrcoef(guessed[:, t], trait[:, t])[0, 1] for t in range(len(TRAITS))]


@pytest.mark.parametrize("modality", MODALITIES)
def test_each_modality_tells_the_kind_far_above_chance(probed, modality):
    world, features = probed
    accuracy = kind_accuracy(features[modality], world.kind)
    # Chance is a fifth; a share of the hints misleads on purpose.
    assert 2.5 / len(KINDS) < accuracy < 0.92
    shuffled = np.random.default_rng(0).permutation(world.kind)
    assert kind_accuracy(features[modality], shuffled) < 1.5 / len(KINDS)


@pytest.mark.parametrize("modality", MODALITIES)
def test_each_modality_tells_every_trait(probed, modality):
    world, features = probed
    found = dict(zip(TRAITS, trait_correlations(features[modality], world.trait), strict=True))
    assert min(found.values()) > 0.4, found


def test_together_they_tell_more_than_any_alone(probed):
    world, features = probed
    together = np.concatenate(list(features.values()), axis=1)
    alone = [kind_accuracy(each, world.kind) for each in features.values()]
    assert kind_accuracy(together, world.kind) > max(alone)
    alone = [np.mean(trait_correlations(each, world.trait)) for each in features.values()]
    assert np.mean(trait_correlations(together, world.trait)) > max(alone)
