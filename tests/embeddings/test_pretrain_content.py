"""What content does to the vectors that an agent learns with."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tests.nn.modalities import modality, random_content

from drrec.embeddings import content as teaching
from drrec.embeddings import pretrain as pretraining
from drrec.embeddings.config import ContentConfig, EmbeddingConfig
from drrec.embeddings.content import encoded
from drrec.embeddings.evidence import explicit_evidence
from drrec.embeddings.pretrain import Content, Vectors, pretrain
from drrec.embeddings.variational import fit_variational
from drrec.errors import InputError

COLD = np.array([3, 12, 33, 44, 60, 75])  # nobody rates them
BARE = np.array([5, 20, 41, 60, 66])  # they have no features


@pytest.fixture(autouse=True)
def _another_pmf(monkeypatch):
    # It takes the same; this one is quick.
    quick = pretraining.FACTORISATIONS["pmf"]._replace(fit=fit_variational)
    monkeypatch.setitem(pretraining.FACTORISATIONS, "pmf", quick)


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch):
    # Of more steps each: what takes time is to judge each round.
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 8)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 50)


@pytest.fixture
def _quickly(monkeypatch):
    monkeypatch.setattr(teaching, "_MOST_ROUNDS", 1)
    monkeypatch.setattr(teaching, "_STEPS_A_ROUND", 1)
    tf.config.run_functions_eagerly(True)  # so few steps are not worth a trace
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def log(tiny_interactions):
    return tiny_interactions.where(~np.isin(tiny_interactions.item, COLD))


@pytest.fixture
def _unbalanced(monkeypatch):
    monkeypatch.setattr(pretraining, "balance", lambda table, _: np.ones(table.dim))


def vectors_config(**settings):
    plain = {"embedding": "variational", "dim_emb": 9, "popularity": 0.3, "held_out": 0.0}
    return EmbeddingConfig(**(plain | settings))


def some_content(log, **settings):
    made = random_content(log.num_items, **settings)
    is_bare = np.isin(np.arange(log.num_items), BARE)
    features = {
        name: modality(m.features, m.present & ~is_bare) for name, m in made.features.items()
    }
    return Content(made.config, features)


def telling_content(log, **settings):
    """Features out of which the log's planted preferences can be read, for all but `BARE`."""
    rng = np.random.default_rng(0)
    number = np.arange(log.num_items) - 1
    says = np.stack([number % 2, number < 10], axis=1) @ rng.normal(size=(2, 12))
    noisy = says + 0.2 * rng.normal(size=says.shape)
    present = ~np.isin(np.arange(log.num_items), BARE)
    config = ContentConfig(**({"modality": "text", "dropout": 0.2, "lr_content": 1e-2} | settings))
    return Content(config, {"text": modality(noisy, present)})


def encodings(vectors, content):
    """[I, E] what the encoder makes of the items that have content."""
    width = vectors.encoder.width
    num_items = len(vectors.table.item)
    return encoded(vectors.encoder, content.modalities, np.zeros((num_items, width), np.float32))


def has_content(content):
    return np.any([m.present for m in content.modalities], axis=0)


@pytest.mark.usefixtures("_quickly", "_unbalanced")
@pytest.mark.parametrize(
    ("identity", "embedding", "popularity"),
    [
        ("prior", "both", 0.3),
        ("prior", "implicit", 0.0),
        ("none", "variational", 0.3),
        ("none", "both", 0.0),
        ("prior", "pmf", 0.3),
    ],
)
def test_content_takes_the_place_of_ids_where_there_is_any(log, identity, embedding, popularity):
    config = vectors_config(embedding=embedding, popularity=popularity)
    content = some_content(log, identity=identity)
    plain = pretrain(log, config, seed=0).final
    vectors = pretrain(log, config, seed=0, content=content).final
    table, factors = vectors.table, 9 - bool(popularity)
    assert plain.encoder is None
    assert table.item.shape == (log.num_items, 9)
    assert table.item.dtype == table.user.dtype == np.float32
    assert np.isfinite(table.item).all()
    np.testing.assert_array_equal(table.user, plain.table.user)
    assert not table.item[0].any()

    has, said = has_content(content), encodings(vectors, content)
    anew = vectors_config(embedding=embedding, popularity=popularity, refit=identity == "prior")
    by_id = pretrain(log, anew, seed=0).final.table
    np.testing.assert_array_equal(table.item[~has], by_id.item[~has])
    cold = np.isin(np.arange(log.num_items), COLD)
    np.testing.assert_array_equal(table.item[cold & has], said[cold & has])
    warm = ~cold & has
    if identity == "none":
        np.testing.assert_array_equal(table.item[warm, :factors], said[warm, :factors])
    else:
        assert (table.item[warm, :factors] != said[warm, :factors]).all()
    # How popular what was rated is, is known, unless ids are to play no part.
    popular = said if identity == "none" else plain.table.item
    np.testing.assert_array_equal(table.item[warm, factors:], popular[warm, factors:])


@pytest.mark.usefixtures("_quickly", "_unbalanced")
@pytest.mark.parametrize(("embedding", "popularity"), [("both", 0.3), ("variational", 0.0)])
def test_halves_stand_side_by_side(log, embedding, popularity):
    factors = 4
    width = 2 * factors + bool(popularity)
    config = vectors_config(embedding=embedding, popularity=popularity, dim_emb=width)
    half = dataclasses.replace(config, dim_emb=factors + bool(popularity))
    content = some_content(log, identity="half")
    plain = pretrain(log, half, seed=0).final.table
    vectors = pretrain(log, config, seed=0, content=content).final
    table = vectors.table
    assert table.item.shape == (log.num_items, width)
    assert table.user.shape == (log.num_users, width)
    np.testing.assert_array_equal(table.item[:, :factors], plain.item[:, :factors])
    has = has_content(content)
    by_content = table.item[:, factors:]
    np.testing.assert_array_equal(by_content[~has], plain.item[~has])
    is_rated = np.isin(np.arange(log.num_items), log.item)
    said = encodings(vectors, content)
    np.testing.assert_array_equal(by_content[has, :factors], said[has, :factors])
    np.testing.assert_array_equal(by_content[has & ~is_rated], said[has & ~is_rated])
    np.testing.assert_array_equal(by_content[is_rated, factors:], plain.item[is_rated, factors:])
    # A rating is predicted by the mean of what the halves predict.
    by_ids = plain.user[:, :factors] @ plain.item[:, :factors].T
    both = (by_ids + plain.user[:, :factors] @ by_content[:, :factors].T) / 2
    np.testing.assert_allclose(table.user @ table.item.T, both, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("identity", ["prior", "half", "none"])
def test_columns_are_balanced_on_one_scale_and_dot_products_stay(log, monkeypatch, identity):
    content = some_content(log, identity=identity)
    config = vectors_config(held_out=0.3, dim_emb=9)
    both = pretrain(log, config, 0, content)
    prefix = both.prefix.table
    rated = np.unique(log.past_and_future(0.3)[0].item)
    item, user = (np.sqrt((x**2).mean(axis=0)) for x in (prefix.item[rated], prefix.user))
    np.testing.assert_allclose(item[:-1] / user[:-1], item[0] / user[0], rtol=1e-3)
    assert np.sum(item[:-1] ** 2) == pytest.approx(1, rel=1e-3)
    assert not user[-1]  # popularity, which no user has, keeps its scale

    monkeypatch.setattr(pretraining, "balance", lambda table, _: np.ones(table.dim))
    scales = []
    for given, plain in zip(both, pretrain(log, config, 0, content), strict=True):
        products = given.table.user @ given.table.item.T
        expected = plain.table.user @ plain.table.item.T
        np.testing.assert_allclose(products, expected, rtol=1e-3, atol=1e-4)
        scales.append(given.table.item[1] / plain.table.item[1])
        said, was = encodings(given, content), encodings(plain, content)
        told = has_content(content)
        np.testing.assert_allclose(
            said[told], was[told] * scales[-1][-said.shape[1] :], rtol=1e-3, atol=1e-6
        )
    np.testing.assert_allclose(scales[0], scales[1], rtol=1e-4)


@pytest.mark.parametrize(("embedding", "width"), [("both", 8), ("variational", 4)])
def test_halves_too_narrow_are_refused(log, embedding, width):
    config = vectors_config(embedding=embedding, dim_emb=width, popularity=0.3)
    said = f"at least 2 coordinates of the ids' half. Received: {width}. Raise it"
    with pytest.raises(InputError, match=said):
        pretrain(log, config, seed=0, content=some_content(log, identity="half"))


def ranked_right(table, log, items):
    """Share of users that like what they should more: even for u00 … u29, odd for the others."""
    scores = (table.user - table.user.mean(axis=0)) @ table.item[items].T
    is_even = (items - 1) % 2 == 0
    first = scores[:, is_even].mean(axis=1) > scores[:, ~is_even].mean(axis=1)
    return (first == (np.arange(log.num_users) < 30)).mean()


@pytest.mark.parametrize(("embedding", "identity"), [("variational", "prior"), ("both", "half")])
def test_items_that_nobody_rated_are_liked_by_whom_they_are_for(log, embedding, identity):
    config = vectors_config(embedding=embedding)
    content = telling_content(log, identity=identity)
    told = np.setdiff1d(COLD, BARE)
    vectors = pretrain(log, config, seed=0, content=content).final
    assert ranked_right(vectors.table, log, told) > 0.95
    assert ranked_right(pretrain(log, config, seed=0).final.table, log, told) < 0.7


@pytest.mark.parametrize("embedding", ["variational", "both"])
def test_content_that_tells_all_predicts_as_much_as_ids_do(log, embedding):
    """In the units of the ratings, with axes among them that nothing uses (D is 9, not 2)."""
    config = vectors_config(embedding=embedding)
    content = telling_content(log, identity="none", dropout=0.0)
    warm = np.setdiff1d(np.arange(1, log.num_items), np.union1d(COLD, BARE))
    tables = [pretrain(log, config, 0, given).final.table for given in (None, content)]
    by_ids, by_content = (t.user @ t.item[warm].T for t in tables)
    by_ids, by_content = (x - x.mean(axis=0) for x in (by_ids, by_content))
    slope = (by_ids * by_content).sum() / (by_ids**2).sum()
    assert 0.9 < slope < 1.1
    assert np.corrcoef(by_ids.ravel(), by_content.ravel())[0, 1] > 0.95


def test_how_popular_an_item_will_be_is_read_off_its_content(log):
    """Items 1 … 10 are rated the most, and 3 is one of them."""
    content = telling_content(log, dropout=0.0)
    table = pretrain(log, vectors_config(), seed=0, content=content).final.table
    popular, others = table.item[3, -1], table.item[np.setdiff1d(COLD, [*BARE, 3]), -1]
    assert popular > others.max() + 0.03


@pytest.mark.usefixtures("_quickly")
def test_the_encoder_learns_what_is_expected_of_any_item_too(log, monkeypatch):
    given = []

    def recorded(modalities, evidence, *rest):
        given.append(evidence)
        return teaching.fit_encoder(modalities, evidence, *rest)

    monkeypatch.setattr(pretraining, "fit_encoder", recorded)
    config = vectors_config(popularity=0.0)
    pretrain(log, config, seed=0, content=some_content(log))
    plain = pretrain(log, config, seed=0).final.table
    expected = explicit_evidence(log, plain.user, plain.mean).expecting(plain.item)
    np.testing.assert_allclose(given[0].information, expected.information, rtol=1e-6)
    np.testing.assert_allclose(given[0].target, expected.target, rtol=1e-6, atol=1e-9)


def test_ratings_move_an_item_from_where_content_puts_it(log):
    """Features of the wrong kind: a prior gives way to ratings."""
    content = telling_content(log)
    text = content.features["text"]
    liars = np.array([15, 16, 50, 51])
    other = np.array([16, 17, 51, 52])  # of the other kind, each
    features = text.features.copy()
    features[liars] = text.features[other]
    content = Content(content.config, {"text": text._replace(features=features)})
    config = vectors_config()
    prior = pretrain(log, config, seed=0, content=content).final.table
    none = dataclasses.replace(content.config, identity="none")
    said = pretrain(log, config, seed=0, content=content._replace(config=none)).final.table
    assert ranked_right(prior, log, liars) > 0.9
    assert ranked_right(said, log, liars) < 0.1


def test_rehearsal_and_deployed_have_the_same_axes(log):
    content = telling_content(log)
    config = vectors_config(held_out=0.3, popularity=0.0, dim_emb=4)
    prefix, final = pretrain(log, config, seed=0, content=content)
    one, other = prefix.table.item[1:], final.table.item[1:]
    assert np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other) > 0.9
    one, other = (encodings(each, content) for each in (prefix, final))
    assert np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other) > 0.9
    assert prefix.encoder is not final.encoder


@pytest.mark.usefixtures("_quickly")
def test_the_rehearsals_encoder_never_saw_what_sessions_hand_out(log):
    content, config = some_content(log), vectors_config(held_out=0.3)
    is_future = log.position_from_end() < np.floor(0.3 * log.counts()[log.user])
    rating = np.where(is_future, 6 - log.rating, log.rating).astype(np.float32)
    changed = dataclasses.replace(log, rating=rating)
    one, two = (pretrain(each, config, 0, content) for each in (log, changed))
    np.testing.assert_array_equal(one.prefix.table.item, two.prefix.table.item)
    weights = [each.prefix.encoder.get_weights() for each in (one, two)]
    for weight, same in zip(*weights, strict=True):
        np.testing.assert_array_equal(weight, same)
    assert (one.final.table.item != two.final.table.item).any()


def test_without_content_vectors_are_the_factorisations(log):
    config = vectors_config(dim_emb=5)
    fitted = fit_variational(log, dim=4, seed=0).scaled().with_popularity(log, 0.3)
    vectors = pretrain(log, config, seed=0).final
    assert vectors.encoder is None
    for field in ("item", "user", "mean"):
        np.testing.assert_array_equal(getattr(vectors.table, field), getattr(fitted, field))


@pytest.mark.usefixtures("_quickly")
def test_vectors_are_saved_with_their_encoder(log, tmp_path):
    content = some_content(log, fusion="late", dropout=0.2)
    vectors = pretrain(log, vectors_config(), seed=0, content=content).final
    vectors.save(tmp_path, "final")
    loaded = Vectors.load(tmp_path, "final", content)
    np.testing.assert_array_equal(loaded.table.item, vectors.table.item)
    np.testing.assert_array_equal(encodings(loaded, content), encodings(vectors, content))
    assert Vectors.load(tmp_path, "final", None).encoder is None
    (tmp_path / "final-encoder.npz").unlink()
    with pytest.raises(InputError, match="Expected an item encoder in"):
        Vectors.load(tmp_path, "final", content)


def test_contents_fingerprint_knows_settings_and_features_but_not_what_an_agent_does():
    content = random_content(20)
    video, audio = content.modalities

    def changed(**settings):
        return content._replace(config=dataclasses.replace(content.config, **settings))

    def featured(video, audio):
        return content._replace(features={"video": video, "audio": audio})

    features, present = video.features.copy(), video.present.copy()
    features[7, 0] += 1
    present[7] ^= True
    same = [content, changed(encoder="finetuned"), featured(video, audio)]
    others = [
        changed(fusion="late"),
        changed(identity="none"),
        changed(dropout=0.4),
        featured(video._replace(features=features), audio),
        featured(video._replace(present=present), audio),
    ]
    assert len({each.fingerprint for each in same}) == 1
    assert len({each.fingerprint for each in [*same, *others]}) == 1 + len(others)
    assert content.encoders == {"video": "made up", "audio": "made up"}
