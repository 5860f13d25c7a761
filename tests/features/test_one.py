"""One text, encoded as those of a data set were."""

import dataclasses
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest

import drrec
from drrec.errors import InputError
from drrec.features.config import ExtractConfig
from drrec.features.extract import extract
from drrec.features.one import encode_text, main, text_settings
from drrec.features.store import features_path, load_features, stored_sources
from drrec.features.texts import texts_of


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


def test_a_text_has_the_vector_that_extraction_gave_it(extracted, capsys, monkeypatch):
    dataset, data_dir = extracted
    path = features_path(data_dir, dataset.key)
    settings = text_settings(stored_sources(path, dataset)["text"], dataset, data_dir)
    expected = load_features(path, dataset, ["text"])["text"].features[1:]
    for text, vector in zip(texts_of(dataset, None).words, expected, strict=True):
        np.testing.assert_allclose(encode_text(settings, text), vector, atol=2e-3)
    # As the process says it that the server asks.
    asked = json.dumps({"settings": settings, "text": texts_of(dataset, None).words[0]})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(asked.encode())))
    capsys.readouterr()
    assert main() == 0
    answer = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(answer["vector"], expected[0], atol=2e-3)


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
