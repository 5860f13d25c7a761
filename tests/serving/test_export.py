import dataclasses

import numpy as np
import pytest
from tests.agents.tiny import SMALL, random_vectors

from drrec.agents.config import AgentConfig
from drrec.agents.policy import Policy
from drrec.errors import InputError
from drrec.serving.export import VERSION, Export
from drrec.serving.recommend import restored_policy

CONFIG = AgentConfig(**SMALL)


@pytest.fixture
def policy(tiny_interactions) -> Policy:
    made = Policy.build(CONFIG, *random_vectors(tiny_interactions), 3)
    generator = np.random.default_rng(1)
    made.set_weights({name: generator.normal(size=w.shape) for name, w in made.weights().items()})
    return made


@pytest.fixture
def export(policy, tiny_dataset) -> Export:
    train, _ = tiny_dataset.interactions.past_and_future(0.2)
    return Export.of(policy, tiny_dataset, train, 3)


def test_what_is_saved_loads_alike(export, tmp_path):
    export.save(tmp_path / "export.npz")
    loaded = Export.load(tmp_path / "export.npz")
    for field in dataclasses.fields(Export):
        one, other = getattr(export, field.name), getattr(loaded, field.name)
        if field.name == "weights":
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
        else:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_proposals_travel_in_the_same_file_and_only_if_there_are_any(export, tmp_path):
    assert not export.reranks
    export.save(tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as file:
        assert "proposals" not in file.files
    proposals = np.array([[3, 1, 0]] * len(export.users), np.int32)
    dataclasses.replace(export, proposals=proposals).save(tmp_path / "some.npz")
    loaded = Export.load(tmp_path / "some.npz")
    assert loaded.reranks
    np.testing.assert_array_equal(loaded.proposals, proposals)
    assert loaded.proposals.dtype == np.int32


def test_a_restored_policy_scores_as_the_one_that_was_exported(
    export, policy, tiny_interactions, tmp_path
):
    export.save(tmp_path / "export.npz")
    restored = restored_policy(Export.load(tmp_path / "export.npz"), CONFIG)
    users = np.arange(tiny_interactions.num_users)
    histories = tiny_interactions.liked_histories(3)
    np.testing.assert_array_equal(restored.score(users, histories), policy.score(users, histories))


def test_it_knows_who_saw_and_liked_what(export, tiny_interactions):
    train, _ = tiny_interactions.past_and_future(0.2)
    for user in (0, 31, 59):
        raw = tiny_interactions.users.raw[user]
        assert export.user(raw) == user
        rated = tiny_interactions.item[tiny_interactions.user == user]
        np.testing.assert_array_equal(export.seen(user), rated)  # in train or not
        theirs = train.item[train.user == user]
        liked = theirs[train.rating[train.user == user] > 3][-3:]
        np.testing.assert_array_equal(export.history[user], liked)


def test_settings_of_another_run_are_refused(export):
    with pytest.raises(InputError, match="not of one run"):
        restored_policy(export, dataclasses.replace(CONFIG, dim_actor=9))


def test_a_missing_one_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"train\.py --resume RUN"):
        Export.load(tmp_path / "some-run" / "export.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut", None])
def test_a_damaged_file_is_refused(export, tmp_path, content):
    path = tmp_path / "export.npz"
    export.save(path)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(InputError, match="Expected a whole export in"):
        Export.load(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "export.npz", version=np.array(VERSION))
    with pytest.raises(InputError, match="Expected a whole export in"):
        Export.load(tmp_path / "export.npz")


def test_another_version_is_refused(export, tmp_path):
    path = tmp_path / "export.npz"
    dataclasses.replace(export, version=np.array(VERSION + 1)).save(path)
    with pytest.raises(InputError, match=rf"of version {VERSION} in .* Received: {VERSION + 1}"):
        Export.load(path)
