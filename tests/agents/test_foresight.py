"""Whether looking ahead pays where it should: the whole agent, in living sessions."""

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import as_graph

from drrec.agents.config import DDPGConfig
from drrec.agents.ddpg import DDPG
from drrec.data.interactions import Interactions
from drrec.embeddings.config import EmbeddingConfig
from drrec.embeddings.pretrain import pretrain
from drrec.envs.config import LoggedConfig
from drrec.envs.living import LivingEnvironment
from drrec.evaluation.protocols.session import session
from drrec.evaluation.statistics import paired_p_value
from drrec.worlds.demo_log import watched
from drrec.worlds.world import IS_LOUD, World

STEPS = 12_000


@pytest.fixture(scope="module")
def played():
    """The total session rewards [U] that agents of two discounts earn, and their loud share."""
    rng = np.random.default_rng(0)
    log, world = watched(World.drawn(rng, 200, 400), rng)
    raw = (world.users[log.user], world.items[log.item])
    train = Interactions.from_raw(*raw, log.rating, log.timestamp)
    truth = world.truth(train.users, train.items)
    vectors = pretrain(train, EmbeddingConfig(embedding="variational"), 0)
    learned, used = vectors.prefix.table, vectors.final.table
    config = LoggedConfig(state_size=10, episode_length=20)
    is_loud = np.append(IS_LOUD, False)[truth.kind]  # [I]

    def play(discount):
        agent = DDPG.over(
            DDPGConfig(
                discount=discount,
                dim_actor=64,
                dim_critic=64,
                batch_size=128,
                num_envs=64,
                critic_l2=1e-4,
                epsilon_steps=8_000,
                std=0.5,
                lr_actor=3e-3,
                lr_critic=3e-3,
                tau=0.03,
            ),
            LivingEnvironment(config, train, truth),
            learned.user,
            learned.item,
            0,
        )
        as_graph(agent).run(tf.constant(STEPS // agent.config.num_envs))
        policy = agent.policy(used.user, used.item)
        best = np.ones(train.num_users)  # only rewards are compared
        reward = session(policy, train, truth, best=best).metrics["reward"]
        users = np.arange(train.num_users)
        first = policy.score(users, train.liked_histories(10))[:, 1:].argmax(axis=1) + 1
        return reward, is_loud[first].mean()

    return {discount: play(discount) for discount in (0.0, 0.9)}


def test_who_looks_ahead_earns_more_in_a_session_than_who_does_not(played):
    near, far = played[0.0][0], played[0.9][0]
    assert far.mean() > near.mean() + 0.5
    assert paired_p_value(far[:, None], near[:, None])[0] < 0.01


def test_who_looks_ahead_opens_more_quietly(played):
    assert played[0.9][1] < played[0.0][1] - 0.1
