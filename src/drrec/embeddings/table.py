"""What pre-training leaves: a vector for each user and each item."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.errors import InputError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from drrec.data.interactions import Interactions


_SAMPLED_USERS = 500

_DECLARED = {
    "item": "float32 [I, D]",
    "user": "float32 [U, D]",
    "mean": "float []",
    "fingerprint": "str []",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """rating(u, i) ≈ mean + user[u]·item[i], up to a constant for each user."""

    item: np.ndarray  # [I, D] float32, row 0 is padding and zero
    user: np.ndarray  # [U, D] float32
    mean: float
    fingerprint: str  # of the interactions it was fitted on

    @property
    def dim(self) -> int:
        """D."""
        return self.item.shape[1]

    @functools.cached_property
    def prior(self) -> Prior:
        """Of somebody new."""
        return Prior.of(self.user)

    def scaled(self) -> Embeddings:
        """The same dot products, with items of root mean square length 1.

        Raises:
            InputError: all items have the vector 0, as a penalty leaves them that is too large.
        """
        length = np.sqrt(np.mean(np.sum(self.item[1:] ** 2, axis=1)))
        if not length > 1e-12:
            raise InputError(
                "Expected vectors that tell items apart. Received: vectors that have shrunk to "
                "nothing, for the log is sparse and the penalty large. Pass a tenth of "
                "--unobserved-weight or of --embedding-l2, or another --embedding."
            )
        return dataclasses.replace(self, item=self.item / length, user=self.user * length)

    def with_longer_users(self, least: float) -> Embeddings:
        """The same rankings, with users of root mean square length `least` or more.

        An actor adds what it learns to the user's vector: to one that a sparse log has made short
        it would add too much in a few steps, whatever its learning rate.
        """
        length = float(np.sqrt(np.mean(np.sum(self.user**2, axis=1))))
        if not 0 < length < least:
            return self
        return dataclasses.replace(self, user=self.user * np.float32(least / length))

    def with_columns_scaled(self, scale: np.ndarray) -> Embeddings:
        """The same dot products, with the items' columns times `scale [D]`, which is positive."""
        scale = scale.astype(np.float32)
        return dataclasses.replace(self, item=self.item * scale, user=self.user / scale)

    def with_popularity(self, train: Interactions, weight: float, prior: float = 0.0) -> Embeddings:
        """One more coordinate: the items' standardised log counts in `train`, times `weight`.

        For users it is 0, so that dot products stay as they are until an agent learns to use it;
        or, with a `prior`, such that popularity varies scores that many times as much as the other
        coordinates do.
        """
        log_count = np.log1p(np.bincount(train.item, minlength=train.num_items)[1:])
        deviation = max(float(log_count.std()), 1e-6)
        coordinate = np.zeros((train.num_items, 1), np.float32)
        coordinate[1:, 0] = weight * (log_count - log_count.mean()) / deviation
        loud = prior * self.spread(train) / weight if prior else 0.0
        users = np.full((train.num_users, 1), loud, np.float32)
        return dataclasses.replace(
            self,
            item=np.concatenate([self.item, coordinate], axis=1),
            user=np.concatenate([self.user, users], axis=1),
        )

    def spread(self, log: Interactions) -> float:
        """How much a user's dot products vary over the items, among some 500 users of `log`."""
        users = np.unique(log.user)
        users = users[:: max(1, len(users) // _SAMPLED_USERS)]
        scores = self.user[users] @ self.item[1:].T
        return float((scores - scores.mean(axis=1, keepdims=True)).std())

    def save(self, path: str | pathlib.Path) -> None:
        """Write one `.npz`, whole or not at all."""
        write_arrays(path, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: str | pathlib.Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: no such file, or a broken one.
        """
        mend = "Remove that file and run again."
        arrays = read_arrays(path, "embeddings", mend, _DECLARED)
        return cls(
            item=arrays["item"],
            user=arrays["user"],
            mean=float(arrays["mean"]),
            fingerprint=str(arrays["fingerprint"]),
        )


def side_by_side(views: Sequence[Embeddings]) -> Embeddings:
    """One table whose dot product is the mean of what `views` predict, of the same ratings."""
    item = np.concatenate([view.item for view in views], axis=1)
    user = np.concatenate([view.user for view in views], axis=1) / len(views)
    return dataclasses.replace(views[0], item=item, user=user.astype(np.float32))


def balance(table: Embeddings, is_rated: np.ndarray) -> np.ndarray:
    """[D] the scale on which users and items vary alike in each column, and items have length 1.

    Those `is_rated [I]` decide: what a cold item looks like moves nothing but its own vector.

    What joins ids and content may put items far out in columns where users hardly vary: dot
    products do not mind, but networks that read the vectors do. A column that is 0 for all users
    stays as it is, and does not count for the length.
    """
    item = np.sqrt(np.mean(table.item[is_rated].astype(np.float64) ** 2, axis=0))
    user = np.sqrt(np.mean(table.user.astype(np.float64) ** 2, axis=0))
    is_used = (item > 0) & (user > 0)
    even = np.sqrt(np.divide(user, item, out=np.ones_like(user), where=is_used))
    length = np.sqrt(np.sum((item * even)[is_used] ** 2))
    return np.where(is_used, even / length, 1.0)


class Levels(NamedTuple):
    """What dot products are like where users liked items, and where they did not."""

    liked: float
    disliked: float
    noise_variance: float

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, log: Interactions) -> Levels:
        """Over the rows of a log, which has one at least."""
        own = np.einsum("rd,rd->r", user[log.user], item[log.item]).astype(np.float64)
        liked, rest = own[log.liked], own[~log.liked]
        return cls(
            liked=float((liked if len(liked) else own).mean()),
            disliked=float((rest if len(rest) else own).mean()),
            noise_variance=max(float(own.var()), 1e-6),
        )


class Prior(NamedTuple):
    """The Gaussian of known users' vectors: what somebody new is before they have rated."""

    mean: np.ndarray  # [D] float64
    covariance: np.ndarray  # [D, D] float64

    @classmethod
    def of(cls, users: np.ndarray) -> Prior:
        """Of `users [U, D]`."""
        covariance = np.cov(users.astype(np.float64), rowvar=False, ddof=0)
        return cls(users.mean(axis=0, dtype=np.float64), np.atleast_2d(covariance))

    def folded_in(self, items: np.ndarray, target: np.ndarray, noise_variance: float) -> np.ndarray:
        """[D] float32 the posterior mean; see `folded_in`."""
        if len(items) == 0:
            return self.mean.astype(np.float32)
        rows = items.astype(np.float64)
        spread = rows @ self.covariance @ rows.T + noise_variance * np.eye(len(rows))
        weight = np.linalg.solve(spread, target - rows @ self.mean)
        return (self.mean + self.covariance @ rows.T @ weight).astype(np.float32)

    def folded_in_without(
        self, items: np.ndarray, target: np.ndarray, noise_variance: float
    ) -> np.ndarray:
        """[n, D] float32 the same without each of the items in turn.

        With S the covariance of the targets and w = S⁻¹ y, leaving out j leaves w − S⁻¹[:, j] w_j /
        S⁻¹[j, j], of which entry j is 0 (Rasmussen and Williams 2006, eq. 5.12).
        """
        rows = items.astype(np.float64)
        spread = rows @ self.covariance @ rows.T + noise_variance * np.eye(len(rows))
        inverse = np.linalg.inv(spread)
        weight = inverse @ (target - rows @ self.mean)
        rest = weight[:, None] - inverse * (weight / np.diag(inverse))  # [n, n], one each column
        return (self.mean + rest.T @ rows @ self.covariance).astype(np.float32)


def folded_in(
    users: np.ndarray, items: np.ndarray, target: np.ndarray, noise_variance: float
) -> np.ndarray:
    """[D] float32 the vector of somebody new: the posterior mean of a Gaussian over `users`.

    Known users make the prior, target ≈ items · u with noise the likelihood.

    Args:
        users: [U, D] of those known.
        items: [n, D] of the items that the new user has rated; none gives the users' mean.
        target: [n] what the dot products should be.
        noise_variance: of a target around its dot product, above 0.
    """
    return Prior.of(users).folded_in(items, target, noise_variance)
