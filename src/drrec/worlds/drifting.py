"""A made-up world whose best sessions are known: tastes turn as time goes, whatever is shown.

User and item are vectors of length 1, and an item pays their dot product. Each step every user's
vector turns by angles of its own. Nothing that is shown changes that, so the best session without
repeats is an assignment of items to steps, which is solved exactly.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from drrec.data.interactions import LIKED_ABOVE, IdMap, Interactions
from drrec.types import PADDING

NOISE = 0.3
"""Standard deviation of what a rating tells beside the truth, in rewards."""


class DriftingWorld(NamedTuple):
    """Where users and items stand, by the dense ids of its log."""

    user: np.ndarray  # [U, T, D] float32 of length 1, at each step of a session
    item: np.ndarray  # [I, D] float32 of length 1, row 0 is padding and 0

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        *,
        num_users: int,
        num_items: int,
        dim: int = 8,
        steps: int = 20,
        turn: float = 0.15,
    ) -> Self:
        """A world of its own for each state of `rng`.

        Args:
            rng: where the draws come from.
            num_users: U.
            num_items: I − 1, for padding is none.
            dim: D, even: a vector turns in D / 2 planes.
            steps: T.
            turn: the largest angle of a plane in a step, in radians; 0 stands still.

        Raises:
            ValueError: `dim` is odd, or there are fewer items than steps.
        """
        if dim < 2 or dim % 2 or num_items < steps:
            raise ValueError(
                "Expected an even `dim` and as many items as steps. "
                f"Received: dim={dim}, {num_items} items and {steps} steps."
            )
        planes = dim // 2
        start = _unit(rng.normal(size=(num_users, planes, 2)).view(np.complex128)[..., 0])
        angle = rng.uniform(-turn, turn, (num_users, planes))
        turned = start[:, None] * np.exp(1j * angle[:, None] * np.arange(steps)[:, None])
        item = np.zeros((num_items + 1, dim), np.float32)
        item[1:] = _unit(rng.normal(size=(num_items, dim)))
        return cls(np.concatenate([turned.real, turned.imag], axis=2).astype(np.float32), item)

    @property
    def steps(self) -> int:
        """T."""
        return self.user.shape[1]

    def rewards(self, users: np.ndarray) -> np.ndarray:
        """[B, T, I] float32 what each item would pay users [B] at each step."""
        return self.user[users] @ self.item.T

    def pays(self, users: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """[B, I] float32 what each item pays users [B] after `shown [B, t]`."""
        return self.user[users, shown.shape[1]] @ self.item.T

    def log(self, rng: np.random.Generator, num_ratings: int) -> Interactions:
        """What was rated before the first step: each user `num_ratings` items, drawn evenly.

        A rating is 3 + 2 (reward + noise), rounded, in 1 … 5.
        """
        num_users, num_items = len(self.user), len(self.item)
        others = np.tile(np.arange(1, num_items, dtype=np.int32), (num_users, 1))
        item = rng.permuted(others, axis=1)[:, :num_ratings].ravel()
        user = np.repeat(np.arange(num_users, dtype=np.int32), num_ratings)
        reward = np.einsum("rd,rd->r", self.user[user, 0], self.item[item])
        noisy = LIKED_ABOVE + 2 * (reward + rng.normal(0, NOISE, len(user)))
        return Interactions(
            user=user,
            item=item,
            rating=np.clip(np.rint(noisy), 1, 5).astype(np.float32),
            timestamp=np.arange(len(user), dtype=np.int64),
            users=IdMap(np.array([f"u{n}" for n in range(num_users)]), "user"),
            items=IdMap(np.array(["", *(f"i{n}" for n in range(1, num_items))]), "item"),
        )


def best_sessions(world: DriftingWorld, users: np.ndarray) -> np.ndarray:
    """[B, T] int32 the items, none twice, that pay users [B] the most in all, exactly."""
    from scipy.optimize import linear_sum_assignment  # takes long to import

    best = np.zeros((len(users), world.steps), np.int32)
    for row, user in enumerate(users):
        rewards = world.rewards(np.array([user]))[0, :, PADDING + 1 :]  # [T, I − 1]
        # The steps come back in order, for there are no fewer items than steps.
        best[row] = linear_sum_assignment(rewards, maximize=True)[1] + PADDING + 1
    return best


def earned(world: DriftingWorld, users: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """[B] float64 the total reward of showing users [B] the items `shown [B, T]` in this order."""
    item = world.item[shown].astype(np.float64)  # [B, T, D]
    return np.einsum("btd,btd->b", world.user[users], item)


def regret(world: DriftingWorld, users: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """[B] float64, at least 0: what the best session earns more than `shown [B, T]`."""
    return earned(world, users, best_sessions(world, users)) - earned(world, users, shown)


def chance_rewards(world: DriftingWorld, users: np.ndarray) -> np.ndarray:
    """[B] float64 what a session of items drawn evenly, none twice, is expected to earn."""
    mean = world.item[PADDING + 1 :].mean(axis=0, dtype=np.float64)
    return (world.user[users] @ mean).sum(axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
