"""Agents by the names that tables use."""

from drrec.agents.ddpg import DDPG

AGENTS = {"ddpg": DDPG}
