"""What tests share: a tiny log with a planted preference, and MovieLens-100K if it can be had."""

from __future__ import annotations

import functools
import gc
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest

from drrec.data.dataset import Dataset
from drrec.data.datasets import load_dataset
from drrec.data.download import Unreachable
from drrec.data.interactions import Interactions
from drrec.data.sources import from_recbole

# Nothing times itself: a busy machine must not fail a test. Each run draws anew, so few examples a
# run are many in a week; --hypothesis-profile thorough draws many at once.
hypothesis.settings.register_profile(
    "drrec",
    deadline=None,
    max_examples=30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("drrec"), max_examples=500
)
hypothesis.settings.load_profile("drrec")

ROOT = pathlib.Path(__file__).parents[1]

LONGEST = (
    "cluster/test_training.py",
    "cluster/test_tasks.py",
    "serving/test_processes.py",
    "test_examples.py",
    "fuzzing/test_fuzzing.py",
    "agents/test_training.py",
    "contracts/test_agents.py",
    "contracts/test_serving.py",
    "contracts/test_recommenders.py",
    "test_leak.py",
    "serving/test_updating.py",
    "test_content_run.py",
    "test_cli.py",
    "test_compare.py",
    "experiment/test_tuning.py",
    "baselines/sequential/test_training.py",
    "agents/test_ddpg.py",
    "agents/test_rollout_workers.py",
    "agents/test_data_parallel.py",
    "agents/test_supervised.py",
    "agents/test_sac.py",
    "embeddings/test_pretrain_content.py",
    "serving/test_items.py",
    "data/test_prepared.py",
    "baselines/test_movielens.py",
    "contracts/test_baselines.py",
    "test_plugin.py",
    "test_experiment.py",
    "test_benchmark.py",
    "test_docstrings.py",
    "data/readers/test_rows.py",
    "data/test_killed.py",
    "embeddings/test_content.py",
    "embeddings/test_pmf.py",
    "serving/test_page_faults.py",
    "serving/test_page.py",
    "serving/test_page_access.py",
)
"""Files that take ten seconds or more of one processor, roughly in this order."""

TOGETHER = ("tests/cluster/", "tests/contracts/test_[rs]e")
"""Files, by how their paths begin, that share a process: there are models or a cluster for all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: so no process is left with one when the others have ended."""
    turn = {ROOT / "tests" / path: number for number, path in enumerate(LONGEST)}
    items.sort(key=lambda item: turn.get(item.path, len(turn)))


def pytest_collection_finish() -> None:
    """Set up a process of many short trainings.

    What is imported by now stays, so `gc.collect()` after each of them need not look at it. Graphs
    run as they are written: to rewrite one for speed takes longer than tests run it.
    """
    gc.freeze()
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        _make_variables_of_one_kernel()
        from tests.kernels import keep_kernels

        keep_kernels()


def _make_variables_of_one_kernel() -> None:
    """Leave out the names of variables, which only TensorFlow's errors tell.

    It has a kernel for each name, kept for ever, and making one takes three quarters of the time
    that a variable takes; tests make them by tens of thousands.
    """
    from tensorflow.python.ops import gen_resource_variable_ops as operations

    named = operations.var_handle_op
    operations.var_handle_op = lambda *given, debug_name="", **rest: named(*given, **rest)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Free what a file has left in cycles, graphs above all; what stays need not be looked at."""
    yield
    if nextitem and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As `--dist loadfile` has it, but files of `TOGETHER` in one process."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = super()._split_scope(nodeid)
            return next((each for each in TOGETHER if re.match(each, path)), path)

    return Together(config, log)


@pytest.fixture(scope="session")
def tiny_interactions() -> Interactions:
    """60 users, 80 items, about 2,000 ratings of 1–5; all timestamps differ.

    Users u00 … u29 like even items and dislike odd ones, the others the reverse; item i00 … i09
    are liked a little more by all, and are rated the most.
    """
    generator = np.random.default_rng(7)
    rows: list[tuple[str, str, float]] = []
    weights = np.where(np.arange(80) < 10, 4.0, 1.0)
    for user in range(60):
        size = int(generator.integers(25, 46))
        for item in generator.choice(80, size, replace=False, p=weights / weights.sum()):
            taste = 1.3 if (user < 30) == (item % 2 == 0) else -1.3
            noisy = 3.1 + taste + 0.4 * (item < 10) + generator.normal(0, 0.5)
            rows.append((f"u{user:02}", f"i{item:02}", float(np.clip(np.rint(noisy), 1, 5))))
    user_ids, item_ids, ratings = zip(*rows, strict=True)
    timestamps = 880_000_000 + 60 * generator.permutation(len(rows))
    return Interactions.from_raw(user_ids, item_ids, np.array(ratings), timestamps)


@pytest.fixture(scope="session")
def tiny_dataset(tiny_interactions: Interactions) -> Dataset:
    """The same, with titles."""
    titles = [f"Film {raw}" if raw else "" for raw in tiny_interactions.items.raw.tolist()]
    return Dataset("tiny", tiny_interactions, np.array(titles))


@pytest.fixture(scope="module")
def adam_of_one_kernel():
    """Updates in Python take two thirds of the time; other processes have them a bit otherwise."""
    from tests.kernels import adam_of_one_kernel

    with adam_of_one_kernel():
        yield


@pytest.fixture(scope="module")
def brief_training():
    """Baselines that train by epochs are small and soon done: for what no long training shows."""
    # Here, for tests/features load no TensorFlow.
    from tests.brief import brief_pmf

    from drrec.baselines.sequential import recommenders

    config = functools.partial(
        recommenders.SequenceConfig, width=16, length=20, num_layers=1, most_epochs=3
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommenders, "SequenceConfig", config)
        brief_pmf(patch)
        yield


@pytest.fixture(scope="session")
def ml_100k_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """RecBole's files of MovieLens-100K: the checkout's, or else fetched once and kept."""
    folder = ROOT / "data" / "ml-100k"
    if not (folder / "ml-100k.inter").exists():
        cache = getattr(request.config, "cache", None)  # None under -p no:cacheprovider
        kept = cache.mkdir("drrec") if cache else tmp_path_factory.mktemp("drrec")
        folder = kept / "ml-100k"
    if not folder.exists():
        try:
            from_recbole(folder)
        except Unreachable as error:
            pytest.skip(f"MovieLens-100K cannot be had: {error}")
    return folder


@pytest.fixture(scope="session")
def ml_100k(ml_100k_folder: pathlib.Path) -> Dataset:
    """MovieLens-100K."""
    return load_dataset("ml-100k", ml_100k_folder.parent)


@pytest.fixture(scope="session")
def machines():
    """A Ray cluster, begun once for a test process: `tests/machines.py`."""
    pytest.importorskip("ray")
    from tests.machines import Machines

    # Paths of sockets are short, and TMPDIR may be long.
    folder = tempfile.mkdtemp(prefix="drrec-ray-test-", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        pathlib.Path(folder, "ray").mkdir()
        made = Machines()
        yield made
        made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
