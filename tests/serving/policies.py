"""Saved agents that were never trained: their weights are drawn at random."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from drrec.agents.policy import Policy
from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.embeddings.table import Levels
from drrec.known import Known
from drrec.registry import AGENTS
from drrec.scoring import openings


def small_agent_file(
    log: Interactions, folder: pathlib.Path, *, algorithm: str = "ddpg", **settings: Any
) -> pathlib.Path:
    """A saved agent of this log, in `folder`."""
    agent = AGENTS[algorithm](**({"state_size": 5, "dim_actor": 16, "dim_emb": 9} | settings))
    generator = np.random.default_rng(1)
    user, item = (
        generator.normal(0, 0.5, (size, 9)).astype(np.float32)
        for size in (log.num_users, log.num_items)
    )
    item[0] = 0
    shapes = Policy.build(agent.config, user, item, agent.history_length).weights()
    drawn = {
        name: generator.normal(0, 0.4, value.shape).astype(np.float32)
        for name, value in shapes.items()
    }
    titles = np.array([f"Film {raw}" if raw else "" for raw in log.items.raw.tolist()])
    dataset = Dataset("films", log, titles)
    agent.restore(
        {
            "user_vectors": user,
            "item_vectors": item,
            "weights": drawn,
            "levels": Levels.of(user, item, log),
            "proposals": None,
            "proposer": None,
            "known": Known.of(log, dataset.titles, openings(agent, log, agent.history_length)),
        }
    )
    agent.save(folder / "agent-file.drrec")
    return folder / "agent-file.drrec"
