"""The recommender, which asks PyTorch's process by way of files."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from tests.llm.tiny import chain, content, save_speller

import drrec
from drrec.baselines.language_model import LanguageModel, TunedLanguageModel, UntrainedLanguageModel
from drrec.errors import InputError, NotFittedError
from drrec.evaluation.protocols.sampled import drawn, sampled
from drrec.registry import BASELINES, LANGUAGE_MODELS
from drrec.types import Scorer

ROOT = pathlib.Path(__file__).parents[2]
DATA = chain(num_users=60)
TRAIN, TEST = DATA.split("leave_one_out")
LOG = TRAIN.interactions
BRIEF = {
    **{"width": 16, "layers": 1, "heads": 2, "history": 12, "held_out": 0, "dropout": 0.0},
    **{"next_epochs": 80, "average": 0.2, "batch_size": 16, "lr": 0.02, "grpo_epochs": 1},
}
EVERYBODY = np.arange(LOG.num_users, dtype=np.int32)
HISTORIES = LOG.liked_histories(10)


@pytest.fixture(scope="module")
def tuned() -> LanguageModel:
    return TunedLanguageModel(**BRIEF).fit(TRAIN)


def test_each_is_registered_and_all_leaves_them_out():
    assert [*LANGUAGE_MODELS] == ["llm_zero", "llm_sft", "llm_sft_long", "llm"]
    assert not {*LANGUAGE_MODELS} & {*BASELINES}
    assert LANGUAGE_MODELS["llm"] is LanguageModel
    assert LANGUAGE_MODELS["llm_sft_long"](next_epochs=3)._config.sft.next_epochs == 6


def test_no_torch_is_loaded_where_it_is_asked_from():
    """By this import alone: tests of this folder load it themselves."""
    code = "import sys, drrec.baselines.language_model; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_adapters_are_merged_to_score_and_score_otherwise_than_before(tmp_path):
    speller = save_speller(tmp_path / "speller")
    given = {"model": str(speller), "history": 3, "next_epochs": 1, "held_out": 0, "lr": 0.05}
    tuned = TunedLanguageModel(folder=str(tmp_path / "run"), **given).fit(TRAIN)
    found = tuned.score(EVERYBODY[:2], HISTORIES[:2])
    before = UntrainedLanguageModel(**given).fit(TRAIN).score(EVERYBODY[:2], HISTORIES[:2])
    assert np.abs(found - before).max() > 0.1


def test_it_learns_the_chain_and_the_protocol_says_so(tuned):
    found = sampled(tuned, LOG, TEST.interactions, num_negatives=9)
    before = sampled(
        UntrainedLanguageModel(**BRIEF).fit(TRAIN), LOG, TEST.interactions, num_negatives=9
    )
    assert found.metrics["hr@1"].mean() > 0.9
    assert before.metrics["hr@1"].mean() < 0.4


def test_scores_are_finite_and_those_of_candidates_are_those_of_the_catalogue(tuned):
    assert isinstance(tuned, Scorer)
    whole = tuned.score(EVERYBODY, HISTORIES, None)
    assert whole.shape == (LOG.num_users, LOG.num_items)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    draws = drawn(LOG, TEST.interactions, seed=0, num_negatives=9)
    some = tuned.score(draws.users, HISTORIES[draws.users], draws.items)
    expected = np.take_along_axis(whole[draws.users], draws.items, axis=1)
    np.testing.assert_allclose(some, expected, rtol=1e-5, atol=1e-5)


def test_items_that_nobody_has_are_alike_and_last():
    rare = LOG.where(LOG.item < 28)
    model = UntrainedLanguageModel(**BRIEF).fit(rare)
    whole = model.score(EVERYBODY, HISTORIES, None)
    lowest = whole[:, 1:28].min(axis=1)
    np.testing.assert_array_equal(whole[:, 28:], np.tile(lowest[:, None], (1, 3)))


def test_a_history_that_goes_on_is_read(tuned):
    user = EVERYBODY[:1]
    last = HISTORIES[0, -1]
    following = last % 30 + 1
    moved = np.concatenate([HISTORIES[:1, 1:], [[following]]], axis=1)
    scores = tuned.score(user, moved, None)[0]
    assert int(scores[1:].argmax()) + 1 == following % 30 + 1


def test_somebody_new_gets_what_follows(tuned):
    liked = [f"i{n:02}" for n in (3, 4, 5, 6, 7)]
    assert tuned.recommend_for(liked=liked, k=1)["item"].tolist() == ["i08"]
    assert tuned.recommend(["u00"], k=3)["rank"].tolist() == [1, 2, 3]


def test_it_is_saved_in_one_file_and_read_back(tuned, tmp_path):
    path = tmp_path / "llm.drrec"
    tuned.save(path)
    again = drrec.load(path)
    assert type(again) is TunedLanguageModel
    assert again.settings() == tuned.settings()
    np.testing.assert_array_equal(
        again.score(EVERYBODY, HISTORIES, None), tuned.score(EVERYBODY, HISTORIES, None)
    )


def test_a_saved_file_that_names_other_places_is_refused(tuned):
    state = tuned.state() | {"files": {"../evil": np.zeros(3, np.uint8)}}
    with pytest.raises(InputError, match="Expected plain names of files"):
        TunedLanguageModel(**BRIEF).restore(state)


def test_what_is_not_fitted_says_so(tmp_path):
    with pytest.raises(NotFittedError, match="Call fit"):
        LanguageModel().save(tmp_path / "no.drrec")


def test_the_stages_of_a_run_are_shared_and_the_folder_is_kept(tmp_path):
    brief = BRIEF | {"next_epochs": 1, "folder": str(tmp_path / "run")}
    TunedLanguageModel(**brief).fit(TRAIN)
    before = content(tmp_path / "run/sft")
    model = LanguageModel(**brief).fit(TRAIN)
    assert content(tmp_path / "run/sft") == before
    assert model._place == str(tmp_path / "run/grpo")
    with pytest.raises(InputError, match="Expected the settings and the log"):
        LanguageModel(**(brief | {"next_epochs": 2})).fit(TRAIN)


def test_a_model_of_text_reads_titles_of_items_that_nobody_has(tmp_path):
    speller = save_speller(tmp_path / "speller")
    model = UntrainedLanguageModel(model=str(speller), history=3)
    rare = dataclasses.replace(TRAIN, interactions=LOG.where(LOG.item < 28))
    scores = model.fit(rare).score(EVERYBODY[:2], HISTORIES[:2], np.array([[29, 30], [29, 30]]))
    assert (np.diff(scores, axis=1) != 0).all()
    with pytest.raises(InputError, match="Expected a title for each item"):
        UntrainedLanguageModel(model=str(speller)).fit(LOG).score(EVERYBODY[:1], HISTORIES[:1])


def test_a_model_too_large_for_one_file_says_where_it_is(tuned, tmp_path, monkeypatch):
    monkeypatch.setattr("drrec.baselines.language_model.MOST_KEPT", 10)
    with pytest.raises(InputError, match="Expected a model of at most 10 bytes"):
        tuned.save(tmp_path / "no.drrec")
