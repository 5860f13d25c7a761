import pathlib

import duckdb
import pytest

from drrec.data.engine import engine, is_pattern, literal, quoted
from drrec.errors import InputError
from drrec.files import scratch_folder
from drrec.limits import limited


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{}')",
        "SELECT * FROM read_text('{}')",
        "SELECT * FROM glob('{}')",
        "ATTACH '{}.db'",
        "COPY (SELECT 1) TO '{}.out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SELECT * FROM read_csv('https://localhost:1/a.csv')",
        "SELECT * FROM 'https://localhost:1/a.parquet'",
    ],
)
def test_nothing_else_is_read_written_or_loaded(tmp_path, secret, query):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n3,4\n")
    with scratch_folder() as scratch, engine(scratch, [other]) as connection:
        read = "SELECT * FROM read_csv(?)"
        assert connection.execute(read, [literal(other)]).fetchall() == [(3, 4)]
        with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
            connection.execute(query.format(secret)).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "secret.csv"]


def test_too_little_room_is_said_with_what_to_do(monkeypatch):
    monkeypatch.setattr("drrec.data.engine._OURS", 499)
    with (
        limited(max_memory=500),
        scratch_folder() as scratch,
        pytest.raises(InputError, match=r"Expected room .* --max-memory"),
        engine(scratch) as connection,
    ):
        connection.execute("SELECT list(range) FROM range(1000000)").fetchall()
    assert not scratch.exists()


def test_names_of_files_are_no_sql(tmp_path):
    assert quoted("it's") == "'it''s'"
    path = tmp_path / "*"
    assert is_pattern(str(path))
    path.write_text("")
    assert not is_pattern(str(path))
    assert not is_pattern("a/b.csv")
    assert is_pattern(str(pathlib.Path("logs") / "[ab].csv"))


def test_a_long_query_says_nothing_on_standard_output(tmp_path, capfd):
    with scratch_folder() as scratch, engine(scratch) as connection:
        connection.execute("SELECT current_setting('enable_progress_bar')")
        assert connection.fetchone() == (False,)
    assert capfd.readouterr().out == ""
