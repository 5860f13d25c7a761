"""A planted rule must be learned, by each loss and each encoder, and training repeats itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tests.baselines.sequential.test_sequences import log_of

from drrec.baselines.sequential import training
from drrec.baselines.sequential.config import SequenceConfig
from drrec.baselines.sequential.training import Trainer, trained

pytestmark = pytest.mark.usefixtures("adam_of_one_kernel")

SMALL = SequenceConfig(
    width=16,
    length=8,
    num_layers=1,
    dropout=0.0,
    learning_rate=0.02,
    batch_size=32,
    most_epochs=30,
    num_negatives=24,
)


FEW = 8
"""Users whose rows are one batch."""


@pytest.fixture
def _in_python():
    """A few updates are not worth a trace."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def successions(num_users=80):
    """Items 1 … 30 on a ring, from anywhere on: item k is always followed by k + 1."""
    draws = np.random.default_rng(0)
    starts, sizes = draws.integers(30, size=num_users), draws.integers(6, 20, size=num_users)
    return log_of(
        [
            ((start + np.arange(size)) % 30 + 1).tolist()
            for start, size in zip(starts, sizes, strict=True)
        ]
    )


def share_of_rule(trainer):
    """How often k + 1 ranks first after two items k − 1, k that are never shown alone."""
    k = np.arange(1, 31)
    sequences = np.zeros((30, 8), np.int32)
    sequences[:, -2], sequences[:, -1] = (k - 2) % 30 + 1, k
    score = trainer.encode(sequences) @ np.array(trainer.model.table).T
    score[:, 0] = -np.inf
    return (score.argmax(axis=1) == k % 30 + 1).mean()


@pytest.mark.usefixtures("_in_python")
@pytest.mark.parametrize("average", [1.0, 0.01])
def test_what_is_used_is_the_average_of_what_learns(average):
    log = successions(FEW)
    trainer = Trainer(log, "gru", dataclasses.replace(SMALL, average=average), 0)
    start = np.array(trainer.model.table)
    trainer.epochs(log, 3)
    used, learner = np.array(trainer.model.table), np.array(trainer.learner.table)
    if average == 1:
        np.testing.assert_array_equal(used, learner)
    else:
        assert 0.05 < np.abs(used - learner).mean() / np.abs(used - start).mean() < 1


@pytest.mark.parametrize(
    ("encoder", "loss"),
    [
        ("transformer", "cross_entropy"),
        ("transformer", "sampled_softmax"),
        ("transformer", "gbce"),
        ("gru", "cross_entropy"),
    ],
)
def test_a_planted_succession_is_learned(encoder, loss):
    # Binary cross-entropy learns first that most things are not next, and ranks later.
    epochs = 60 if loss == "gbce" else 30
    log = successions()
    trainer = Trainer(log, encoder, dataclasses.replace(SMALL, loss=loss), seed=0)
    trainer.epochs(log, epochs)
    assert share_of_rule(trainer) >= 0.9


def test_compiled_by_xla_it_learns_the_same(monkeypatch):
    config = dataclasses.replace(SMALL, most_epochs=2)
    plain = trained(successions(), "transformer", config, seed=0)
    monkeypatch.setattr(training, "LEAST_COMPILED", 0)
    compiled = trained(successions(), "transformer", config, seed=0)
    np.testing.assert_allclose(compiled.model.table, plain.model.table, rtol=1e-2, atol=1e-3)


@pytest.mark.usefixtures("_in_python")
def test_seeds_and_the_start():
    config = dataclasses.replace(SMALL, dropout=0.3)
    log = successions(FEW)
    one, same, other = (Trainer(log, "transformer", config, seed) for seed in (0, 0, 1))
    for trainer in (one, same, other):
        trainer.epochs(log, 2)
    np.testing.assert_array_equal(one.model.table, same.model.table)
    assert np.abs(np.array(one.model.table - other.model.table)).max() > 1e-3
    one.epochs(log, 1)
    one.epochs(log, 2)  # anew, dropout included
    np.testing.assert_array_equal(one.model.table, same.model.table)


@pytest.mark.usefixtures("_in_python")
def test_it_stops_when_it_gets_no_better_and_goes_back_to_the_best(monkeypatch):
    told = iter([0.1, 0.3, 0.2, 0.3, 0.1, 0.0])
    monkeypatch.setattr(Trainer, "_ndcg", lambda self, judged: next(told))
    asked = []
    whole = Trainer.epochs

    def noted(self, log, num_epochs, judged=None):
        asked.append((len(log), num_epochs))
        return whole(self, log, num_epochs, judged)

    monkeypatch.setattr(Trainer, "epochs", noted)
    log = successions(FEW)
    config = dataclasses.replace(SMALL, patience=2)
    assert trained(log, "gru", config, seed=0).reached == [0.1, 0.3, 0.2, 0.3]
    assert asked == [(len(log) - FEW, 30), (len(log), 2)]


@pytest.mark.usefixtures("_in_python")
def test_what_is_judged_is_each_users_last_and_its_rank_among_the_unread():
    log = successions(20)
    trainer = Trainer(log, "transformer", SMALL, seed=0)
    direction = np.eye(16, dtype=np.float32)[0]
    table = np.outer(np.arange(31), direction).astype(np.float32)
    trainer.model.table.assign(table)
    trainer.encode = lambda sequences: np.tile(direction, (len(sequences), 1))
    sequence = np.array([[0, 30, 29, 1], [0, 0, 1, 2], [0, 0, 0, 3]])
    judged = training.Task(sequence, np.array([28, 28, 5]))
    # First behind two that were read; third; 26th.
    assert trainer._ndcg(judged) == pytest.approx((1 + 1 / np.log2(4) + 0) / 3)


def test_negatives_are_drawn_as_often_as_is_expected_of_them():
    log = successions(40)
    log = log.where((log.item > 5) & (log.item != 30))
    config = dataclasses.replace(SMALL, loss="sampled_softmax", num_negatives=3000)
    trainer = Trainer(log, "transformer", config, seed=0)
    drawn = np.bincount(trainer._negatives(log, np.random.default_rng(0)), minlength=31)
    expected = np.exp(trainer._log_expected(np.arange(31)).numpy())
    known = np.arange(6, 30)
    assert not np.delete(drawn, known).any()
    assert expected[known].sum() == pytest.approx(3000, rel=1e-4)
    chi_square = ((drawn - expected)[known] ** 2 / expected[known]).sum()
    assert chi_square < 24 + 4 * np.sqrt(2 * 24)
    assert np.ptp(expected[known]) > 20
    uniform = Trainer(log, "transformer", dataclasses.replace(config, loss="gbce"), seed=0)
    drawn = np.bincount(uniform._negatives(log, np.random.default_rng(0)), minlength=31)[known]
    assert ((drawn - 125) ** 2 / 125).sum() < 24 + 4 * np.sqrt(2 * 24)


@pytest.mark.usefixtures("_in_python")
def test_a_log_of_single_rows_is_learned_from_too():
    log = log_of([[3], [3], [4]])
    trainer = trained(log, "transformer", SMALL, seed=0)
    assert np.isfinite(trainer.encode(np.zeros((1, 8), np.int32))).all()
    assert trainer.reached == []


@pytest.mark.usefixtures("_in_python")
def test_a_trainer_takes_the_loss_of_its_catalogues_size(monkeypatch):
    log = successions(20)
    named = dataclasses.replace(SMALL, loss="sampled_softmax")
    monkeypatch.setattr("drrec.baselines.sequential.config.SAMPLED_FROM", 20)
    chosen, sampled = Trainer(log, "gru", SMALL, 0), Trainer(log, "gru", named, 0)
    for trainer in (chosen, sampled):
        trainer.epochs(log, 1)
    assert chosen.loss == "sampled_softmax"
    for one, other in zip(chosen.model.weights, sampled.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)
