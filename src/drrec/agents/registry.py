"""Agents by the names that tables use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.agents.a2c import A2C
from drrec.agents.ddpg import DDPG
from drrec.agents.ppo import PPO
from drrec.agents.supervised import Supervised
from drrec.agents.td3 import TD3

if TYPE_CHECKING:
    from drrec.agents.base import Agent

AGENTS: dict[str, type[Agent]] = {
    "ddpg": DDPG,
    "td3": TD3,
    "ppo": PPO,
    "a2c": A2C,
    "supervised": Supervised,
}
