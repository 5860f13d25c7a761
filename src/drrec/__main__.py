"""`python -m drrec`, and the console script `drrec`."""

from __future__ import annotations

import os
import sys

from drrec import cli


def main() -> int:
    """Do what the command line asks for; the exit status."""
    # A stage that another one has begun complains where that one listens.
    complaints = sys.stdout if os.environ.get("DRREC_COMPLAINTS") == "stdout" else None
    return cli.run(*cli.STAGES, prog="drrec", complaints=complaints)


if __name__ == "__main__":
    sys.exit(main())
