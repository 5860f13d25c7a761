"""A ranker of what is proposed: it is asked for these items alone, and the rest stays below."""

import numpy as np
import pytest

from drrec.baselines.ease import EASE
from drrec.baselines.popularity import Popularity
from drrec.errors import InputError
from drrec.experiment import reranking
from drrec.experiment.language_config import LanguageConfig
from drrec.experiment.reranking import Reranked, rerank
from drrec.experiment.task import Task
from drrec.worlds.demo import make_demo

PROPOSALS = np.array([[3, 1, 0], [2, 4, 5]], np.int32)
OWN = np.array([0.0, 5, -9, 1, 8, -9], np.float32)
OTHERS = np.array([0.0, 1, 2, 3, 4, 5], np.float32)


class Table:
    """Scores that are an item's; remembers what it was asked for."""

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def score(self, users, histories, candidates=None):
        self.asked.append(candidates)
        rows = np.broadcast_to(self.scores, (len(users), len(self.scores)))
        return rows if candidates is None else np.take_along_axis(rows, candidates, axis=1)


def made():
    ranker = Table(OWN)
    return Reranked(ranker, Table(OTHERS), "ease", PROPOSALS, 6), ranker


def test_proposals_come_first_in_the_rankers_order_and_the_rest_in_the_proposers():
    model, ranker = made()
    users, histories = np.arange(2), np.zeros((2, 3), np.int32)
    scores = model.score(users, histories)
    order = np.argsort(-scores[:, 1:], axis=1, kind="stable") + 1
    assert order.tolist() == [[1, 3, 5, 4, 2], [4, 2, 5, 3, 1]]  # 2 and 5 are level, as OWN has it
    np.testing.assert_array_equal(ranker.asked[0], PROPOSALS)
    some = np.array([[2, 3, 1], [5, 1, 0]], np.int32)
    assert np.argsort(-model.score(users, histories, some)[0]).tolist() == [2, 1, 0]
    np.testing.assert_array_equal(ranker.asked[1], PROPOSALS)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    make_demo(place / "demo", num_films=60, num_users=30, with_media=False)
    return place


def asked(data_dir, tmp_path, propose, k=10):
    config = LanguageConfig(dataset="demo")
    task = Task.load(config.run, data_dir)
    return task, lambda: rerank(config, task, tmp_path, "grpo", propose, k)


@pytest.fixture(autouse=True)
def _ranked_by_popularity(monkeypatch):
    monkeypatch.setattr(
        reranking, "model_after", lambda folder, config, task, stage: Popularity().fit(task.train)
    )


def test_the_ceiling_is_printed_and_bounds_what_is_found(data_dir, tmp_path):
    task, run = asked(data_dir, tmp_path, "ease")
    said = run()
    recall = float(said.split("ease proposes ")[1].split(" ")[0])
    hits = [
        float(line.split("|")[2]) for line in said.splitlines() if "ease" in line and "|" in line
    ]
    assert 0 < recall < 1
    assert hits == [pytest.approx(recall, abs=1e-3)] * 2  # of ten proposals HR@10 is all of it
    assert len(task.test) == 30
    assert "llm of ease's 60 " in asked(data_dir, tmp_path, "ease", k=1_000)[1]()  # all there are


def test_an_agent_or_model_of_the_same_log_proposes_and_of_another_is_refused(data_dir, tmp_path):
    path = tmp_path / "mine.drrec"
    task, run = asked(data_dir, tmp_path, str(path))
    EASE().fit(task.train).save(path)
    _, by_name = asked(data_dir, tmp_path, "ease")
    assert run().replace("mine", "ease") == by_name()
    EASE().fit(task.dataset).save(path)
    with pytest.raises(InputError, match="this split's training log"):
        run()


def test_an_unknown_proposer_is_refused(data_dir, tmp_path):
    with pytest.raises(InputError, match=r"a baseline for --propose\. Received: 'eas'"):
        asked(data_dir, tmp_path, "eas")[1]()
