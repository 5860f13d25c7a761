"""Train, evaluate and report: `python train.py --help`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "src"))

from drrec import cli

if __name__ == "__main__":
    sys.exit(cli.run(cli.Train))
