"""Fuzz all readers for a while: `bash scripts/fuzz.sh --minutes 30`.

Each input that is neither read nor refused in one line is kept, with its traceback.
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from tests.fuzzing.harness import Verdict, tried
from tests.fuzzing.targets import TARGETS


def main() -> int:
    """Go round the readers until the time is over; 1 if any input was too much for one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (default: 0)")
    parser.add_argument("--only", default="", help="readers whose names contain this")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("fuzzed"))
    asked = parser.parse_args()
    names = [name for name in TARGETS if asked.only in name]
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in names}
    end, number = time.monotonic() + 60 * asked.minutes, 0
    with tempfile.TemporaryDirectory() as place:
        sound = {name: pathlib.Path(place) / f"sound-{at}" for at, name in enumerate(names)}
        for name, folder in sound.items():
            folder.mkdir()
            TARGETS[name].make(folder)
        while time.monotonic() < end:
            name = names[number % len(names)]
            changed = pathlib.Path(place) / "changed"
            try:
                is_read = tried(
                    TARGETS[name], random.Random(f"{asked.seed} {number}"), sound[name], changed
                )
                counts[name]["read" if is_read else "refused"] += 1
            except Verdict as verdict:
                counts[name]["failed"] += 1
                kept = asked.out / f"{name.replace(' ', '-')}-{number}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(changed, kept)
                (kept / "TRACEBACK.txt").write_text("".join(traceback.format_exception(verdict)))
                say(f"{kept}: {str(verdict)[:160]}")
            number += 1
    for name, count in counts.items():
        parts = " ".join(f"{each} {count[each]:6,}" for each in ("read", "refused", "failed"))
        say(f"{name:28} {parts}")
    failed = sum(count["failed"] for count in counts.values())
    say(f"{number:,} inputs, {failed:,} neither read nor refused in one line")
    return int(failed > 0)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
