"""Scores of requests: whatever the order, the processes, and the kills."""

import dataclasses
import sys

import numpy as np
import pytest
from tests.llm.launched import run_by_two
from tests.llm.tiny import SMALL, chain, configured, content, save_speller, spelling, stages

from drrec.errors import InputError
from drrec.llm import score as score_module
from drrec.llm.config import ScoreConfig
from drrec.llm.score import Scorer, score_requests
from drrec.llm.wall import Requests, read_requests, read_scores, write_requests, write_scores

DATA = chain()
TITLES = np.array(DATA.titles.tolist(), object)
FINGERPRINT = DATA.interactions.fingerprint


def asked(num_candidates=7, seed=0, rows=10):
    rng = np.random.default_rng(seed)
    history = DATA.interactions.histories(8)[:rows].astype(np.int32)
    history[1] = 0  # of somebody without a history
    draw = [rng.choice(np.arange(1, 31), num_candidates, replace=False) for _ in range(rows)]
    return Requests(FINGERPRINT, history, np.array(draw, np.int32).reshape(rows, -1), TITLES)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A fine-tuned small model."""
    return stages(tmp_path_factory.mktemp("small"), DATA, configured()).run("sft")


@pytest.fixture(scope="module")
def speller(tmp_path_factory):
    return save_speller(tmp_path_factory.mktemp("speller"))


def scored(folder, requests, out, **settings):
    write_requests(out / "requests.npz", requests)
    model = spelling(folder)
    config = ScoreConfig(**({"score_batch": 4} | settings))
    said = score_requests(out / "requests.npz", out / "scores.npz", model, config, "cpu")
    return read_scores(out / "scores.npz", requests), said


@pytest.mark.parametrize("name", ["small", "speller"])
def test_the_order_of_candidates_moves_no_score(name, request, tmp_path):
    folder, requests = request.getfixturevalue(name), asked()
    first, _ = scored(folder, requests, tmp_path)
    order = np.random.default_rng(1).permuted(np.tile(np.arange(7), (10, 1)), axis=1)
    shuffled = requests._replace(candidates=np.take_along_axis(requests.candidates, order, axis=1))
    second, _ = scored(folder, shuffled, tmp_path)
    np.testing.assert_array_equal(np.take_along_axis(first, order, axis=1), second)
    assert (np.ptp(first, axis=1) > 0).all()


@pytest.mark.parametrize("name", ["small", "speller"])
def test_many_rows_of_blocks_are_one_and_the_catalogue_is_its_candidates(name, request, tmp_path):
    folder, requests = request.getfixturevalue(name), asked()
    whole, _ = scored(folder, requests._replace(candidates=requests.candidates[:, :0]), tmp_path)
    assert whole.shape == (10, 31)
    expected = np.take_along_axis(whole, requests.candidates, axis=1)
    for tokens in (1, 30):
        some, _ = scored(folder, requests, tmp_path, block_tokens=tokens)
        np.testing.assert_allclose(some, expected, rtol=1e-5, atol=1e-4)


def test_padding_has_the_least_score(small, tmp_path):
    requests = asked()
    padded = requests._replace(candidates=np.pad(requests.candidates, ((0, 0), (2, 1))))
    found, _ = scored(small, padded, tmp_path)
    plain, _ = scored(small, requests, tmp_path)
    np.testing.assert_array_equal(found[:, 2:-1], plain)
    for column in (0, 1, -1):
        np.testing.assert_array_equal(found[:, column], plain.min(axis=1))


def command_line(command):
    sys.argv = command
    assert score_module.main() == 0


def test_two_processes_are_one(speller, tmp_path):
    requests = asked()
    one, _ = scored(speller, requests, tmp_path)
    command = ["score", "--requests", str(tmp_path / "requests.npz"), "--model", str(speller)]
    command += ["--out", str(tmp_path / "two.npz"), "--score-batch", "4"]
    run_by_two(command_line, [*command, "--history", "6", "--context", "1024"])
    np.testing.assert_array_equal(read_scores(tmp_path / "two.npz", requests), one)
    assert {path.name for path in tmp_path.iterdir()} == {"requests.npz", "scores.npz", "two.npz"}


def test_killed_it_goes_on_with_the_batch_it_was_at(small, tmp_path, monkeypatch):
    requests = asked()
    expected, _ = scored(small, requests, tmp_path)
    (tmp_path / "scores.npz").unlink()
    every, done = Scorer.scores, []

    def until_killed(self, given, rows):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(rows)
        return every(self, given, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "scores", until_killed)
        with pytest.raises(KeyboardInterrupt):
            scored(small, requests, tmp_path)
    assert not (tmp_path / "scores.npz").exists()
    again = []
    monkeypatch.setattr(
        Scorer, "scores", lambda self, given, rows: again.append(rows) or every(self, given, rows)
    )
    found, _ = scored(small, requests, tmp_path)
    np.testing.assert_array_equal(found, expected)
    assert again == [slice(8, 10)]


def test_written_answers_rank_what_they_name(small, tmp_path, monkeypatch):
    requests = asked(num_candidates=4)
    words = {0: "[ITEM_{}]\n[ITEM_{}]", 1: "[ITEM_{0}] [ITEM_{0}]", 2: "no item"}

    def write(language, prompts, max_new_tokens, **_):
        return [[[number % 3]] for number in range(len(prompts))]

    row = iter(range(10))

    def text(language, tokens):
        return words[tokens[0]].format(*requests.candidates[next(row), 1:3])

    monkeypatch.setattr(score_module, "written", write)
    monkeypatch.setattr(score_module, "text_of", text)
    found, said = scored(small, requests, tmp_path, answer="generate", answer_k=2, score_batch=3)
    expected = [[0, 2, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0]] * 3 + [[0, 2, 1, 0]]
    np.testing.assert_array_equal(found, expected)
    assert "6 answers name fewer than 2 distinct candidates" in said


def test_answers_are_written_by_the_model(small, tmp_path):
    found, said = scored(
        small, asked(num_candidates=4), tmp_path, answer="generate", answer_tokens=3
    )
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert "answers name fewer than 1 distinct candidates" in said


def test_requests_and_scores_are_bound_to_the_split(small, tmp_path):
    requests = asked()
    other = requests._replace(fingerprint="0" * 64)
    with pytest.raises(InputError, match="Expected requests of the split that"):
        scored(small, other, tmp_path)
    write_scores(tmp_path / "scores.npz", requests, np.zeros((10, 7), np.float32))
    with pytest.raises(InputError, match="Expected scores of this split"):
        read_scores(tmp_path / "scores.npz", other)
    with pytest.raises(InputError, match="Expected scores of these requests"):
        read_scores(tmp_path / "scores.npz", asked(seed=1))
    write_requests(tmp_path / "bad.npz", requests._replace(candidates=requests.candidates + 30))
    with pytest.raises(InputError, match="candidates with an unknown item"):
        read_requests(tmp_path / "bad.npz")


def test_a_model_of_another_catalogue_is_refused(small, tmp_path):
    requests = asked()._replace(titles=TITLES[:-1], candidates=asked().candidates % 29 + 1)
    requests = requests._replace(history=requests.history % 29)
    with pytest.raises(InputError, match="Expected a model with tokens for 29 items"):
        scored(small, requests, tmp_path)


def test_scoring_changes_nothing_in_the_models_folder(small, tmp_path):
    before = content(small)
    scored(small, asked(), tmp_path)
    assert content(small) == before
    assert dataclasses.asdict(SMALL)["history"] == 12
