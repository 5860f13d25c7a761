"""`drrec data` killed at each moment of its writing: all of the folder is there, or nothing."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from tests.data import raw

ROOT = pathlib.Path(__file__).parents[2]


def run(folder, module, *argv):
    """The lines that a process prints, in a folder, with temporary files in one of its own."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TMPDIR": str(scratch)}
    found = subprocess.run(
        [sys.executable, "-m", module, *argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


@pytest.mark.parametrize("name", ["log", "amazon-2023"])
def test_a_log_is_prepared_whole_or_not_at_all(tmp_path, name):
    frame = raw.events(300).rename(
        columns={"user": "user_id", "item": "parent_asin", "seconds": "timestamp"}
    )
    raw.write(tmp_path / "got" / "A.csv", frame.to_csv(index=False))
    argv = ["data", name, "--from", "got", "--to", "made", "--min-user", "2", "--min-item", "2"]
    told = run(tmp_path, "tests.data.killed", *argv)
    first, *killed, ended = [json.loads(line) for line in told if line.startswith("{")]
    whole = first["made"]
    assert first["code"] == 0
    assert {"prepared.json"} < whole.keys()
    assert len(killed) > 10
    assert {each["code"] for each in killed} == {-signal.SIGKILL}
    assert all(each["made"] in (None, whole) for each in killed)
    assert {each["made"] is None for each in killed} == {True, False}
    # What one leaves is swept by the next: there is never more than one side folder.
    assert {each["beside"] for each in killed} == {0, 1}
    assert {each["scratch"] for each in killed} == {0, 1}
    assert ended == {"code": 0, "made": whole, "beside": 0, "scratch": 0}
