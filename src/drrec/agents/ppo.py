"""PPO over sessions, the policy a softmax over the available items (Schulman et al. 2017)."""

from __future__ import annotations

import tensorflow as tf

from drrec.agents.config import PPOConfig
from drrec.agents.on_policy import OnPolicy
from drrec.agents.rollouts import PolicyMetrics, Steps, TrainingBatch
from drrec.agents.streams import Stream
from drrec.nn.losses import clipped_policy_loss


class PPO(OnPolicy):
    """Proximal policy optimisation (Schulman et al. 2017): a clipped objective, several epochs.

    Examples:
        >>> import drrec
        >>> agent = drrec.PPO(epochs=2, horizon=8)
        >>> agent.config.epochs, agent.config.clip
        (2, 0.2)
    """

    Config = PPOConfig
    config: PPOConfig
    streams = OnPolicy.streams | {Stream.ROWS}

    @property
    def trace_decay(self) -> float:
        """λ of generalised advantage estimation."""
        return self.config.gae_lambda

    @property
    def value_clip(self) -> float:
        """Clipping range of the value update; 0 is no clipping."""
        return self.config.value_clip

    def _study(self, steps: Steps, batch: TrainingBatch) -> PolicyMetrics:
        settings = self.config
        size = steps.item.shape[0] // settings.minibatches
        updates = settings.epochs * settings.minibatches
        sums = PolicyMetrics(*(tf.constant(0.0) for _ in PolicyMetrics._fields))
        update = tf.constant(0)
        while update < updates:
            rows = self._rows(update, steps.item.shape[0], size)
            part = Steps(*(tf.gather(column, rows) for column in steps))
            targets = TrainingBatch(*(tf.gather(column, rows) for column in batch))
            learned = self._update(part, targets)
            sums = PolicyMetrics(*(a + b / updates for a, b in zip(sums, learned, strict=True)))
            update += 1
        return sums

    def _rows(self, update: tf.Tensor, total: int, size: int) -> tf.Tensor:
        """[size] the rows of a minibatch; each epoch is one pass over all rows, shuffled."""
        settings = self.config
        seed = self._stream(Stream.ROWS, update // settings.minibatches)
        order = tf.argsort(tf.random.stateless_uniform([total], seed))
        start = update % settings.minibatches * size
        return tf.gather(order, start + tf.range(size))

    def _policy_loss(self, log_prob: tf.Tensor, batch: TrainingBatch) -> tf.Tensor:
        mean, variance = tf.nn.moments(batch.advantage, axes=[0])
        advantage = (batch.advantage - mean) / (tf.sqrt(variance) + 1e-8)
        return clipped_policy_loss(log_prob, batch.log_prob, advantage, self.config.clip)
