"""Agents whose scores are blended with a baseline's."""

import copy
import json
import re

import numpy as np
import pytest
from tests.agents.tiny import SMALL, small, small_config, without_xla, write_csv

import drrec
from drrec.agents.blending import Blend
from drrec.agents.ddpg import DDPG
from drrec.baselines.ease import EASE
from drrec.baselines.knn import ItemKNN
from drrec.embeddings.config import ContentConfig
from drrec.errors import InputError
from drrec.evaluation.report import report_text
from drrec.experiment.config import TrainConfig
from drrec.experiment.evaluating import evaluate_run, trained
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import train_run, without_content
from drrec.serving.engine import Engine
from drrec.serving.queries import Query

DDPG_SETTINGS = {name: value for name, value in SMALL.items() if hasattr(small(), name)}
USERS = np.arange(60, dtype=np.int32)


@pytest.fixture(scope="module")
def fitted(tiny_dataset):
    with without_xla():
        agent = DDPG(embedding="variational", dim_emb=5, blend="item_knn", **DDPG_SETTINGS)
        return agent.fit(tiny_dataset, steps=40)


def standardised(scores, is_seen):
    unseen = np.where(is_seen, np.nan, scores)[:, 1:]
    return scores / np.nanstd(unseen, axis=1, keepdims=True)


def test_scores_are_the_weighted_sum_of_both_each_scaled_by_its_spread(fitted, tiny_interactions):
    log = tiny_interactions
    histories = log.liked_histories(10)
    is_seen = np.zeros((60, log.num_items), bool)
    is_seen[log.user, log.item] = True
    own = standardised(fitted.alone().score(USERS, histories), is_seen)
    base = standardised(ItemKNN().fit(log).score(USERS, histories), is_seen)
    found = fitted.score(USERS, histories)
    np.testing.assert_allclose(found[:, 1:], (0.5 * own + 0.5 * base)[:, 1:], rtol=1e-4, atol=1e-5)
    candidates = np.random.default_rng(0).integers(1, 81, (60, 7))
    expected = np.take_along_axis(found, candidates, axis=1)
    np.testing.assert_allclose(
        fitted.score(USERS, histories, candidates), expected, rtol=1e-4, atol=1e-5
    )


@pytest.fixture(scope="module")
def of_two(tiny_dataset):
    blend = {"blend": "item_knn:3,ease", "blend_weight": 0.8}
    with without_xla():
        agent = DDPG(embedding="variational", dim_emb=5, **blend, **DDPG_SETTINGS)
        return agent.fit(tiny_dataset, steps=1)


def test_several_baselines_have_their_shares_of_the_weight(of_two, tiny_interactions, tmp_path):
    log, histories = tiny_interactions, tiny_interactions.liked_histories(10)
    is_seen = np.zeros((60, log.num_items), bool)
    is_seen[log.user, log.item] = True
    methods = {of_two.alone(): 0.2, ItemKNN().fit(log): 0.6, EASE().fit(log): 0.2}
    expected = sum(
        weight * standardised(method.score(USERS, histories), is_seen)
        for method, weight in methods.items()
    )
    found = of_two.score(USERS, histories)
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-5)
    of_two.save(tmp_path / "a.drrec")
    other = drrec.load(tmp_path / "a.drrec")
    np.testing.assert_array_equal(other.score(USERS, histories), found)
    new = [model.recommend_for(["i02", "i04"], k=5) for model in (of_two, other, of_two.alone())]
    assert new[0].equals(new[1])
    assert not new[0]["score"].equals(new[2]["score"])


def test_a_model_of_one_baseline_that_an_earlier_version_saved_is_read(fitted):
    state = fitted.state()
    (state["base"],) = state.pop("bases")
    other = copy.copy(fitted)
    other._restore_rest(state)
    histories = np.zeros((60, 10), np.int32)
    np.testing.assert_array_equal(other.score(USERS, histories), fitted.score(USERS, histories))


@pytest.mark.parametrize(
    ("blend", "said"),
    [
        ("ease,knn", "names of different baselines for `blend`. Received: 'knn'"),
        ("ease,ease:2", "names of different baselines for `blend`. Received: 'ease' twice"),
        ("ease:0", "a share above 0 for ease in `blend`. Received: '0'"),
        ("ease:much", "a share above 0 for ease in `blend`. Received: 'much'"),
        ("ease:inf", "a share above 0 for ease in `blend`. Received: 'inf'"),
    ],
)
def test_a_blend_that_is_no_list_of_baselines_is_refused(blend, said):
    with pytest.raises(InputError, match=re.escape(f"Expected {said}")):
        small(blend=blend)


@pytest.mark.parametrize(("weight", "alike"), [(0.0, "agent"), (1.0, "base")])
def test_a_weight_of_nought_or_one_leaves_one_of_them(weight, alike, fitted, tiny_interactions):
    log, histories = tiny_interactions, tiny_interactions.liked_histories(10)
    own, base = fitted.alone(), EASE().fit(log)
    found = Blend.of(own, [base], [weight], log, 10).score(USERS, histories)
    other = (own if alike == "agent" else base).score(USERS, histories)
    correlations = [np.corrcoef(a[1:], b[1:])[0, 1] for a, b in zip(found, other, strict=True)]
    np.testing.assert_allclose(correlations, 1, atol=1e-5)


def test_a_method_that_tells_no_items_apart_counts_for_nothing(fitted, tiny_interactions):
    log = tiny_interactions

    class Flat:
        def score(self, users, histories, candidates=None):
            return np.full((len(users), log.num_items), 7.0)

    blend = Blend.of(fitted.alone(), [Flat()], [0.5], log, 10)
    assert (blend.base_scales[0] == 0).all()
    assert np.isfinite(blend.score(USERS, log.liked_histories(10))).all()


def test_what_is_saved_scores_alike_and_answers_for_somebody_new(fitted, tmp_path):
    fitted.save(tmp_path / "a.drrec")
    other = drrec.load(tmp_path / "a.drrec")
    histories = np.random.default_rng(1).integers(0, 81, (60, 10)).astype(np.int32)
    np.testing.assert_array_equal(fitted.score(USERS, histories), other.score(USERS, histories))
    new = [model.recommend_for(["i02", "i04"], k=5) for model in (fitted, other, fitted.alone())]
    assert new[0].equals(new[1])
    assert not new[0]["score"].equals(new[2]["score"])


def test_it_answers_without_tensorflow_as_with_it(fitted, tmp_path):
    fitted.save(tmp_path / "a.drrec")
    engine = Engine.load(tmp_path / "a.drrec", backend="numpy")
    found = engine.recommend([Query(user="u03"), Query(user=None, liked=("i02", "i04"))], 5)
    expected = [fitted.recommend(["u03"], k=5), fitted.recommend_for(["i02", "i04"], k=5)]
    for mine, theirs in zip(found, expected, strict=True):
        assert [each.item for each in mine] == theirs["item"].tolist()
        np.testing.assert_allclose([each.score for each in mine], theirs["score"], rtol=1e-4)


def test_who_liked_the_same_gets_the_baseline_s_neighbours(fitted):
    heavy = copy.copy(fitted)
    heavy._blend = fitted._blend.weighing(1.0)
    found = heavy.recommend_for(["i02", "i04"], k=5)["item"].tolist()
    expected = fitted._blend.bases[0].recommend_for(["i02", "i04"], k=5)["item"].tolist()
    assert found == expected


def test_baselines_that_are_not_there_or_have_no_content_are_refused():
    with pytest.raises(InputError, match=r"baselines for `blend`\. Received: 'knn'"):
        DDPG(blend="knn")
    with pytest.raises(InputError, match="Expected `modality` with the blend content_knn"):
        DDPG(blend="content_knn")
    with pytest.raises(InputError, match="Expected `modality` with the blend content_knn"):
        TrainConfig(agent=small(blend="content_knn"))
    config = TrainConfig(agent=small(blend="content_knn"), content=ContentConfig(modality="text"))
    assert without_content(config).agent.blend == ""


def test_a_run_reports_the_agent_alone_beside_it(tiny_interactions, tmp_path):
    path = write_csv(tiny_interactions, tmp_path / "log.csv")
    blended = small(blend="ease", blend_weight=0.8)
    config = small_config(path, agent=blended, baselines="ease", tuned={"ease": {"l2": 7.0}})
    judged = Task.load(config, tmp_path / "data")
    run = Run.create(tmp_path, "first", config)
    with without_xla():
        assert train_run(run, config, judged)
    bases = [model._blend.bases[0] for model in (trained(run), drrec.load(run.served_file()))]
    assert [base.l2 for base in bases] == [7.0, 7.0]
    assert len(bases[0]._known.item) < len(bases[1]._known.item)  # fitted to more
    content = evaluate_run(run, config, judged)
    cells = content["protocols"]["rated"]
    assert set(cells) == {"ease", "ddpg", "ddpg_alone"}
    assert cells["ddpg"]["ndcg@5"]["mean"] != cells["ddpg_alone"]["ndcg@5"]["mean"]
    assert set(content["comparisons"]["rated"]["agents"]) == {"ddpg", "ddpg_alone"}
    assert content["blend"] == {"agent": "ddpg", "weights": {"ease": 0.8}}
    said = report_text(json.loads(json.dumps(content, default=float)))
    assert "The scores of ddpg are 20% its own and 80% those of ease" in said
