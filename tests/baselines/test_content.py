"""Content kNN by hand, with a planted taste, a modality of noise, and items without features."""

import numpy as np
import pytest
from tests.evaluation.stubs import log

from drrec.baselines.content import ContentKNN
from drrec.baselines.neighbours import biases
from drrec.data.interactions import Interactions
from drrec.features.store import Modality
from drrec.registry import CONTENT_BASELINES
from drrec.types import Scorer

NO_HISTORY = np.zeros((60, 10), np.int32)
USERS = np.arange(60, dtype=np.int32)


def modality(features: np.ndarray, absent: list[int] | None = None) -> Modality:
    """Rows are items 1 …; padding is put before them."""
    present = np.ones(len(features) + 1, bool)
    present[[0, *(absent or [])]] = False
    padded = np.pad(features, ((1, 0), (0, 0))).astype(np.float32)
    return Modality(np.where(present[:, None], padded, 0), present, "planted")


def taste(interactions: Interactions, noise: float, seed: int = 0) -> Modality:
    """Features that tell even items from odd ones, which is what `tiny_interactions` is about."""
    number = np.array([int(raw[1:]) for raw in interactions.items.raw[1:]])
    rng = np.random.default_rng(seed)
    side = np.where(number % 2 == 0, 1.0, -1.0)[:, None]
    return modality(side * rng.normal(size=(1, 8)) + noise * rng.normal(size=(len(number), 8)))


@pytest.fixture
def cold(tiny_interactions: Interactions) -> tuple[Interactions, np.ndarray]:
    """A log without the last ten items, and those."""
    items = np.arange(71, 81)
    return tiny_interactions.where(~np.isin(tiny_interactions.item, items)), items


def plainly(model: ContentKNN, train: Interactions, user: int, item: int) -> float:
    """The formula, word for word."""
    known = sorted(set(train.item.tolist()))
    vectors = []
    for name, each in model.features.items():
        centred = each.features - each.features[[i for i in known if each.present[i]]].mean(axis=0)
        centred[~each.present] = 0
        norm = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        vectors.append(np.sqrt(model.weights[name]) * centred / norm)
    joint = np.concatenate(vectors, axis=1)
    cosine = {j: joint[item] @ joint[j] / np.linalg.norm(joint[item]) / np.linalg.norm(joint[j])
              for j in known if j != item}  # fmt: skip
    nearest = sorted(cosine, key=lambda j: -cosine[j])[: model.num_neighbours]
    near = {j: cosine[j] ** model.power for j in nearest if cosine[j] > 0}
    level = biases(train, 5.0)[0][user]
    score = 0.0
    for row in np.flatnonzero(train.user == user):
        taken = 1 + model.opinion * (train.rating[row] - level)
        score += near.get(int(train.item[row]), 0.0) * taken
    return score / sum(near.values()) ** model.evenness


def test_is_the_formula(cold: tuple[Interactions, np.ndarray]) -> None:
    train, items = cold
    features = {"text": taste(train, 1.0), "video": taste(train, 2.0, seed=1)}
    model = ContentKNN(features, num_neighbours=7, power=1.5, opinion=0.3, evenness=0.7)
    whole = model.fit(train).score(USERS, NO_HISTORY)
    for user, item in [(0, 1), (5, 33), (59, 70), (7, items[0]), (31, items[-1])]:
        assert whole[user, item] == pytest.approx(plainly(model, train, user, item), rel=1e-4)


def test_a_planted_taste_reaches_items_that_nobody_rated(
    cold: tuple[Interactions, np.ndarray], tiny_interactions: Interactions
) -> None:
    train, items = cold
    model = ContentKNN({"text": taste(train, 0.5)}).fit(train)
    assert isinstance(model, Scorer)
    scores = model.score(USERS, NO_HISTORY, np.tile(items.astype(np.int32), (60, 1)))
    likes_even = USERS[:, None] < 30
    is_even = (items[None] - 1) % 2 == 0
    suits = likes_even == is_even
    for user in range(60):
        assert scores[user][suits[user]].min() > scores[user][~suits[user]].max()


def test_a_modality_that_says_nothing_gets_no_weight(tiny_interactions: Interactions) -> None:
    rng = np.random.default_rng(3)
    # Who likes even items rates no odd ones here: audiences follow the taste.
    suits = (tiny_interactions.user < 30) == (tiny_interactions.item % 2 == 1)
    train = tiny_interactions.where(suits)
    noise = modality(rng.normal(size=(80, 8)))
    model = ContentKNN({"audio": noise, "text": taste(train, 0.5)}).fit(train)
    assert model.weights["audio"] < 0.05
    assert sum(model.weights.values()) == pytest.approx(1)
    absent = modality(np.zeros((80, 8)), list(range(1, 81)))
    alone = ContentKNN({"text": taste(train, 0.5)}).fit(train)
    beside = ContentKNN({"audio": absent, "text": taste(train, 0.5)}).fit(train)
    assert beside.weights == pytest.approx({"audio": 0, "text": 1})
    np.testing.assert_allclose(
        beside.score(USERS, NO_HISTORY), alone.score(USERS, NO_HISTORY), rtol=1e-5
    )


def test_items_without_features_are_neutral(cold: tuple[Interactions, np.ndarray]) -> None:
    train, _ = cold
    text = taste(train, 0.5)
    is_absent = np.isin(np.arange(81), [0, 3, 75])
    text = Modality(np.where(is_absent[:, None], 0, text.features), ~is_absent, "planted")
    scores = ContentKNN({"text": text}).fit(train).score(USERS, NO_HISTORY)
    expected = scores[:, ~is_absent & (np.arange(81) <= 70)].mean(axis=1)
    for item in (3, 75):
        np.testing.assert_allclose(scores[:, item], expected, rtol=1e-5)
    nothing = modality(np.zeros((80, 4)), list(range(1, 81)))
    assert (ContentKNN({"text": nothing}).fit(train).score(USERS, NO_HISTORY) == 0).all()


def test_features_of_items_out_of_train_move_no_other(
    cold: tuple[Interactions, np.ndarray],
) -> None:
    train, items = cold
    text = taste(train, 0.5)
    changed = text.features.copy()
    changed[items[0]] *= -100
    one, other = (
        ContentKNN({"text": text._replace(features=features)}).fit(train).score(USERS, NO_HISTORY)
        for features in (text.features, changed)
    )
    np.testing.assert_array_equal(np.delete(one, items[0], 1), np.delete(other, items[0], 1))
    assert (one[:, items[0]] != other[:, items[0]]).any()


@pytest.mark.parametrize("name", CONTENT_BASELINES)
def test_scores_are_as_promised(
    name: str, cold: tuple[Interactions, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drrec.embeddings.contrast._STEPS", 20)
    train, _ = cold
    train = train.where(train.user > 4)
    model = CONTENT_BASELINES[name]({"text": taste(train, 0.5)}).fit(train)
    whole = model.score(USERS, NO_HISTORY)
    assert whole.shape == (60, 81)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    assert (whole[:5] == 0).all()  # users without a row
    candidates = np.array([[7, 3, 80, 0]], np.int32)
    some = model.score(USERS[9:10], NO_HISTORY[:1], candidates)
    np.testing.assert_allclose(some, whole[9:10, [7, 3, 80, 0]], rtol=1e-5)
    again = model.fit(train).score(USERS, NO_HISTORY)
    np.testing.assert_array_equal(again, whole)


def test_one_rating_throughout_counts_rows() -> None:
    train = log([(1, 1, 5.0), (1, 2, 5.0), (2, 1, 5.0), (2, 3, 5.0), (3, 4, 5.0)])
    features = modality(np.array([[1, 0.1], [1, 0.2], [-1, 0], [-1, -0.3]]))
    model = ContentKNN({"text": features}, evenness=0.0, power=1.0).fit(train)
    cosine = plainly(model, train, 2, 3)
    assert model.score(USERS[:3], NO_HISTORY)[2, 3] == pytest.approx(cosine)
    assert cosine > 0.5


@pytest.mark.parametrize("bad", [{"num_neighbours": 0}, {"power": 0.0}, {"evenness": 1.1}])
def test_settings_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    features = {"text": modality(np.ones((3, 2)))}
    with pytest.raises(ValueError, match="Expected at least one modality"):
        ContentKNN(features, **bad)
    with pytest.raises(ValueError, match="Expected at least one modality"):
        ContentKNN({})
