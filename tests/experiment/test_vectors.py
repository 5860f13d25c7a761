"""Pre-training that was killed goes on with the fit that it was at, and ends bit for bit alike."""

import dataclasses
import threading

import numpy as np
import pytest
import tensorflow as tf
from tests.agents.tiny import small_config
from tests.nn.modalities import random_content

from drrec.embeddings import content as teaching
from drrec.embeddings import pmf as factorising
from drrec.embeddings import pretrain as pretraining
from drrec.embeddings.config import EmbeddingConfig
from drrec.embeddings.pretrain import Pretrained, pretrain
from drrec.embeddings.variational import fit_variational
from drrec.evaluation.cost import FIT, Cost, read_cost, write_cost
from drrec.experiment import vectors as kept
from drrec.experiment.vectors import embed, vectors_folder

CONFIG = small_config(
    "log.csv",
    vectors=EmbeddingConfig(embedding="both", dim_emb=10, popularity=0.3, held_out=0.4, refit=True),
)


class Killed(BaseException):
    pass


@pytest.fixture
def _another_pmf(monkeypatch):
    # It takes the same; this one is quick.
    quick = pretraining.FACTORISATIONS["pmf"]._replace(fit=fit_variational)
    monkeypatch.setitem(pretraining.FACTORISATIONS, "pmf", quick)
    tf.config.run_functions_eagerly(True)  # nor are so few steps worth a trace
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def fits(monkeypatch):
    """What is fitted, in order; set `fits.last` to be killed in the one after so many."""

    class Fits(list):
        last = 99

        def begin(self, name):
            if len(self) >= self.last:
                raise Killed
            self.append(name)

    fits = Fits()

    def noted(name, plain):
        def fit(*args, **kwargs):
            fits.begin(name)
            return plain(*args, **kwargs)

        return fit

    for name, one in dict(pretraining.FACTORISATIONS).items():
        monkeypatch.setitem(
            pretraining.FACTORISATIONS, name, one._replace(fit=noted(name, one.fit))
        )
    monkeypatch.setattr(pretraining, "fit_encoder", noted("content", pretraining.fit_encoder))
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 2)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 1)
    return fits


def content_for(log, name):
    return random_content(log.num_items) if name == "content" else None


def assert_equal(one, other, content):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.table.item, b.table.item)
        np.testing.assert_array_equal(a.table.user, b.table.user)
        assert (a.table.mean, a.table.fingerprint) == (b.table.mean, b.table.fingerprint)
        if content:
            for left, right in zip(a.encoder.weights, b.encoder.weights, strict=True):
                np.testing.assert_array_equal(np.array(left), np.array(right))


@pytest.mark.parametrize(
    ("known_by", "pmf"), [("ids", "brief_training"), ("content", "_another_pmf")]
)
def test_killed_in_each_fit_it_goes_on_and_equals_one_run(
    request, tiny_interactions, tmp_path, monkeypatch, known_by, pmf
):
    request.getfixturevalue(pmf)
    monkeypatch.setattr(factorising, "_MOST_EPOCHS", 1)
    fits = request.getfixturevalue("fits")
    content = content_for(tiny_interactions, known_by)
    plain = pretrain(tiny_interactions, CONFIG.vectors, CONFIG.seed, content)
    one_run = list(fits)
    assert one_run == (["variational", "pmf"] + ["content"] * (known_by == "content")) * 2
    fits.clear()
    for number in range(len(one_run)):
        fits.last = number
        with pytest.raises(Killed):
            embed(CONFIG, tiny_interactions, tmp_path, content)
    fits.last = 99
    again = embed(CONFIG, tiny_interactions, tmp_path, content)
    assert list(fits) == one_run  # each was fitted once
    assert_equal(again, plain, content)
    assert_equal(embed(CONFIG, tiny_interactions, tmp_path, content), plain, content)
    folder = vectors_folder(CONFIG, tiny_interactions, tmp_path, content)
    assert not [path.name for path in folder.iterdir() if path.is_dir()]


@pytest.mark.usefixtures("_another_pmf")
def test_what_earlier_runs_fitted_counts_for_the_cost(tiny_interactions, tmp_path, fits):
    fits.last = 1
    with pytest.raises(Killed):
        embed(CONFIG, tiny_interactions, tmp_path)
    folder = vectors_folder(CONFIG, tiny_interactions, tmp_path)
    write_cost(folder / "parts" / "prefix-variational.json", Cost(1000.0, 2.0**60))
    fits.last = 99
    embed(CONFIG, tiny_interactions, tmp_path)
    cost = read_cost(folder / FIT)
    assert 1000 < cost.seconds < 1500
    assert cost.peak_memory == 2.0**60


@pytest.mark.usefixtures("_another_pmf")
def test_killed_between_the_tables_it_fits_nothing_again(
    tiny_interactions, tmp_path, fits, monkeypatch
):
    plain = pretrain(tiny_interactions, CONFIG.vectors, CONFIG.seed)
    save = pretraining.Vectors.save

    def killed(self, folder, name):
        if name == "final":
            raise Killed
        save(self, folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(pretraining.Vectors, "save", killed)
        with pytest.raises(Killed):
            embed(CONFIG, tiny_interactions, tmp_path)
    fits.clear()
    assert_equal(embed(CONFIG, tiny_interactions, tmp_path), plain, None)
    assert not fits


def test_of_two_that_pre_train_alike_the_second_reads(tiny_interactions, tmp_path, monkeypatch):
    config = dataclasses.replace(
        CONFIG, vectors=EmbeddingConfig(embedding="variational", dim_emb=5, held_out=0.0)
    )
    others, plain = [], kept.pretrain

    def slow(*args, **kwargs):
        assert len(others) < 1, "it was fitted twice"
        others.append(threading.Thread(target=embed, args=(config, tiny_interactions, tmp_path)))
        others[0].start()
        others[0].join(0.3)  # without a lock it would begin to fit
        return plain(*args, **kwargs)

    monkeypatch.setattr(kept, "pretrain", slow)
    found = embed(config, tiny_interactions, tmp_path)
    others[0].join()
    assert len(others) == 1
    assert isinstance(found, Pretrained)
