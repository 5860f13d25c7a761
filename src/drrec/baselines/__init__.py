"""Recommenders to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.baselines.bpr import BPR
from drrec.baselines.chance import Random
from drrec.baselines.collaborative import ItemCF, UserCF
from drrec.baselines.content import ContentKNN
from drrec.baselines.ease import EASE
from drrec.baselines.factorisation import PMF, VariationalMF
from drrec.baselines.knn import ItemKNN, UserKNN
from drrec.baselines.personal import PersonalPopularity
from drrec.baselines.popularity import Popularity, RecentPopularity
from drrec.baselines.sequential.recommenders import GRU4Rec, SASRec

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.types import Recommender

BASELINES: dict[str, Callable[..., Recommender]] = {
    "random": Random,
    "popularity": Popularity,
    "recent": RecentPopularity,
    "personal": PersonalPopularity,
    "item_cf": ItemCF,
    "item_knn": ItemKNN,
    "user_cf": UserCF,
    "user_knn": UserKNN,
    "ease": EASE,
    "bpr": BPR,
    "pmf": PMF,
    "variational": VariationalMF,
    "gru4rec": GRU4Rec,
    "sasrec": SASRec,
}
"""Constructors by the names that tables use; each can be called without arguments."""

CONTENT_BASELINES: dict[str, Callable[..., Recommender]] = {"content_knn": ContentKNN}
"""Likewise, each called with the features of `features.store.load_features`."""
