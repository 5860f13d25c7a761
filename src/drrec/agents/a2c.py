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
    """Advantage actor-critic: one update per rollout, with n-step returns (Mnih et al. 2016).

    Examples:
        >>> import drrec
        >>> agent = drrec.A2C(horizon=5, entropy=0.02)
        >>> agent.config.horizon, agent.config.entropy
        (5, 0.02)
    """

    Config = A2CConfig
    config: A2CConfig
    trace_decay = 1.0
    """λ of generalised advantage estimation; 1 gives n-step returns minus the value."""
    value_clip = 0.0
    """No clipping of the value update."""

    def _study(self, steps: Steps, batch: TrainingBatch) -> PolicyMetrics:
        return self._update(steps, batch)

    def _policy_loss(self, log_prob: tf.Tensor, batch: TrainingBatch) -> tf.Tensor:
        return policy_gradient_loss(log_prob, batch.advantage)
