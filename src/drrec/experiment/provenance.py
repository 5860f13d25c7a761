"""What made a run's numbers: code, command, settings, packages, machine, time, and their cost."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import drrec
from drrec.evaluation.cost import Cost

if TYPE_CHECKING:
    from drrec.evaluation.result import Evaluation

PACKAGES = (
    *("tensorflow", "keras", "numpy", "pandas", "scipy", "h5py", "matplotlib"),
    *("torch", "transformers"),
)
"""Those that can change a number or a figure; one that is not installed is left out."""


def made_by(config: Any, found: Evaluation) -> dict[str, Any]:
    """All of `metrics.json` that differs between two runs of the same settings and code.

    Args:
        config: the settings, a dataclass or plain values.
        found: what was measured, and what it took.

    Returns:
        `{"drrec", "commit", "is_dirty", "command", "config_sha256", "python", "packages",
        "processor", "cores", "card", "time", "costs"}`. `commit` and `is_dirty` (whether the
        package's folder differs from the commit) are None where the package is in no checkout,
        `card` where none was used. `costs` is `{method: {"fit": cost, "scoring": {protocol:
        cost}}}`, see `cost.Cost`; the mean of the seconds and the largest memory over seeds.
    """
    commit, is_dirty = checkout(pathlib.Path(drrec.__file__).parent)
    return {
        "drrec": drrec.__version__,
        "commit": commit,
        "is_dirty": is_dirty,
        "command": shlex.join(sys.argv),
        "config_sha256": config_sha256(config),
        "python": platform.python_version(),
        "packages": _versions(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "card": _card(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "costs": costs(found),
    }


def costs(found: Evaluation) -> dict[str, Any]:
    """`{method: {"fit": cost, "scoring": {protocol: cost}}}`, methods in order."""
    of: dict[str, Any] = {}
    for method in dict.fromkeys(method for method, _ in found.fits):
        scoring = {
            protocol: Cost.of_seeds(by_seed)._asdict()
            for protocol in found.protocols
            if (by_seed := found.by_seed(found.scoring, protocol, method))
        }
        fit = Cost.of_seeds(found.by_seed(found.fits, method))._asdict()
        of[method] = {"fit": fit, "scoring": scoring}
    return of


def config_sha256(config: Any) -> str:
    """Of the settings as JSON, keys sorted, without spaces."""
    values = dataclasses.asdict(config) if dataclasses.is_dataclass(config) else config  # type: ignore[arg-type]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def checkout(package: pathlib.Path) -> tuple[str | None, bool | None]:
    """The commit that a package's folder is of, and whether it differs; None where git knows not.

    A package that is installed below somebody else's checkout is not of that checkout.
    """
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(package, "rev-parse", "HEAD").strip()
        return commit, bool(_git(package, "status", "--porcelain", "--", "."))
    return None, None


def _git(folder: pathlib.Path, *words: str) -> str:
    # Variables such as GIT_DIR, which hooks have, would point at another checkout.
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(folder), *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
        env=plain | {"GIT_OPTIONAL_LOCKS": "0"},
    ).stdout


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _processor() -> str | None:
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or None


def _card() -> str | None:
    """The name of the card that TensorFlow may use, if it is loaded at all."""
    tf: Any = sys.modules.get("tensorflow")
    cards = tf.config.get_visible_devices("GPU") if tf else []
    if not cards:
        return None
    return tf.config.experimental.get_device_details(cards[0]).get("device_name", "unknown")
