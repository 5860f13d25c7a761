"""Prepares a log again and again, and is killed (SIGKILL) at every moment that counts.

Moments are before the calls that make files or change their order on disk, and before each file
that DuckDB writes. `python -m tests.data.killed <argv of drrec>` prepares it once, and then forks
a process that is killed at the first moment, one that is killed at the second, and so on, all in
the same folder, until one comes to its end. What each has left is printed, a line of JSON each.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import sys

from drrec import cli
from drrec.data import prepared
from drrec.data.published import making

CALLS = ((os, "fsync"), (os, "mkdir"), (shutil, "rmtree"), (pathlib.Path, "rename"))
WRITERS = ((prepared, "_write_parquet"), (making, "write_inter"), (making, "write_items"))


def main(argv: list[str]) -> None:
    """Kill at each moment in turn; go on without the folder where it was finished."""
    # Here, so that all is imported once, and not by each process that is forked.
    _say({"code": cli.run(*cli.STAGES, argv=argv), "made": content("data/made")})
    pathlib.Path("data").rename("uninterrupted")
    for moment in itertools.count():
        process = os.fork()
        if not process:
            _kill_at(moment)
            os._exit(cli.run(*cli.STAGES, argv=argv))
        _, status = os.waitpid(process, 0)
        code = os.waitstatus_to_exitcode(status)
        left = {"code": code, "made": content("data/made"), "beside": len(_left("data"))}
        left["scratch"] = len(_left(os.environ["TMPDIR"]))
        _say(left)
        if code != -signal.SIGKILL:
            return
        shutil.rmtree("data/made", ignore_errors=True)


def content(folder: str) -> dict[str, str] | None:
    """A hash of each file in a folder and below; None where there is no such folder."""
    root = pathlib.Path(folder)
    if not root.exists():
        return None
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _say(left: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(left) + "\n")
    sys.stdout.flush()  # or the next process has it, too


def _left(folder: str) -> list[pathlib.Path]:
    return sorted(pathlib.Path(folder).glob("*.part"))


def _kill_at(moment: int) -> None:
    moments = itertools.count()

    def passed() -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in (*CALLS, *WRITERS):
        plain = getattr(owner, name)

        def wrapped(*args, _plain=plain, **kwargs):
            passed()
            return _plain(*args, **kwargs)

        setattr(owner, name, wrapped)


if __name__ == "__main__":
    main(sys.argv[1:])
