import dataclasses

import numpy as np
import pytest

from drrec.agents.settings import Settings
from drrec.embeddings import pretrain as pretraining
from drrec.embeddings.config import EmbeddingConfig
from drrec.embeddings.evidence import explicit_evidence
from drrec.embeddings.pretrain import pretrain
from drrec.embeddings.variational import fit_variational
from drrec.envs.config import LoggedConfig
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig


def config(**settings):
    plain = {"embedding": "variational", "dim_emb": 5, "popularity": 0.3, "held_out": 0.3}
    return EmbeddingConfig(**(plain | settings))


def test_nothing_held_out_gives_one_table(tiny_interactions):
    both = pretrain(tiny_interactions, config(held_out=0.0), seed=0)
    assert both.prefix is both.final
    assert both.final.table.fingerprint == tiny_interactions.fingerprint


def test_the_rehearsal_never_saw_what_sessions_hand_out(tiny_interactions):
    log = tiny_interactions
    past, _ = log.past_and_future(0.3)
    both = pretrain(log, config(), seed=0)
    assert both.prefix.table.fingerprint == past.fingerprint
    assert both.final.table.fingerprint == log.fingerprint

    # Other ratings of what is handed out, on other items: the prefix does not move.
    is_future = log.position_from_end() < np.floor(0.3 * log.counts()[log.user])
    rating, item = log.rating.copy(), log.item.copy()
    rating[is_future] = 6 - rating[is_future]
    item[is_future] = item[is_future][::-1]
    other = pretrain(dataclasses.replace(log, rating=rating, item=item), config(), seed=0)
    one, two = both.prefix.table, other.prefix.table
    np.testing.assert_array_equal(two.item, one.item)
    np.testing.assert_array_equal(two.user, one.user)
    assert (other.final.table.item != both.final.table.item).any()


def test_the_deployed_fit_goes_on_from_the_rehearsals(tiny_interactions, monkeypatch):
    starts, fits = [], []

    def recorded(train, *, start, **settings):
        starts.append(start)
        fits.append(fit_variational(train, start=start, **settings))
        return fits[-1]

    quick = pretraining.FACTORISATIONS["variational"]._replace(fit=recorded)
    monkeypatch.setitem(pretraining.FACTORISATIONS, "variational", quick)
    pretrain(tiny_interactions, config(), seed=0)
    assert len(fits) == 2
    assert starts[0] is None
    assert starts[1] is fits[0]


def test_both_tables_have_the_same_axes(tiny_interactions):
    prefix, final = pretrain(tiny_interactions, config(popularity=0.0), seed=0)
    one, other = prefix.table.item[1:], final.table.item[1:]
    cosine = np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine > 0.9
    turned, _ = pretrain(tiny_interactions, config(popularity=0.0), seed=1)
    anew = turned.table.item[1:]
    anew = np.sum(anew * other) / np.linalg.norm(anew) / np.linalg.norm(other)
    assert anew < cosine - 0.1


@pytest.mark.parametrize("popularity", [0.0, 0.3])
def test_items_fitted_anew_are_posteriors_around_their_mean(
    tiny_interactions, popularity, monkeypatch
):
    monkeypatch.setattr(pretraining, "balance", lambda table, _: np.ones(table.dim))
    log = tiny_interactions.where(tiny_interactions.item > 4)  # nobody has rated the first four
    plain, anew = (
        pretrain(log, config(held_out=0.0, popularity=popularity, refit=refit), seed=0).final
        for refit in (False, True)
    )
    factors = 4 if popularity else 5
    before, after = plain.table.item[:, :factors], anew.table.item[:, :factors]
    np.testing.assert_array_equal(anew.table.user, plain.table.user)
    np.testing.assert_array_equal(anew.table.item[:, factors:], plain.table.item[:, factors:])
    assert not anew.table.item[0].any()
    mean = before[5:].mean(axis=0)
    np.testing.assert_allclose(after[1:5], np.tile(mean, (4, 1)), rtol=1e-5)
    # A (x − m) + P (x − m) = b − A m with one P for all rated items: what is left of the ratings,
    # b − A x, is the same linear function of how far each has moved.
    evidence = explicit_evidence(log, plain.table.user[:, :factors], plain.table.mean)
    moved = after[5:] - mean
    left = evidence.target - np.einsum("nij,nj->ni", evidence.information, after)
    precision, *_ = np.linalg.lstsq(moved, left[5:], rcond=None)
    np.testing.assert_allclose(moved @ precision, left[5:], atol=2e-3)
    assert (np.linalg.eigvalsh((precision + precision.T) / 2) > 0).all()
    assert np.linalg.norm(left[5:]) < 0.9 * np.linalg.norm(
        (evidence.target - np.einsum("nij,nj->ni", evidence.information, before))[5:]
    )


def test_vectors_fitted_anew_are_balanced_on_one_scale(tiny_interactions):
    tables = pretrain(tiny_interactions, config(refit=True), seed=0)
    plain = pretrain(tiny_interactions, config(), seed=0)
    scale = [
        one.table.user[:, :4].std(axis=0) / other.table.user[:, :4].std(axis=0)
        for one, other in zip(tables, plain, strict=True)
    ]
    np.testing.assert_allclose(scale[0], scale[1], rtol=1e-4)
    table = tables.prefix.table
    item, user = (np.sqrt(np.mean(x[:, :4] ** 2, axis=0)) for x in (table.item[1:], table.user))
    np.testing.assert_allclose(item / user, np.full(4, item[0] / user[0]), rtol=1e-3)


@pytest.mark.parametrize(
    ("popularity", "held_out", "embedding"),
    [(0.3, 0.3, "variational"), (0.0, 0.3, "both"), (0.3, 0.0, "pmf")],
)
def test_the_width_is_what_was_asked_for(
    tiny_interactions, popularity, held_out, embedding, monkeypatch
):
    # Both take the same; this one is quick.
    quick = pretraining.FACTORISATIONS["pmf"]._replace(fit=fit_variational)
    monkeypatch.setitem(pretraining.FACTORISATIONS, "pmf", quick)
    settings = {"popularity": popularity, "held_out": held_out, "embedding": embedding}
    for table, _ in pretrain(tiny_interactions, config(**settings), seed=0):
        assert table.dim == table.user.shape[1] == 5
        length = np.linalg.norm(table.item[1:, : 4 if popularity else 5], axis=1)
        assert np.sqrt(np.mean(length**2)) == pytest.approx(1, rel=1e-4)
        assert (table.item[1:, -1].std() == pytest.approx(0.3, rel=1e-3)) == bool(popularity)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dim_emb": 1, "popularity": 0.0}, "`dim_emb` must leave"),
        ({"dim_emb": 2, "popularity": 0.1}, "beside the one for popularity"),
        ({"dim_emb": 3, "popularity": 0.0, "embedding": "both"}, "each factorisation"),
        ({"held_out": 1.0}, r"`held_out` must be in \[0, 1\)"),
        ({"held_out": -0.1}, r"`held_out` must be in \[0, 1\)"),
        ({"popularity": -1.0}, "`popularity` must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        config(**settings)


@pytest.mark.parametrize("of", [Settings, TrainConfig])
def test_only_sessions_of_the_log_keep_ratings_back(of):
    simulated, logged = LoggedConfig(sessions="simulated"), LoggedConfig()
    assert of(environment=logged).vectors.held_out == 0.2
    assert of(environment=simulated).vectors.held_out == 0.0
    chosen = EmbeddingConfig(held_out=0.3)
    assert of(environment=simulated, vectors=chosen).vectors.held_out == 0.3
