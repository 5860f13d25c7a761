"""Sessions whose feedback is looked up, against the same told in plain Python."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data import raw
from tests.evaluation.stubs import Stub, log

from drrec.baselines.chance import Random
from drrec.baselines.popularity import Popularity
from drrec.data.dataset import Dataset
from drrec.data.histories import items_of, opening, rewards_of
from drrec.data.published.config import PrepareConfig
from drrec.data.published.prepare import prepare
from drrec.data.strategies import TEST, TRAIN
from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluate
from drrec.evaluation.protocols.observed import OBSERVED_METRICS, Matrix, observed, visits
from drrec.experiment.config import RunConfig
from drrec.experiment.protocols import trials_of
from drrec.experiment.task import Task

NUM_USERS, NUM_ITEMS, STEPS, WINDOW, MOST = 8, 14, 7, 3, 1


def full(seed: int) -> np.ndarray:
    """[U, I'] a rating of every item by every user."""
    feelings = raw.full_matrix(seed, NUM_USERS, NUM_ITEMS)
    return np.clip(np.rint(3 * feelings), 1, 5)


def divided(seed: int) -> tuple[Dataset, set[tuple[int, int]]]:
    """A data set whose test part is most of a full matrix, and the pairs of that part.

    Of user 0 three items are known, of the last user none.
    """
    rng = np.random.default_rng(seed)
    ratings, is_known = full(seed), rng.random((NUM_USERS, NUM_ITEMS)) < 0.9
    is_known[0, 3:], is_known[0, :3], is_known[-1] = False, True, False
    rows = [(u, i, ratings[u, i]) for u in range(NUM_USERS) for i in range(NUM_ITEMS)]
    pairs = {(u, i) for u, i, _ in rows if is_known[u, i]}
    parts = np.array([TEST if (u, i) in pairs else TRAIN for u, i, _ in rows], np.int8)
    kinds = [{1 + i % 3, 1 + i % 4} - {3} for i in range(NUM_ITEMS)]  # some items have none
    genres = np.array(["", *(", ".join(f"kind {k}" for k in sorted(each)) for each in kinds)])
    titles = np.full(NUM_ITEMS + 1, "")
    return Dataset("made", log(rows), titles, genres, parts=parts, is_observed=True), pairs


def by_history(users, histories, items):
    """A score that no two histories share."""
    weight = np.array([1.0, 3.0, 7.0])
    return np.sin(items * (1 + items_of(histories) @ weight)[:, None] + users)


def told(dataset: Dataset, known: set[tuple[int, int]], user: int) -> tuple[list[int], list[float]]:
    """What `user` is shown and what it pays, until nothing is known or they have enough."""
    train = dataset.split("given")[0].interactions
    ratings = {
        (u, i): r
        for u, i, r in zip(
            dataset.interactions.user.tolist(),
            dataset.interactions.item.tolist(),
            dataset.interactions.rating.tolist(),
            strict=True,
        )
    }
    kinds = [set(names.split(", ")) - {""} for names in dataset.genres.tolist()]
    history = train.liked_histories(3)[user].tolist()
    shown: list[int] = []
    paid: list[float] = []
    while len(shown) < STEPS:
        left = [i + 1 for u, i in known if u == user and i + 1 not in shown]
        if not left:
            break
        items = np.arange(NUM_ITEMS + 1)[None]
        scores = by_history(np.array([[user]]), np.array([history]), items)[0].astype(np.float32)
        best = max(left, key=lambda item, scores=scores: scores[item])
        before = [kinds[item] for item in shown[-WINDOW:]]
        shown.append(best)
        paid.append((ratings[user, best] - 3) / 2)
        if paid[-1] > 0:
            history = [*history[1:], best]
        if any(sum(kind in each for each in before) > MOST for kind in kinds[best]):
            break
    return shown, paid


def played(recommender, dataset, **options):
    _, test = dataset.split("given")
    options = {"window": WINDOW, "most_alike": MOST, "state_size": 3, "steps": STEPS} | options
    category = np.array([[f"kind {k}" in names for k in (1, 2, 4)] for names in dataset.genres])
    matrix = Matrix(test.interactions, category)
    return observed(recommender, test.known, matrix, **options)


@pytest.mark.parametrize("seed", range(4))
def test_sessions_look_up_known_feedback_until_the_user_has_enough(seed) -> None:
    dataset, pairs = divided(seed)
    result = played(Stub(by_history, NUM_ITEMS + 1, uses_history=True), dataset)
    assert tuple(result.metrics) == OBSERVED_METRICS
    assert result.users.tolist() == list(range(NUM_USERS - 1))
    lengths = set()
    for user in result.users.tolist():
        shown, paid = told(dataset, pairs, user)
        assert result.metrics["depth"][user] == len(shown)
        assert result.metrics["reward"][user] == pytest.approx(sum(paid), abs=1e-5)
        assert result.metrics["mean_reward"][user] == pytest.approx(np.mean(paid), abs=1e-5)
        lengths.add(len(shown))
    assert len(lengths) > 1


def test_nobody_sees_more_than_is_known_or_than_steps() -> None:
    dataset, pairs = divided(0)
    result = played(Stub(by_history, NUM_ITEMS + 1, uses_history=True), dataset, most_alike=99)
    known = [sum(u == user for u, _ in pairs) for user in range(NUM_USERS - 1)]
    assert result.metrics["depth"].tolist() == [min(each, STEPS) for each in known]
    assert known[0] < STEPS < max(known)
    everything = played(Stub(by_history, NUM_ITEMS + 1), dataset, most_alike=99, steps=99)
    assert everything.metrics["depth"].tolist() == known
    test = dataset.split("given")[1].interactions
    total = np.bincount(test.user, (test.rating - 3) / 2)
    np.testing.assert_allclose(everything.metrics["reward"], total, atol=1e-5)


def test_who_reads_rewards_is_told_what_each_item_paid() -> None:
    dataset, _ = divided(0)
    stub = Stub(lambda u, h, i: -i * 1.0, NUM_ITEMS + 1, uses_history=True, reads_rewards=True)
    played(stub, dataset, most_alike=99)
    test = dataset.split("given")[1]
    (_, first, _), *_, (_, last, _) = stub.calls
    np.testing.assert_array_equal(first, opening(test.known, 3, with_rewards=True)[:-1])
    for user in range(1, NUM_USERS - 1):
        is_own = test.interactions.user == user
        order = np.argsort(test.interactions.item[is_own])[STEPS - 4 : STEPS - 1]
        assert items_of(last)[user].tolist() == test.interactions.item[is_own][order].tolist()
        reward = (test.interactions.rating[is_own][order] - 3) / 2
        np.testing.assert_allclose(rewards_of(last)[user], reward)


def test_ties_fall_by_the_seed() -> None:
    dataset, _ = divided(0)
    equal = Stub(lambda u, h, i: i * 0.0, NUM_ITEMS + 1)
    first, again, other = (
        played(equal, dataset, seed=seed).metrics["reward"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(
    shown=st.lists(st.frozensets(st.integers(0, 3), max_size=3), min_size=1, max_size=12),
    window=st.integers(1, 5),
    most=st.integers(0, 3),
)
def test_enough_is_a_category_of_more_than_so_many_of_the_last(shown, window, most) -> None:
    depth = len(shown)
    for place, kinds in enumerate(shown):
        before = shown[max(0, place - window) : place]
        if any(sum(kind in each for each in before) > most for kind in kinds):
            depth = place + 1
            break
    category = np.array([[[kind in each for kind in range(4)] for each in shown]])
    assert visits(category, window, most).tolist() == [depth]


@pytest.mark.parametrize("options", [{"window": 0}, {"most_alike": -1}, {"steps": 0}])
def test_settings_out_of_range_are_refused(options) -> None:
    stub = Stub(by_history, NUM_ITEMS + 1)
    with pytest.raises(InputError, match="Expected `window` and `steps` of at least 1"):
        played(stub, divided(0)[0], **options)


def test_a_part_that_users_chose_is_refused() -> None:
    dataset, _ = divided(0)
    models = {"popularity": Popularity().fit(dataset.split("given")[0])}
    chosen = dataclasses.replace(dataset, is_observed=False)
    for test in (chosen.split("given")[1], dataset.split("random")[1]):
        with pytest.raises(InputError, match=r"protocol observed\. Received: a part of made"):
            evaluate(models, test, "observed")
    found = evaluate(models, dataset.split("given")[1], "observed").values
    assert set(found["metric"]) == set(OBSERVED_METRICS)


def test_without_categories_nobody_leaves_early_and_that_is_said(caplog) -> None:
    dataset = dataclasses.replace(divided(0)[0], genres=np.full(NUM_ITEMS + 1, ""))
    train, test = dataset.split("given")
    found = evaluate({"random": Random().fit(train)}, test, "observed").values
    depth = found[found["metric"] == "depth"]["value"].tolist()
    assert depth == test.interactions.counts()[:-1].tolist()
    assert "made has no categories: no session ends by their repeats" in caplog.text


FEELINGS = raw.full_matrix(0, 30, 40)
BIG, SMALL = raw.views(FEELINGS, 1, 0.5), raw.views(FEELINGS[:12, :25], 2, 0.99)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """KuaiRec of a generated matrix, and a log that users chose all of."""
    folder = tmp_path_factory.mktemp("data")
    files = raw.kuairec(BIG, SMALL, {item: [item % 7] for item in range(40)})
    for name, text in files.items():
        raw.write(folder / "got" / name, text)
    prepare("kuairec", PrepareConfig(source=folder / "got"), folder)
    own = BIG[["user", "item"]].assign(rating=np.clip(np.rint(3 * BIG["ratio"]), 1, 5))
    own.to_csv(folder / "own.csv", index=False)
    return folder


def test_a_run_judges_by_the_matrix_and_trains_on_none_of_it(data_dir) -> None:
    config = RunConfig(dataset="kuairec", split="given", also="observed")
    task = Task.load(config, data_dir)
    matrix, options = trials_of(config, task)["observed"]
    assert options == {}
    assert len(matrix.ratings) == len(SMALL)
    assert not matrix.category[0].any()
    assert (matrix.category[1:].sum(axis=1) == 1).all()
    assert matrix.category.shape[1] == 7
    pair = [each.user * np.int64(1000) + each.item for each in (task.train, matrix.ratings)]
    assert not np.isin(*pair).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "kuairec", "split": "temporal", "min_items": 1},
        {"dataset": "kuairec", "split": "given", "judge": "validation", "min_items": 1},
        {"dataset": "own.csv", "split": "temporal", "min_items": 1},
    ],
)
def test_a_run_on_anything_else_is_refused_before_it_trains(data_dir, settings, monkeypatch):
    monkeypatch.chdir(data_dir)
    Task.load(RunConfig(**settings), data_dir)
    with pytest.raises(InputError, match="Take the test part of coat or kuairec with the split"):
        Task.load(RunConfig(**settings, also="observed"), data_dir)
