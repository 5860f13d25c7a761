"""A2C over sessions: one update from n-step returns (Mnih et al. 2016, without the asynchrony)."""

from __future__ import annotations

import tensorflow as tf

from drrec.agents.losses import clipped_value_loss, entropy_of, policy_gradient_loss
from drrec.agents.on_policy import Lesson, OnPolicy, PolicyMetrics, Steps, log_prob_of


class A2C(OnPolicy):
    """One step down the gradient for each rollout; its length is n."""

    @property
    def trace_decay(self) -> float:
        """λ of generalised advantages: with 1 they are n-step returns less the value."""
        return 1.0

    def _study(self, steps: Steps, lesson: Lesson) -> PolicyMetrics:
        settings = self.config.on_policy
        with tf.GradientTape(persistent=True) as tape:
            value, logits = self._judge(steps.user, steps.history, steps.shown)
            log_prob = log_prob_of(logits, steps.item)
            actor = policy_gradient_loss(log_prob, lesson.advantage)
            critic = clipped_value_loss(value, lesson.value, lesson.target, clip=0.0)
            entropy = tf.reduce_mean(entropy_of(logits))
            loss = actor + settings.value_weight * critic - settings.entropy * entropy
        self._apply(tape, loss)
        return PolicyMetrics(
            reward=tf.constant(0.0),
            value=tf.reduce_mean(value),
            critic_loss=critic,
            actor_loss=actor,
            entropy=entropy,
            sharpness=self.networks.sharpness.factor(),
        )
