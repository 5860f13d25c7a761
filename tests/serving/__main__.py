"""Kills a server under feedback load again and again: `bash scripts/serve_kills.sh --kills 200`."""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import tempfile
import time

import pandas as pd
from tests.serving.load import Load, stored_in
from tests.serving.processes import Server

import drrec


def main() -> int:
    """Kill, begin again, and compare; 1 if an event was lost or doubled."""
    parser = argparse.ArgumentParser(prog="serve_kills.sh", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="How many.")
    parser.add_argument("--minutes", type=float, default=30.0, help="After which no more begin.")
    parser.add_argument("--workers", type=int, default=2, help="Processes of the server.")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments.")
    given = parser.parse_args()
    generator, until = random.Random(given.seed), time.monotonic() + 60 * given.minutes
    acknowledged: set[tuple[str, str]] = set()
    sent: set[tuple[str, str]] = set()
    kills = lost = doubled = unsent = 0
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        log = {"user": list("aabbbcc"), "item": [f"i{n:02}" for n in (0, 1, 0, 1, 2, 1, 2)]}
        data = drrec.Dataset.from_pandas(pd.DataFrame(log))
        drrec.Popularity().fit(data).save(folder / "run.drrec")
        flags = ["--workers", str(given.workers)]
        server = Server(folder / "run.drrec", folder / "store.db", *flags)
        sessions = [server.ask("/v1/sessions", {})[1]["session"] for _ in range(4)]
        try:
            while kills < given.kills and time.monotonic() < until:
                load = Load(server, sessions, generator.randrange(1, 150))
                load.has_enough.wait(60)
                server.kill()
                load.join()
                kills += 1
                acknowledged |= load.acknowledged
                sent |= load.sent
                server = Server(folder / "run.drrec", folder / "store.db", *flags)
                found = stored_in(server, sessions)
                lost = len(acknowledged - set(found))
                doubled = sum(count > 1 for count in found.values())
                unsent = len(set(found) - sent)
                if lost or doubled or unsent or load.odd:
                    sys.stdout.write(f"kill {kills}: {load.odd}\n")
                    break
        finally:
            server.kill()
    sys.stdout.write(
        f"{kills} kills: {len(acknowledged):,} events acknowledged, {lost} of them lost, {doubled} "
        f"doubled, {unsent} that nobody sent\n"
    )
    return int(bool(lost or doubled or unsent))


if __name__ == "__main__":
    sys.exit(main())
