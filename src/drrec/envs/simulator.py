"""Simulated users: a user model fitted on a log predicts the appeal of every item.

With ratings, appeal is (r̂ − 3) / 2, clipped to [−1, 1]. With implicit feedback, appeal is the score
scaled linearly so that the user's mean is −1 over items without interaction and 1 over items with.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drrec.baselines.collaborative import ItemCF
from drrec.baselines.knn import ItemKNN
from drrec.data.interactions import LIKED_ABOVE
from drrec.embeddings.implicit import fit_implicit
from drrec.embeddings.variational import fit_variational
from drrec.envs.appeal import (
    AppealOfFactors,
    AppealOfModel,
    PredictedAppeal,
    rating_scale,
    score_scale,
)
from drrec.errors import InputError
from drrec.worlds.world import WINDOW, Truth

if TYPE_CHECKING:
    from drrec.data.interactions import Interactions

MAX_APPEALS = 2**29
"""Users times items up to which appeal is a table, of four bytes each, 2 GiB.

Of larger logs the appeal of a pair is predicted whenever it is asked for: see `envs.appeal`.
"""

NUM_CLUSTERS = 8
"""K, number of item clusters in a log without genres."""

RATING_DIM = 16
"""D of the rating model, as in the baseline `variational`."""

TAKEN_UP_DIM = 32
"""D of the implicit-feedback model."""


class Boredom(NamedTuple):
    """Reward penalty of a shown item on the next items of the same kind."""

    amount: float = 0.0
    """Penalty on each of them; 0 is none."""
    window: int = WINDOW
    """W, number of next items."""


class Factors(NamedTuple):
    """Predictions of a factorisation, and its item vectors."""

    appeal: np.ndarray | PredictedAppeal  # [U, I] float32 in [−1, 1], column 0 is 0
    item: np.ndarray  # [I, D] float32


def training_truth(
    train: Interactions,
    *,
    genres: np.ndarray | None = None,
    boredom: Boredom | None = None,
    by: str = "factors",
    seed: int = 0,
) -> Truth:
    """Simulated users for training.

    Args:
        train: the training log.
        genres: [I] str as in `Dataset.genres`; the first is an item's kind. Without genres, kinds
            are clusters of item vectors.
        boredom: None is none.
        by: "factors", a matrix factorisation of `train`, "neighbours", or "both": their mean.
        seed: random seed of the factorisation and the clusters.

    Raises:
        InputError: the log has more than `MAX_APPEALS` pairs, which neighbours would predict.
    """
    if by != "factors" and not is_small(train):
        raise InputError(
            f"Expected at most {MAX_APPEALS:,} pairs of a user and an item for --simulated-by "
            f"{by}. Received: {train.num_users:,} users and {train.num_items:,} items. Take "
            "factors."
        )
    factors = fitted_factors(train, seed)
    appeal = factors.appeal
    if by != "factors":
        appeal = np.asarray(neighbourhood_appeal(train))
        if by == "both":
            appeal = (appeal + np.asarray(factors.appeal)) / 2
    return made_up(appeal, kinds(factors.item, genres, seed), boredom)


def fitted_factors(ratings: Interactions, seed: int) -> Factors:
    """Variational factorisation of ratings, or an implicit one if all ratings are equal."""
    is_implicit = np.ptp(ratings.rating) == 0
    if is_implicit:
        table = fit_implicit(ratings, dim=TAKEN_UP_DIM, seed=seed)
    else:
        table = fit_variational(ratings, dim=RATING_DIM, seed=seed)
    if is_small(ratings):
        score = table.mean + table.user @ table.item.T
        made = appeal_of_scores(score, ratings) if is_implicit else appeal_of_ratings(score)
        return Factors(made, table.item)
    scale = rating_scale(ratings.num_users)
    if is_implicit:
        scale = score_scale(lambda users: table.user[users] @ table.item.T, ratings)
    return Factors(AppealOfFactors(table.user, table.item, table.mean, scale), table.item)


def neighbourhood_appeal(ratings: Interactions) -> np.ndarray | PredictedAppeal:
    """[U, I] of `ItemCF`, or of `ItemKNN` if all ratings are equal."""
    is_implicit = np.ptp(ratings.rating) == 0
    model = (ItemKNN() if is_implicit else ItemCF()).fit(ratings)

    def rows(users: np.ndarray) -> np.ndarray:
        return model.score(users, np.zeros((len(users), 1), np.int32))

    if is_small(ratings):
        score = rows(np.arange(ratings.num_users, dtype=np.int32))
        return appeal_of_scores(score, ratings) if is_implicit else appeal_of_ratings(score)
    scale = score_scale(rows, ratings) if is_implicit else rating_scale(ratings.num_users)
    return AppealOfModel(model, scale)


def is_small(ratings: Interactions) -> bool:
    """Whether the appeal of all pairs fits into a table."""
    return ratings.num_users * ratings.num_items <= MAX_APPEALS


def appeal_of_ratings(predicted: np.ndarray) -> np.ndarray:
    """[U, I] predicted ratings -> [U, I] float32 appeal in [−1, 1], column 0 is 0."""
    return _without_padding(np.clip((predicted - LIKED_ABOVE) / 2, -1, 1))


def appeal_of_scores(score: np.ndarray, taken_up: Interactions) -> np.ndarray:
    """[U, I] scores of any scale -> [U, I] float32 appeal in [−1, 1], column 0 is 0.

    −1 is the user's mean score of items without interaction, 1 that of items with. Users to
    whom this does not apply get the means over all.
    """
    scale = score_scale(lambda users: score[users], taken_up)
    return _without_padding(scale.of(score, np.arange(len(score))))


def kinds(vectors: np.ndarray, genres: np.ndarray | None, seed: int) -> np.ndarray:
    """[I] int32 the kind of each item, K for those that have none and for padding.

    Args:
        vectors: [I, D], clustered where there are no genres.
        genres: [I] str, genres joined by ", ": the first one counts; "" has no kind.
        seed: of the clusters.
    """
    if genres is not None and (genres != "").any():
        first = np.array([str(all_).split(", ")[0] for all_ in genres])
        names, kind = np.unique(first, return_inverse=True)
        has_none = int(names[0] == "")  # sorts first
        kind = np.where(first == "", len(names) - has_none, kind - has_none)
    else:
        found = _clusters(vectors[1:], seed)
        kind = np.concatenate([[found.max() + 1], found])
    return kind.astype(np.int32)


def made_up(
    appeal: np.ndarray | PredictedAppeal, kind: np.ndarray, boredom: Boredom | None
) -> Truth:
    """The world of `appeal [U, I]` and `kind [I]`, padding's being K.

    Raises:
        ValueError: the boredom is negative, or lasts for less than an item.
    """
    amount, window = boredom or Boredom()
    if not amount >= 0 or window < 1:
        raise ValueError(
            f"Expected a boredom of at least 0 for at least 1 item. Received: {amount}, {window}."
        )
    num_kinds = int(kind[0])
    taken = np.zeros((num_kinds + 1, num_kinds + 1), np.float32)
    np.fill_diagonal(taken[:num_kinds, :num_kinds], amount)
    return Truth(appeal, kind, taken, window)


def _without_padding(appeal: np.ndarray) -> np.ndarray:
    appeal = appeal.astype(np.float32)
    appeal[:, 0] = 0
    return appeal


def _clusters(vectors: np.ndarray, seed: int) -> np.ndarray:
    """[n, D] -> [n] the cluster of each direction."""
    from scipy.cluster.vq import kmeans2  # takes long to import

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    points = vectors / np.maximum(length, 1e-12)  # else all but the longest are one cluster
    wanted = min(NUM_CLUSTERS, len(points))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # does no harm
        return kmeans2(points, wanted, minit="++", rng=np.random.default_rng(seed))[1]
