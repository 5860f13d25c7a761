"""One text, encoded as those of a data set were."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import drrec
from drrec.errors import InputError
from drrec.features.config import ExtractConfig
from drrec.features.extract import extract
from drrec.features.one import encode_text, text_settings
from drrec.features.store import features_path, load_features, stored_sources
from drrec.features.texts import texts_of

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A data set whose texts were encoded by a small encoder."""
    data_dir = tmp_path_factory.mktemp("data")
    log = pd.DataFrame({"user": ["a", "b", "a"], "item": ["x", "y", "z"]})
    titles = {"x": "Matrix, The (1999)", "y": "A quiet film", "z": "Another, louder one"}
    dataset = drrec.Dataset.from_pandas(log, titles=titles)
    config = ExtractConfig(dataset="log.csv", modality="text", text_model="small", max_tokens=16)
    extract(config, dataset, data_dir, -1)
    return dataset, data_dir


def test_a_text_has_the_vector_that_extraction_gave_it(extracted):
    dataset, data_dir = extracted
    path = features_path(data_dir, dataset.key)
    settings = text_settings(stored_sources(path, dataset)["text"], dataset, data_dir)
    expected = load_features(path, dataset, ["text"])["text"].features[1:]
    for text, vector in zip(texts_of(dataset, None).words, expected, strict=True):
        np.testing.assert_allclose(encode_text(settings, text), vector, atol=2e-3)
    # In a process of its own, as the server asks for it.
    asked = json.dumps({"settings": settings, "text": texts_of(dataset, None).words[0]})
    command = [sys.executable, "-m", "drrec.features.one"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    answer = subprocess.run(
        command, input=asked, capture_output=True, text=True, check=True, env=environment
    )
    np.testing.assert_allclose(json.loads(answer.stdout)["vector"], expected[0], atol=2e-3)


def test_settings_say_which_encoder(extracted, tmp_path):
    dataset, data_dir = extracted
    kept = stored_sources(features_path(data_dir, dataset.key), dataset)["text"]
    gone = text_settings(kept, dataset, tmp_path)
    with pytest.raises(InputError, match="Extract the texts again"):
        encode_text(gone, "a plot")
    said = json.loads(kept)
    said["settings"] |= {"text_model": None, "pooling": "cls"}
    settings = text_settings(json.dumps(said), dataset, data_dir)
    assert (settings["model"], settings["pooling"]) == ("bert-base-uncased", "cls")
    assert settings["revision"]
    assert settings["folder"] is None
    demo = dataclasses.replace(dataset, name="demo")
    assert text_settings(json.dumps(said), demo, data_dir)["model"] == "small"
    assert text_settings("{}", dataset, data_dir) is None
