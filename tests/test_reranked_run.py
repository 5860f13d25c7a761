"""Runs that re-rank what a baseline proposes, and runs with other rewards than ratings."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config, write_csv
from tests.brief import brief_figures, eagerly

from drrec.agents.proposing import final_proposals, fitted_baseline, proposals_of
from drrec.agents.runlog import columns
from drrec.agents.sessions import build_environment
from drrec.baselines.knn import ItemKNN
from drrec.data.interactions import Interactions
from drrec.embeddings.pretrain import pretrain
from drrec.envs.config import LoggedConfig, ProposalConfig, RewardConfig
from drrec.errors import InputError
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.ranked import RANKED_METRICS
from drrec.experiment.ceilings import recall_of
from drrec.experiment.evaluating import evaluate_run, report_run, trained
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.train import build_agent, train_run
from drrec.registry import BASELINES
from drrec.worlds.demo import make_demo

K = 10
SLOW = ("pmf", "gru4rec", "sasrec")
"""Baselines that train for seconds; they are asked as the others are."""
RERANKED = LoggedConfig(
    unlogged="constant",
    state_size=3,
    episode_length=4,
    proposals=ProposalConfig(propose="item_knn", propose_k=K),
)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    brief_figures(monkeypatch)
    with eagerly():
        yield


@pytest.fixture
def path(tiny_interactions, tmp_path):
    return write_csv(tiny_interactions, tmp_path / "log.csv")


def twice(log):
    """The same log, each row of which comes again."""
    rows = np.repeat(np.arange(len(log)), 2)
    columns = {name: getattr(log, name)[rows] for name in ("user", "item", "rating", "timestamp")}
    return dataclasses.replace(log, **columns)


def config_of(path, **settings):
    defaults = {"steps": 8, "environment": RERANKED, "baselines": "popularity,item_knn"}
    return small_config(path, **(defaults | settings))


def proposed(config, log):
    return final_proposals(
        config, log, fitted_baseline(config.environment.proposals.propose, config, log)
    )


def load(config, tmp_path):
    return Task.load(config, tmp_path / "data")


def test_re_ranking_as_many_as_are_judged_finds_what_the_proposer_finds(path, tmp_path):
    config = config_of(path, split="leave_one_out")
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged)
    content = evaluate_run(run, config, judged)
    methods = content["protocols"]["full"]
    ceiling = content["ceiling"]["full"]["ddpg"]
    assert ceiling == {"proposer": "item_knn", "k": K, "recall": ceiling["recall"]}
    assert 0 < ceiling["recall"] < 1
    hits = {name: methods[name][f"hr@{K}"]["mean"] for name in ("item_knn", "ddpg")}
    assert hits["item_knn"] == hits["ddpg"] == pytest.approx(ceiling["recall"])
    ordered = {name: methods[name]["ndcg@10"]["mean"] for name in ("item_knn", "ddpg")}
    assert ordered["item_knn"] != ordered["ddpg"]
    text = report_run(run, config, content)
    assert "ddpg re-ranks 10 items that item_knn proposes to each user" in text
    written = json.loads((run.folder / "metrics.json").read_text())
    assert written["ceiling"]["full"]["ddpg"] == ceiling


def test_what_a_run_recommends_is_proposed_and_in_the_order_it_is_judged_by(path, tmp_path):
    config = config_of(path)
    judged = load(config, tmp_path)
    run = Run.create(tmp_path, "first", config)
    assert train_run(run, config, judged)
    model, log = trained(run), judged.dataset.interactions
    np.testing.assert_array_equal(model.proposals, proposed(config, judged.train))
    history = judged.train.liked_histories(3)
    for user in range(0, 60, 7):
        found = model.recommend([log.users.raw[user]], k=50)["item"].tolist()
        unseen = (
            set(model.proposals[user].tolist()) - set(log.item[log.user == user].tolist()) - {0}
        )
        assert set(found) == {str(log.items.raw[item]) for item in unseen}
        scores = model.score(np.array([user]), history[[user]])[0]
        expected = sorted(unseen, key=lambda item, scores=scores: -scores[item])
        assert found == [str(log.items.raw[item]) for item in expected]
    assert "ceiling" not in evaluate_run(run, config, judged)  # none over the catalogue


def test_sessions_show_what_the_past_proposes_and_what_the_log_has_in_store(path, tmp_path):
    config = config_of(path)
    judged = load(config, tmp_path)
    past, future = judged.train.past_and_future(config.vectors.held_out)
    agent = build_agent(config, judged, pretrain(judged.train, config.vectors, 0).prefix)
    scores = ItemKNN().fit(past).score(np.arange(60), past.liked_histories(3))
    users = tf.range(60)
    shown = agent.environment.available(users, tf.zeros([60, 4], tf.int32)).numpy()
    for user in range(60):
        seen = past.item[past.user == user]
        own = future.item[future.user == user]
        theirs = set(np.flatnonzero(shown[user]).tolist())
        proposed = theirs - set(own.tolist())
        assert set(own.tolist()) <= theirs
        assert not theirs & set(seen.tolist())
        unseen = np.setdiff1d(np.arange(1, judged.train.num_items), seen)
        least = np.sort(scores[user, unseen])[-K]
        assert all(scores[user, item] >= least for item in proposed)
        assert len(proposed) <= K
        best = unseen[scores[user, unseen] > least]
        assert set(best.tolist()) <= theirs


@pytest.mark.parametrize("name", [name for name in BASELINES if name not in SLOW])
def test_every_baseline_can_propose(name, tiny_interactions):
    past, _ = tiny_interactions.past_and_future(0.5)
    proposer = BASELINES[name]().fit(past)
    config = small_config("log.csv")
    proposals = proposals_of(proposer, past, 5, config, mask_seen=True)
    assert proposals.shape == (60, 5)
    for user, row in enumerate(proposals.tolist()):
        assert 0 not in row
        assert len(set(row)) == 5
        assert not set(row) & set(past.item[past.user == user].tolist())


def test_who_has_seen_nearly_all_is_proposed_the_rest():
    everything = [(user, item) for user in range(3) for item in range(8) if (user, item) != (1, 5)]
    users, items = zip(*everything, strict=True)
    log = Interactions.from_raw(
        np.array(users).astype(str),
        np.array(items).astype(str),
        np.full(len(users), 4.0),
        np.arange(len(users)),
    )
    proposer = BASELINES["popularity"]().fit(log)
    config = small_config("log.csv")
    proposals = proposals_of(proposer, log, 100, config, mask_seen=True)
    assert proposals.tolist() == [[0] * 8, [6] + [0] * 7, [0] * 8]
    again = proposals_of(proposer, log, 8, config, mask_seen=False)
    assert [sorted(row) for row in again.tolist()] == [list(range(1, 9))] * 3
    ties = again[0][:-1].tolist()
    assert again[0][-1] == 6  # the least popular
    assert ties not in (sorted(ties), sorted(ties)[::-1])


def test_what_comes_again_is_proposed_again(tiny_interactions):
    for log in (tiny_interactions, twice(tiny_interactions)):
        proposals = proposed(config_of("log.csv"), log)
        seen = (proposals[log.user] == log.item[:, None]).any()
        assert seen == log.has_repeats


def test_the_ceiling_of_liked_items_is_the_recall_of_the_protocol(tiny_interactions):
    past, future = tiny_interactions.past_and_future(0.3)
    proposer = ItemKNN().fit(past)
    proposals = proposals_of(proposer, past, 20, small_config("log.csv"), mask_seen=True)
    judged = protocol_of("ranked").run(proposer, past, future, state_size=3).metrics
    assert "recall@20" in RANKED_METRICS
    assert recall_of(proposals, future, liked_only=True) == pytest.approx(
        judged["recall@20"].mean()
    )
    assert recall_of(proposals, future, liked_only=False) < judged["recall@20"].mean()


def test_proposals_do_not_see_the_test(path, tmp_path, tiny_interactions):
    by_ratings = ProposalConfig(propose="item_cf", propose_k=K)
    config = config_of(path, environment=dataclasses.replace(RERANKED, proposals=by_ratings))
    judged = load(config, tmp_path)
    test = judged.split.part == judged.split.part.max()
    rating = tiny_interactions.rating.copy()
    rating[test] = 6 - rating[test]
    changed = write_csv(dataclasses.replace(tiny_interactions, rating=rating), tmp_path / "b.csv")
    other = load(config_of(changed), tmp_path)
    assert other.dataset.interactions.fingerprint != judged.dataset.interactions.fingerprint
    assert other.train.fingerprint == judged.train.fingerprint
    expected = proposed(config, judged.train)
    np.testing.assert_array_equal(proposed(config, other.train), expected)


def test_whom_nobody_knows_cannot_propose(path, tmp_path):
    environment = dataclasses.replace(RERANKED, proposals=ProposalConfig(propose="itemknn"))
    with pytest.raises(InputError, match=r"Expected a baseline for --propose\. Received: 'itemknn"):
        load(config_of(path, environment=environment), tmp_path)


def test_terms_with_a_weight_are_columns_of_the_log_and_others_are_not(path, tmp_path):
    names = {}
    for name, weights in {
        "plain": RewardConfig(),
        "summed": RewardConfig(reward_novelty=0.5, reward_diversity=0.25),
    }.items():
        environment = LoggedConfig(state_size=3, episode_length=4, rewards=weights)
        config = config_of(path, environment=environment)
        run = Run.create(tmp_path, name, config)
        assert train_run(run, config, load(config, tmp_path))
        assert run.config() == config
        names[name] = columns(run.folder / "training.csv")
    added = {"reward_rating", "reward_novelty", "reward_diversity"}
    assert names["summed"].keys() - names["plain"].keys() == added
    row = {name: values[0] for name, values in names["summed"].items()}
    total = row["reward_rating"] + 0.5 * row["reward_novelty"] + 0.25 * row["reward_diversity"]
    assert row["reward"] == pytest.approx(total, abs=1e-4)


def test_rewarding_returns_that_the_log_does_not_have_is_refused_before_a_run_begins(
    path, tmp_path
):
    rewards = RewardConfig(reward_return=1.0)
    environment = LoggedConfig(state_size=3, episode_length=4, rewards=rewards)
    with pytest.raises(InputError, match="none comes back"):  # minutes apart, all of them
        load(config_of(path, environment=environment), tmp_path)


def test_users_of_a_made_up_world_are_shown_proposals_alone(tmp_path):
    make_demo(tmp_path / "data" / "demo", num_films=60, num_users=30, with_media=False)
    environment = dataclasses.replace(RERANKED, sessions="living")
    config = config_of("demo", environment=environment)
    judged = load(config, tmp_path)
    table = pretrain(judged.train, config.vectors, 0).prefix.table
    env = build_environment(config, judged.train, table, judged.truth)
    offered = proposed(config, judged.train)
    shown = env.available(tf.range(30), tf.zeros([30, 4], tf.int32)).numpy()
    for user in range(30):
        assert set(np.flatnonzero(shown[user]).tolist()) == set(offered[user].tolist()) - {0}
