"""A2C over sessions: one update from n-step returns (Mnih et al. 2016, without the asynchrony)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.agents.config import A2CConfig
from drrec.agents.on_policy import OnPolicy
from drrec.agents.rollouts import PolicyMetrics, Steps, TrainingBatch
from drrec.nn.losses import policy_gradient_loss

if TYPE_CHECKING:
    import tensorflow as tf


class A2C(OnPolicy):
    """One step down the gradient for each rollout; its length is n."""

    Config = A2CConfig
    config: A2CConfig
    trace_decay = 1.0
    """λ of generalised advantages: with 1 they are n-step returns less the value."""
    value_clip = 0.0
    """Values go any way."""

    def _study(self, steps: Steps, batch: TrainingBatch) -> PolicyMetrics:
        return self._update(steps, batch)

    def _policy_loss(self, log_prob: tf.Tensor, batch: TrainingBatch) -> tf.Tensor:
        return policy_gradient_loss(log_prob, batch.advantage)
