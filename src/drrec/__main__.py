"""`python -m drrec`, and the console script `drrec`."""

from __future__ import annotations

import sys

from drrec import cli


def main() -> int:
    """Do what the command line asks for; the exit status."""
    return cli.run(*cli.STAGES, prog="drrec")


if __name__ == "__main__":
    sys.exit(main())
