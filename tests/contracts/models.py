"""Every agent and every baseline, small, and fitted once in a moment."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tests.brief import brief_pmf
from tests.nn.modalities import random_modalities

import drrec
from drrec.base import Recommender
from drrec.data.interactions import Interactions
from drrec.embeddings import contrast
from drrec.registry import AGENTS, BASELINES, CONTENT_BASELINES

SMALL_AGENT = {
    "dim_actor": 8,
    "dim_critic": 8,
    "num_envs": 4,
    "dim_emb": 7,
    "embedding": "variational",
    "state_size": 4,
    "episode_length": 5,
}
OF_THEIR_KIND = {
    "ddpg": {"batch_size": 16, "memory_size": 64},
    "td3": {"batch_size": 16, "memory_size": 64},
    "sac": {"batch_size": 16, "memory_size": 64},
    "ppo": {"horizon": 4, "epochs": 1, "minibatches": 2},
    "a2c": {"horizon": 4},
    "supervised": {"horizon": 4, "epochs": 1, "sequence_width": 8, "window": 8, "windows": 8},
}
SMALL_BASELINE = {
    "sasrec": {"width": 8, "length": 6, "most_epochs": 1, "batch_size": 1024},
    "gru4rec": {"width": 8, "length": 4, "most_epochs": 1, "batch_size": 1024},
    "bpr": {"dim": 4, "num_epochs": 2},
    "pmf": {"dim": 4},
    "ease": {"l2": 5.0},
}
VARIANTS = {"ddpg_feedback": ("ddpg", {"state": "feedback", "dim_learned": 3})}
"""Agents with settings by which they read something else."""
EVERY = [*AGENTS, *VARIANTS, *BASELINES, *CONTENT_BASELINES]


def new(name: str, **settings: Any) -> Recommender:
    """One that is not fitted."""
    if name in VARIANTS:
        name, own = VARIANTS[name]
        settings = own | settings
    if name in AGENTS:
        return AGENTS[name](**(SMALL_AGENT | OF_THEIR_KIND[name] | settings))
    kind = BASELINES if name in BASELINES else CONTENT_BASELINES
    return kind[name](**(SMALL_BASELINE.get(name, {}) | settings))


def dataset_over(log: Interactions) -> drrec.Dataset:
    """A log with titles and features."""
    titles = np.array([f"title of {raw}" for raw in log.items.raw])
    video, text = random_modalities(log.num_items, (3, 4))
    return drrec.Dataset("tiny", log, titles, features={"video": video, "text": text})


def fitting(data: drrec.Dataset) -> Callable[..., Recommender]:
    """Fits each of them once, in Python: so few updates are not worth a trace."""

    def fit(name: str, **settings: Any) -> Recommender:
        is_agent = name in AGENTS or name in VARIANTS
        model = new(name, **settings)
        tf.config.run_functions_eagerly(name != "pmf")  # Keras does so by itself
        try:
            with pytest.MonkeyPatch.context() as patch:
                brief_pmf(patch)
                patch.setattr(contrast, "_STEPS", 20)
                return model.fit(data, steps=8) if is_agent else model.fit(data)
        finally:
            tf.config.run_functions_eagerly(False)

    return functools.cache(fit)
