import dataclasses

import numpy as np
import pytest

from drrec.arrays import write_arrays
from drrec.embeddings.table import Embeddings, side_by_side
from drrec.errors import InputError


@pytest.fixture
def embeddings(tiny_interactions) -> Embeddings:
    generator = np.random.default_rng(0)
    item = generator.normal(0, 3, (tiny_interactions.num_items, 5)).astype(np.float32)
    item[0] = 0
    user = generator.normal(0, 2, (tiny_interactions.num_users, 5)).astype(np.float32)
    return Embeddings(item, user, 3.25, tiny_interactions.fingerprint)


def test_what_is_saved_loads_alike(embeddings, tmp_path):
    embeddings.save(tmp_path / "vectors.npz")
    loaded = Embeddings.load(tmp_path / "vectors.npz")
    for field in dataclasses.fields(Embeddings):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(embeddings, field.name))
    assert loaded.item.dtype == np.float32
    assert loaded.dim == 5
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.npz"]


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut", None])
def test_a_damaged_file_is_refused(embeddings, tmp_path, content):
    path = tmp_path / "vectors.npz"
    embeddings.save(path)
    path.write_bytes(path.read_bytes()[:-60] if content is None else content)
    with pytest.raises(InputError, match=r"Expected embeddings in .*vectors.npz.*Remove that file"):
        Embeddings.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected embeddings in"):
        Embeddings.load(tmp_path / "vectors.npz")


def test_a_file_of_something_else_is_refused(tmp_path):
    write_arrays(tmp_path / "vectors.npz", {"item": np.zeros(3)})
    with pytest.raises(InputError, match=r"Expected embeddings in .* without fingerprint"):
        Embeddings.load(tmp_path / "vectors.npz")


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('unpickled')",))

    np.savez(tmp_path / "vectors.npz", item=np.array([Trap()], dtype=object))
    with pytest.raises(InputError, match="Expected embeddings in"):
        Embeddings.load(tmp_path / "vectors.npz")


def test_scaling_keeps_dot_products_and_makes_items_of_length_one(embeddings):
    scaled = embeddings.scaled()
    np.testing.assert_allclose(
        scaled.user @ scaled.item.T, embeddings.user @ embeddings.item.T, rtol=1e-4, atol=1e-4
    )
    lengths = np.linalg.norm(scaled.item[1:], axis=1)
    assert np.sqrt(np.mean(lengths**2)) == pytest.approx(1, rel=1e-5)
    assert not scaled.item[0].any()


def test_popularity_is_one_more_standardised_coordinate(embeddings, tiny_interactions):
    more = embeddings.with_popularity(tiny_interactions, 0.5)
    assert more.dim == embeddings.dim + 1
    np.testing.assert_array_equal(
        more.user @ more.item.T, np.pad(embeddings.user, ((0, 0), (0, 1))) @ more.item.T
    )
    np.testing.assert_allclose(
        more.user @ more.item.T, embeddings.user @ embeddings.item.T, rtol=1e-5, atol=1e-5
    )
    coordinate = more.item[1:, -1]
    assert coordinate.mean() == pytest.approx(0, abs=1e-5)
    assert coordinate.std() == pytest.approx(0.5, rel=1e-4)
    counts = np.bincount(tiny_interactions.item, minlength=tiny_interactions.num_items)[1:]
    np.testing.assert_array_equal(
        np.argsort(coordinate, kind="stable"), np.argsort(counts, kind="stable")
    )
    assert not more.item[0].any()
    assert more.item.dtype == more.user.dtype == np.float32


def test_items_all_alike_popular_have_no_coordinate(embeddings, tiny_interactions):
    log = tiny_interactions
    once = log.where(np.isin(np.arange(len(log)), np.unique(log.item, return_index=True)[1]))
    more = embeddings.with_popularity(once, 0.5)
    np.testing.assert_allclose(more.item[:, -1], 0, atol=1e-6)


def test_side_by_side_predicts_the_mean(embeddings):
    other = dataclasses.replace(
        embeddings, item=embeddings.item[:, :3], user=embeddings.user[:, 1:4]
    )
    joined = side_by_side([embeddings, other])
    assert joined.dim == 8
    predictions = [table.user @ table.item.T for table in (embeddings, other)]
    np.testing.assert_allclose(
        joined.user @ joined.item.T, np.mean(predictions, axis=0), rtol=1e-4, atol=1e-4
    )


def test_a_prior_of_popularity_is_as_loud_as_asked(embeddings, tiny_interactions):
    plain = embeddings.with_popularity(tiny_interactions, 0.5)
    for prior in (0.5, 2.0):
        more = embeddings.with_popularity(tiny_interactions, 0.5, prior)
        np.testing.assert_array_equal(more.item, plain.item)
        own = more.user[:, -1:] @ more.item[:, -1:].T
        assert own[:, 1:].std(axis=1).mean() == pytest.approx(
            prior * embeddings.spread(tiny_interactions), rel=1e-3
        )


def test_short_users_get_longer_and_rank_alike(embeddings):
    length = float(np.sqrt(np.mean(np.sum(embeddings.user**2, axis=1))))
    assert embeddings.with_longer_users(length / 2) is embeddings
    longer = embeddings.with_longer_users(3 * length)
    np.testing.assert_allclose(longer.user, 3 * embeddings.user, rtol=1e-5)
    np.testing.assert_array_equal(longer.item, embeddings.item)
    nobody = dataclasses.replace(embeddings, user=np.zeros_like(embeddings.user))
    assert nobody.with_longer_users(1.0) is nobody
