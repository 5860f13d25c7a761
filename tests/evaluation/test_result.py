"""The tidy table: what is made of it is what a plain group-by gives, also from the file."""

import dataclasses
import gzip
import pathlib

import numpy as np
import pandas as pd
import pytest
from tests.evaluation.stubs import Stub, planted
from tests.evaluation.worlds import log_of_all, random_truth

import drrec
from drrec.errors import InputError
from drrec.evaluation.cost import UNKNOWN
from drrec.evaluation.protocols.candidates import PerUser
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.evaluation.protocols.session import SESSION_METRICS
from drrec.evaluation.result import Evaluation, joined
from drrec.evaluation.summary import summarised

COLUMNS = ["protocol", "method", "metric", "seed", "user", "value"]


def results(*seeds: int, users: int = 40) -> Evaluation:
    """Two protocols, three methods; every fifth user has no value of one metric."""
    found = {}
    for protocol in ("rated", "full"):
        for level, name in enumerate(("pmf", "ddpg", "random")):
            for seed in seeds:
                rng = np.random.default_rng([seed, level])
                metrics = {m: level + rng.random(users) for m in protocol_of(protocol).metrics}
                next(iter(metrics.values()))[::5] = np.nan
                found[protocol, name, seed] = PerUser(np.arange(0, 2 * users, 2), metrics)
    return planted(found, dataset="tiny", split="temporal")


def test_every_number_of_the_report_is_a_group_by_of_the_table() -> None:
    found = results(3, 4)
    assert list(found.values) == COLUMNS
    content = summarised(found, agents=["ddpg"])
    per_user = found.values.groupby(["protocol", "method", "metric", "user"])["value"].mean()
    by_seed = found.values.groupby(["protocol", "method", "metric", "seed"])["value"].mean()
    for protocol, methods in content["protocols"].items():
        assert list(methods) == ["pmf", "ddpg", "random"]
        for method, cells in methods.items():
            assert list(cells) == list(protocol_of(protocol).metrics)
            for metric, cell in cells.items():
                key = (protocol, method, metric)
                assert cell["mean"] == pytest.approx(per_user[key].mean())
                assert cell["num_users"] == per_user[key].count()
                assert cell["std"] == pytest.approx(by_seed[key].std(ddof=1))
        metric = content["comparisons"][protocol]["metric"]
        for baseline, cell in content["comparisons"][protocol]["agents"]["ddpg"].items():
            own, other = (per_user[protocol, name, metric] for name in ("ddpg", baseline))
            assert cell["mean"] == pytest.approx((own - other).mean())
        means = found.means(protocol)
        for (method, metric), mean in means.stack().items():
            expected = per_user[protocol, method, metric].mean()
            assert mean == pytest.approx(expected)


def test_the_order_of_the_rows_says_nothing() -> None:
    found = results(3, 4)
    rows = np.random.default_rng(0).permutation(len(found.values))
    shuffled = dataclasses.replace(found, values=found.values.iloc[rows])
    for protocol in found.protocols:
        one, other = found.cube(protocol), shuffled.cube(protocol)
        np.testing.assert_array_equal(one.users, np.arange(0, 80, 2))
        np.testing.assert_array_equal(one.users, other.users)
        for method in one.methods:
            for metric in one.metrics:
                pair = {tuple(np.sort(each.of(method, metric)[:, 7])) for each in (one, other)}
                assert len(pair) == 1
    same = dataclasses.replace(found, values=found.values.astype({"user": str, "method": str}))
    np.testing.assert_array_equal(same.cube("full").values, found.cube("full").values)


def test_the_statistics_can_be_done_again_from_the_file(tmp_path: pathlib.Path) -> None:
    found = results(3, 4)
    found.save(tmp_path / "values.csv.gz")
    read = pd.read_csv(tmp_path / "values.csv.gz", dtype={"user": str})
    np.testing.assert_array_equal(read["value"], found.values["value"])
    assert list(read) == COLUMNS
    again = dataclasses.replace(found, values=read)
    one, other = (str(summarised(each, agents=["ddpg"])) for each in (found, again))
    assert one == other
    found.save(tmp_path / "again.csv.gz")
    first, second = (tmp_path / f"{name}.csv.gz" for name in ("values", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_half_a_file_of_values_is_none(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(file: gzip.GzipFile, data: bytes) -> int:
        file.fileobj.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gzip.GzipFile, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        results(0).save(tmp_path / "values.csv.gz")
    assert not list(tmp_path.iterdir())


def test_seeds_are_joined_with_all_that_stands_beside() -> None:
    parts = [results(seed) for seed in (3, 4)]
    for part, seed in zip(parts, (3, 4), strict=True):
        part.lists["full", "pmf", seed] = np.full((40, 10), seed)
        part.fits["pmf", seed] = UNKNOWN
    found, whole = joined(parts), results(3, 4)
    assert found.seeds == [3, 4]
    np.testing.assert_array_equal(found.cube("full").values, whole.cube("full").values)
    assert found.values.dtypes["user"] == parts[0].values.dtypes["user"]
    assert [each[0, 0] for each in found.by_seed(found.lists, "full", "pmf")] == [3, 4]
    assert found.by_seed(found.fits, "pmf") == [UNKNOWN, UNKNOWN]
    del found.lists["full", "pmf", 4]
    assert found.by_seed(found.lists, "full", "pmf") == []


def test_what_is_not_there_is_told() -> None:
    found = results(0)
    with pytest.raises(InputError, match=r"of rated, full\. Received: 'sampled'"):
        found.table("sampled")
    with pytest.raises(InputError, match=r"of pmf, ddpg, random\. Received: 'td3'"):
        found.compare("ddpg", "td3", "full")


@pytest.fixture(scope="module")
def parts(tiny_dataset: drrec.Dataset) -> list[drrec.Dataset]:
    return list(tiny_dataset.split("temporal"))


def test_models_are_evaluated_into_the_same_table(parts: list[drrec.Dataset]) -> None:
    train, test = parts
    models = {"popularity": drrec.Popularity().fit(train), "ease": drrec.EASE().fit(train)}
    found = drrec.evaluate(models, test, protocol="ranked", seed=5)
    assert list(found.values) == COLUMNS
    assert found.protocols == ["ranked"]
    assert found.seeds == [5]
    assert set(found.values["user"]) <= set(test.interactions.users.raw)
    assert set(found.lists) == set(found.scoring) == {("ranked", name, 5) for name in models}
    assert set(found.chance["ranked"]) == set(protocol_of("ranked").metrics)
    table = found.table()
    assert list(table.columns) == list(protocol_of("ranked").shown)
    cell = summarised(found)["protocols"]["ranked"]["ease"]["ndcg@10"]
    shown = table.loc["ease", "ndcg@10"]
    assert shown == f"{cell['mean']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]".replace("0.", ".")
    difference = found.compare("ease", "popularity").set_index("metric").loc["ndcg@10"]
    means = found.means()["ndcg@10"]
    assert difference["mean"] == pytest.approx(means["ease"] - means["popularity"])
    assert len(found.plot().axes) == len(protocol_of("ranked").shown)


def test_sessions_stand_beside_what_could_be_had() -> None:
    truth = random_truth(0, num_users=6, kinds=[i % 3 for i in range(30)], num_kinds=3, window=1)
    ratings = log_of_all(6, 30)
    whole = drrec.Dataset("made up", ratings, np.full(31, ""), truth=truth)
    noise = Stub(lambda u, h, i: np.cos(u * 7 + i * i), 31)
    found = drrec.evaluate({"noise": noise}, whole.split("temporal")[1], protocol="session")
    means = found.means()
    assert list(means.index) == ["noise", "greedy_truth", "bayesian", "optimum"]
    assert list(means.columns) == list(SESSION_METRICS)
    assert means.loc["optimum", "regret"] == 0 < means.loc["noise", "regret"]
    assert set(found.scoring) == {("session", "noise", 0)}
