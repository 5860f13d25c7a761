"""Whom an agent plays with: the log, or the truth behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drrec.agents.proposing import prefix_proposals
from drrec.envs.living import LivingEnvironment
from drrec.envs.logged import LoggedEnvironment
from drrec.envs.proposals import with_logged
from drrec.envs.rewards import Rewards
from drrec.envs.sessions import Sessions, opening_and_rest
from drrec.envs.simulator import Boredom, training_truth
from drrec.errors import InputError
from drrec.nn.actor_critic import reads_rewards

if TYPE_CHECKING:
    import numpy as np

    from drrec.data.interactions import Interactions
    from drrec.embeddings.table import Embeddings
    from drrec.envs.base import SessionEnvironment
    from drrec.worlds.world import Truth


def truth_for(
    config: Any, train: Interactions, genres: np.ndarray | None, truth: Truth | None
) -> Truth | None:
    """The user model of the sessions; `truth` is that of the data set, if it has one."""
    if config.environment.sessions == "living" and truth is None:
        raise InputError(
            "Expected a data set with a hidden world, such as demo, for living sessions. "
            "Received: one without. Leave sessions at logged, or take simulated."
        )
    if config.environment.sessions != "simulated":
        return truth
    amount = config.environment.boredom
    boredom = Boredom(amount) if amount else None
    return training_truth(
        train,
        genres=genres,
        boredom=boredom,
        by=config.environment.simulated_by,
        seed=config.seed,
    )


def build_environment(
    config: Any, train: Interactions, vectors: Embeddings, truth: Truth | None = None
) -> SessionEnvironment:
    """Sessions over the log, or with the users of `truth`.

    Args:
        config: an agent's `Settings`, or what has all of them.
        train: the ratings to learn from.
        vectors: fitted on each user's past.
        truth: the user model; None for logged sessions.
    """
    settings = config.environment
    with_rewards = reads_rewards(config.agent)
    rewards = Rewards.over(settings.rewards, train, vectors.item)
    held_out = config.vectors.held_out or 0.0
    if settings.sessions != "logged" and truth is not None:
        offered = prefix_proposals(config, train)
        return LivingEnvironment(
            settings, train, truth, rewards, offered, held_out, with_rewards=with_rewards
        )
    if held_out:
        known, shown = train.past_and_future(held_out)
    else:
        known, shown = opening_and_rest(train, settings.state_size)
    sessions = Sessions.over(known, shown, settings.state_size, with_rewards=with_rewards)
    predicted = None
    if settings.unlogged == "model":
        predicted = (vectors.user, vectors.item, vectors.mean)
    offered = prefix_proposals(config, known)
    if offered is not None:
        offered = with_logged(offered, sessions, train)
    return LoggedEnvironment(settings, train, sessions, predicted, rewards, offered)
