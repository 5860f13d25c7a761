"""CSV tables: read back equal, one row for each method and metric, and what is none is refused."""

import pathlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drrec.errors import InputError
from drrec.evaluation.longform import COLUMNS, read_long, write_long

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
CELLS = st.fixed_dictionaries(
    {
        "mean": st.none() | NUMBERS,
        "low": st.none() | NUMBERS,
        "high": NUMBERS,
        "num_users": st.integers(0, 10**9),
    },
    optional={"std": NUMBERS},
)
TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, CELLS, min_size=1))


@given(TABLES)
def test_what_is_written_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, methods: dict[str, dict[str, dict[str, float]]]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    write_long(path, methods)
    assert read_long(path) == methods
    assert [*read_long(path)] == [*methods]


def test_other_programs_read_it_and_more_keys_are_left_out(tmp_path: pathlib.Path) -> None:
    cell = {"mean": 1 / 3, "low": np.nan, "high": None, "num_users": 7, "p_value": 0.01}
    write_long(tmp_path / "table.csv", {"a, b": {"ndcg@5": cell, "map": cell | {"std": 0.25}}})
    frame = pd.read_csv(tmp_path / "table.csv")
    assert tuple(frame.columns) == COLUMNS
    assert frame.method.tolist() == ["a, b"] * 2
    assert frame.metric.tolist() == ["ndcg@5", "map"]
    assert frame["mean"].tolist() == [1 / 3] * 2
    assert frame["std"].tolist() == pytest.approx([np.nan, 0.25], nan_ok=True)
    assert frame[["low", "high"]].isna().all(axis=None)
    assert frame.num_users.tolist() == [7, 7]
    again = read_long(tmp_path / "table.csv")["a, b"]["ndcg@5"]
    assert again == {"mean": 1 / 3, "low": None, "high": None, "num_users": 7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("method,metric,mean\n", "Received: method, metric, mean"),
        (f"{','.join(COLUMNS)}\na,map,1,1,1,,x\n", "line 2. Received: a,map,1,1,1,,x"),
        (f"{','.join(COLUMNS)}\na,map,1,1,1,,2\na,map,1\n", "line 3"),
        (f"{','.join(COLUMNS)}\na\n", "line 2"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: pathlib.Path, text: str, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"Expected .* Received: ") as caught:
        read_long(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="Expected a table at"):
        read_long(tmp_path / "none.csv")
