"""Kills runs at random moments and goes on with them: `bash scripts/kills.sh`.

A tiny `train`, `extract`, `compare`, `caption` or `reason` is run once without interruption. Then
it is begun, killed (SIGKILL) after a random share of the time that it took, gone on with as a user
would, and killed again, until `--each` kills are spent; then it may end. What it leaves must equal
what the uninterrupted run left bit for bit, times and costs aside, with nothing half-written beside
it. Checkpoints are written with each chunk, and fitted baselines are kept however short their fit.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import h5py
import numpy as np
import tyro
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]

DRIVER = """
import sys
from drrec import cli
if sys.argv[1] in ("train", "compare"):
    from drrec.agents import training
    from drrec.experiment import baselines
    training._CHECKPOINT_SECONDS, training._CHUNK_STEPS = -1.0, 200
    baselines.SHORTEST_KEPT = 0.0
sys.exit(cli.run(*cli.STAGES, argv=sys.argv[1:], prog="run.py"))
"""

SMALL = (
    "--dataset log.csv --name it --dim-emb 5 --state-size 3 --episode-length 4 --dim-actor 8 "
    "--dim-critic 8 --batch-size 16 --memory-size 128 --num-envs 4 --held-out 0.4 --gpu -1 "
    "--min-items 5 --embedding variational --baselines random,popularity,item_cf,variational"
)
COMMANDS = {
    "train": f"train {SMALL} --steps 2000",
    "extract": "extract --dataset log.csv --modality text --text-model small --batch-size 4",
    "compare": f"compare {SMALL} --steps 800 --features features.h5 --modality text "
    "--fusion late --aggregation mean",
    "caption": "llm caption --dataset titled.csv --name it --vision-model vision --gpu -1 "
    "--caption-batch 3 --caption-tokens 64 --workers 1",
    "reason": "llm reason --dataset titled.csv --name it --model speller --gpu -1 "
    "--reason-batch 7 --reason-tokens 48 --history 6 --context 4096",
}
MODELS = """
import pathlib
from tests.llm.seeing import save_vision_model
from tests.llm.tiny import save_speller
save_vision_model(pathlib.Path("vision"))
save_speller(pathlib.Path("speller"))
"""
PICTURES, BROKEN = 31, (0, 13)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kills:
    """Kill runs at random moments, go on with them, and compare what they end in."""

    kills: int = 30
    """How many times to kill, over all stages."""
    each: int = 3
    """Kills of one run, before it may end."""
    stages: str = "train,extract,compare"
    """Which to kill, in turn, joined by commas; there are also caption and reason."""
    minutes: float = 60.0
    """Begin no other run after so long."""
    seed: int = 0
    """Of the moments."""


def main(options: Kills) -> int:
    """Print how many kills ended as if nothing had been, and return 1 if one did not."""
    with tempfile.TemporaryDirectory() as place:
        return _killed(options, pathlib.Path(place))


def _killed(options: Kills, place: pathlib.Path) -> int:
    draw, started = random.Random(options.seed), time.monotonic()
    stages = options.stages.split(",")
    begin = _inputs(place / "begin")
    if {"caption", "reason"} & {*stages}:
        _language_inputs(begin)
    whole, seconds = {}, {}
    for stage in stages:
        folder = _copied(begin, place / "it", stage)  # one path for all: some hashes are of it
        since = time.monotonic()
        if _run(COMMANDS[stage], folder) != 0:
            raise SystemExit(f"{stage} fails without a kill: see {folder}/said.txt")
        seconds[stage] = time.monotonic() - since
        whole[stage] = left(folder)
        _say(f"{stage}: {seconds[stage]:.1f} s without a kill")
    done: dict[str, list[int]] = {stage: [0, 0, 0, 0] for stage in stages}
    number = spent = 0
    while spent < options.kills and time.monotonic() - started < 60 * options.minutes:
        stage = stages[number % len(stages)]
        folder = _copied(begin, place / "it", stage)
        moments = [draw.uniform(0, seconds[stage]) for _ in range(options.each)]
        kills, failed = _killed_run(stage, folder, moments[: options.kills - spent])
        difference = failed or differs(whole[stage], left(folder))
        counts = done[stage]
        counts[0] += kills
        counts[1] += 0 if difference else kills
        counts[2] += 1
        counts[3] += not difference
        spent, number = spent + kills, number + 1
        if difference:
            kept = f"{tempfile.mkdtemp(prefix='kills-')}/it"
            shutil.copytree(folder, kept)
            _say(f"{stage}, run {number}, after {kills} kills: {difference}; see {kept}")
    for stage, (kills, equal, runs, equal_runs) in done.items():
        _say(f"{stage}: {equal} of {kills} kills equal, in {equal_runs} of {runs} runs")
    equal = sum(counts[1] for counts in done.values())
    _say(f"all: {equal} of {spent} kills equal, {time.monotonic() - started:.0f} s")
    return int(equal < spent)


def _killed_run(stage: str, folder: pathlib.Path, moments: list[float]) -> tuple[int, str]:
    """Begin, kill and go on, then let it end; how many kills there were, and what failed."""
    for kills, moment in enumerate(moments):
        code = _run(_command(stage, folder), folder, moment)
        if code == 0:
            return kills, ""  # it was done before the kill came
        if code != -signal.SIGKILL:
            return kills, f"exit status {code} after {kills} kills"
    code = _run(_command(stage, folder), folder)
    return len(moments), f"exit status {code} at the end" if code else ""


def _command(stage: str, folder: pathlib.Path) -> str:
    is_begun = stage == "train" and (folder / "save_model" / "it").exists()
    return "train --resume it --gpu -1" if is_begun else COMMANDS[stage]


def _run(command: str, folder: pathlib.Path, kill_after: float | None = None) -> int:
    return _python(DRIVER, command.split(), folder, kill_after)


def _python(
    program: str, arguments: list[str], folder: pathlib.Path, kill_after: float | None = None
) -> int:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "DRREC_HOME": ""}
    with (folder / "said.txt").open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
        )
        try:
            return process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _inputs(folder: pathlib.Path) -> pathlib.Path:
    """A log of 60 users and 80 items, plots of them, and features of the plots."""
    draw = random.Random(7)
    folder.mkdir(parents=True)
    with (folder / "log.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "rating", "timestamp"])
        for user in range(60):
            for item in draw.sample(range(80), draw.randint(25, 45)):
                likes = (user < 30) == (item % 2 == 0)
                rating = draw.choice([4, 5]) if likes else draw.choice([1, 2, 3])
                rows.writerow([f"u{user}", f"i{item}", rating, draw.randrange(10**6)])
    with (folder / "plots.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "plot"])
        rows.writerows(
            [f"i{item}", f"{'storm' if item % 2 else 'love'} {item}"] for item in range(80)
        )
    if _run(COMMANDS["extract"], folder) != 0:
        raise SystemExit((folder / "said.txt").read_text())
    (made,) = (folder / "data" / "features").glob("*.h5")
    shutil.copy(made, folder / "features.h5")
    return folder


def _language_inputs(folder: pathlib.Path) -> None:
    """The same log with titles, pictures of some items, two of them broken, and tiny models."""
    with (folder / "log.csv").open(newline="") as file:
        log = list(csv.reader(file))
    with (folder / "titled.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*log[0], "title"])
        rows.writerows([*row, f"Film {row[1]}"] for row in log[1:])
    images = folder / "media" / "images"
    images.mkdir(parents=True)
    draw = np.random.default_rng(7)
    for item in range(PICTURES):
        path = images / f"i{item}.png"
        if item in BROKEN:
            path.write_bytes(b"no picture")
        else:
            pixels = draw.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(pixels).save(path)
    if _python(MODELS, [], folder) != 0:
        raise SystemExit((folder / "said.txt").read_text())


def _copied(begin: pathlib.Path, folder: pathlib.Path, stage: str) -> pathlib.Path:
    """A folder to begin in; `extract` makes the features that the others find."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(begin, folder)
    if stage == "extract":
        shutil.rmtree(folder / "data")
    return folder


def left(folder: pathlib.Path) -> dict[str, Any]:
    """What a run has left that must not depend on kills, by path."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name.endswith((".part", ".lock")) or path.name in ("parts", "baselines", ".locks"):
            found[name] = "left over"
        elif path.suffix in (".npz", ".drrec"):
            with np.load(path) as arrays:
                found |= {f"{name}:{key}": arrays[key] for key in arrays.files}
        elif path.suffix == ".jsonl":
            found[name] = path.read_bytes()
        elif path.suffix == ".h5":
            found |= {f"{name}:{key}": value for key, value in _hdf5(path).items()}
        elif path.name == "training.csv":
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            found[name] = [{k: v for k, v in r.items() if k != "steps_per_second"} for r in rows]
        elif path.name == "values.csv.gz":
            found[name] = gzip.decompress(path.read_bytes())
        elif path.name == "metrics.json":
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k != "made_by"}
        elif path.name in ("config.yaml", "settings.json"):
            found[name] = path.read_text()
    return found


def _hdf5(path: pathlib.Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        found[f"{name}@"] = {key: str(value) for key, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[name] = item[...]

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def differs(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first difference; "" if there is none."""
    if names := sorted(one.keys() ^ other.keys()):
        return f"{names[0]} is on one side only"
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            same = value.dtype == other[name].dtype and value.tobytes() == other[name].tobytes()
            if value.dtype == object:
                same = value.tolist() == other[name].tolist()
        else:
            same = value == other[name]
        if not same:
            return f"{name} differs"
    return ""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Kills)))
