"""Whether stored features are of the media and texts that there are."""

import os

import numpy as np
import pytest
from tests.features.tiny import dataset_of, gray, write_image

from drrec.data.dataset import Dataset
from drrec.data.datasets import load_dataset
from drrec.features.config import ExtractConfig
from drrec.features.media import Unusable
from drrec.features.processors import ProcessorConfig
from drrec.features.sources import Source, find_media, kept_with, to_make_anew
from drrec.features.store import FeatureRows, features_path, with_features, write_features


@pytest.fixture
def shop(tmp_path):
    """A log with plots and a picture beside it, and the settings of an extraction."""
    (tmp_path / "log.csv").write_text("user,item\nu,1\nu,2\nv,1\n")
    (tmp_path / "plots.csv").write_text("item_id,plot\n1,A storm.\n2,A chase.\n")
    write_image(tmp_path / "media/images/1.png", gray(10))
    return ExtractConfig(dataset=str(tmp_path / "log.csv"), frames=3, text_model="small")


@pytest.mark.parametrize("modality", ["text", "video"])
def test_what_has_not_changed_is_not_made_anew(shop, tmp_path, modality):
    dataset = load_dataset(shop.dataset)
    kept = kept_with(shop, tmp_path, modality, dataset)
    plain = ExtractConfig(dataset=shop.dataset)
    assert to_make_anew(kept, plain, tmp_path, modality, dataset) is None


def test_changed_plots_are_encoded_again_as_they_were(shop, tmp_path):
    dataset = load_dataset(shop.dataset)
    kept = kept_with(shop, tmp_path, "text", dataset)
    (tmp_path / "plots.csv").write_text("item_id,plot\n1,A storm.\n2,A walk.\n")
    again = to_make_anew(kept, ExtractConfig(dataset=shop.dataset), tmp_path, "text", dataset)
    assert (again.modality, again.frames, again.text_model) == ("text", 3, "small")


def test_a_changed_picture_is_seen_again_and_one_that_is_gone_is_not(shop, tmp_path):
    dataset = load_dataset(shop.dataset)
    kept = kept_with(shop, tmp_path, "video", dataset)
    plain = ExtractConfig(dataset=shop.dataset)
    picture = tmp_path / "media/images/1.png"
    os.utime(picture, (1, 1))
    assert to_make_anew(kept, plain, tmp_path, "video", dataset).modality == "video"
    picture.unlink()
    assert to_make_anew(kept, plain, tmp_path, "video", dataset) is None


def test_logs_of_one_name_have_features_of_their_own(tmp_path):
    keys = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text("user,item\nu,1\nv,2\n")
        dataset = load_dataset(tmp_path / name / "log.csv")
        assert dataset.name == "log"
        keys.add(features_path(tmp_path, dataset.key))
    assert len(keys) == 2
    assert dataset_of(["1"], name="demo").key == "demo"


def test_features_of_a_log_are_those_of_the_same_log_read_from_python(shop, tmp_path):
    dataset = load_dataset(shop.dataset)
    rows = FeatureRows(features=np.ones((2, 3), np.float32), present=np.ones(2, bool), encoder="e")
    path = features_path(tmp_path, dataset.key)
    write_features(path, dataset, {"text": rows})
    read = with_features(Dataset.from_csv(shop.dataset), path)
    assert read.features["text"].present.tolist() == [False, True, True]


def source_of(media):
    return Source.of(ExtractConfig(dataset="mine", media=media), media)


def test_links_of_whole_folders_are_followed_and_of_files_elsewhere_if_asked_for(tmp_path):
    disk, media = tmp_path / "disk", tmp_path / "media"
    write_image(disk / "images/1.png", gray(5))
    write_image(disk / "trailers/sub/2.png", gray(5))
    write_image(tmp_path / "private/3.png", gray(5))
    (disk / "images/3.png").symlink_to(tmp_path / "private/3.png")
    (disk / "images/4.png").symlink_to(disk / "trailers/sub/2.png")
    media.mkdir()
    for kind in ("images", "trailers"):
        (media / kind).symlink_to(disk / kind)
    whole = tmp_path / "whole"
    whole.symlink_to(disk)
    for folder in (disk, media, whole):
        homes = source_of(folder).homes()
        seen = {"modality": "video", "folder": "", "frames": 1, "seconds": 1.0}
        found = find_media(folder, "video", {"1", "2", "3", "4"}).files
        assert set(found) == {"1", "2", "3", "4"}
        for raw in "124":
            ProcessorConfig(**seen, homes=homes).check(found[raw][0])
        with pytest.raises(
            Unusable, match=r"^a link that leads out of the media folder \(--follow"
        ):
            ProcessorConfig(**seen, homes=homes).check(found["3"][0])
        ProcessorConfig(**seen).check(found["3"][0])
