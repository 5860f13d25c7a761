"""Train, evaluate and report: `python train.py --help`."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "src"))

from drrec import cli

if __name__ == "__main__":
    os.environ.setdefault("DRREC_HOME", os.path.relpath(pathlib.Path(__file__).resolve().parent))
    sys.exit(cli.run(cli.Train))
