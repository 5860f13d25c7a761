"""The stages that put a run to work; what they need is imported when they are asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Annotated

import tyro

from drrec.cli.flags import Data, Device, Stage
from drrec.cluster.config import RayConfig, ReplicaConfig
from drrec.errors import InputError, escaped, shown
from drrec.files import home
from drrec.serving.config import ServeConfig

if TYPE_CHECKING:
    from drrec.serving.store import Store

STORE = pathlib.Path("store", "events.db")
"""The store of a folder of runs, unless --store names another."""

SERVING = "serving"
"""The data set that a store is turned into."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve(Stage):
    """Serve a saved run by HTTP, with sessions that last."""

    serve: ServeConfig = dataclasses.field(default_factory=ServeConfig)
    run: str | None = None
    """Run name or folder, or a .drrec file; by default the latest trained run, and newer ones as
    they appear."""
    also: str | None = None
    """Another run, which serves --share of users and sessions."""
    store: str | None = None
    """Where sessions and feedback are kept: a file (SQLite), or a URL such as
    postgresql://user@host/name. By default store/events.db beside save_model/."""
    cluster: RayConfig = dataclasses.field(default_factory=RayConfig)
    scale: ReplicaConfig = dataclasses.field(default_factory=ReplicaConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateLog(Stage):
    """Estimate from a store what a run would have earned in place of what was served."""

    run: str
    """Run name or folder, or a .drrec file."""
    store: str | None = None
    """The store; by default store/events.db beside save_model/."""
    explore: float | None = None
    """Exploration that the run is imagined with; by default that of the log. (0 to 1]"""
    json: bool = False
    """Print JSON instead of a table."""

    def __post_init__(self) -> None:
        from drrec.ranges import check_ranges

        check_ranges(self, {"(0, 1]": ("explore",)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update(Stage):
    """Go on from a trained run with the feedback of a store, and write a new run."""

    run: str | None = None
    """Run name or folder; by default the latest trained run."""
    source: Annotated[pathlib.Path | None, tyro.conf.arg(name="from")] = None
    """The store: a file or a URL. By default store/events.db beside save_model/."""
    name: str | None = None
    """Name of the new run. By default data set, agent and time."""
    steps_share: float = 0.25
    """Steps to train for, as a share of those of the run that was trained first. (0 to 100]"""
    device: Device = dataclasses.field(default_factory=Device)

    def __post_init__(self) -> None:
        from drrec.ranges import check_ranges

        check_ranges(self, {"(0, 100]": ("steps_share",)})


def main_serve(arguments: Serve) -> int:
    """`run.py serve`."""
    for library in ("OPENBLAS", "MKL", "OMP"):  # read when NumPy is loaded, which is below
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # products of a request are small
    _check_installed()
    from drrec.serving.models import Source
    from drrec.serving.run import serve
    from drrec.serving.server import Job

    config, root = arguments.serve, str(_root(arguments).resolve())

    def source(run: str | None) -> Source:
        data_dir = str((arguments.data_dir or home() / "data").resolve())
        return Source(run=run, root=root, retrieval=config.retrieval, data_dir=data_dir)

    job = Job(
        config=config,
        main=source(arguments.run),
        also=None if arguments.also is None else source(arguments.also),
        store=arguments.store or str(_root(arguments).resolve() / STORE),
        limits=dataclasses.asdict(arguments.limits),
    )
    if arguments.cluster.ray is None:
        serve(job)
        return 0
    from drrec.cluster.session import connected
    from drrec.serving.replicas import serve_apart

    with contextlib.suppress(KeyboardInterrupt), connected(arguments.cluster) as cluster:
        if cluster is not None:
            serve_apart(job, cluster, arguments.scale)
    return 0


def main_data_serving(arguments: Data) -> int:
    """`run.py data serving`: the feedback of a store as a log."""
    from drrec.serving.exporting import write_log

    where = arguments.prepare.source
    if where is None:
        raise InputError(
            "Expected --from and the file of a store with `data serving`. Received: none. It is "
            f"{STORE} unless `serve` was told otherwise."
        )
    folder = (arguments.data_dir or home() / "data") / (arguments.prepare.to or SERVING)
    store = opened_store(arguments, str(where))
    try:
        path, rows = write_log(store, folder)
    finally:
        store.close()
    sys.stdout.write(escaped(f"{rows:,} rows: {path}") + "\n")
    return 0


def main_evaluate_log(arguments: EvaluateLog) -> int:
    """`run.py evaluate-log`."""
    _check_installed()
    from drrec.files import to_json
    from drrec.serving.judging import estimated, table_of
    from drrec.serving.models import Source

    root = _root(arguments)
    store = opened_store(arguments, arguments.store)
    try:
        path = Source(run=arguments.run, root=str(root)).path()
        found = estimated(store, path, arguments.explore)
    finally:
        store.close()
    said = to_json(found) if arguments.json else table_of(found)
    sys.stdout.write(escaped(said.rstrip("\n"), keep="\n\t") + "\n")
    return 0


def _root(arguments: Stage) -> pathlib.Path:
    return arguments.runs_dir or home()


def opened_store(arguments: Stage, named: str | None) -> Store:
    """A store that is there already: by a file's name or a URL, or that of the folder of runs.

    Raises:
        InputError: there is none, or it is damaged.
    """
    where = _address(named or str(_root(arguments) / STORE))
    _check_installed()
    from drrec.serving.store import Store

    file = where.removeprefix("sqlite:///")
    if "://" not in file and not pathlib.Path(file).is_file():
        raise InputError(
            f"Expected the file of a store. Received: {shown(where)}, where there is none. `serve` "
            "makes one."
        )
    return Store.open(where)


def _address(where: str) -> str:
    """A URL as it was before it was taken for a path, which has lost a slash of two."""
    scheme, colon, rest = where.partition(":/")
    return f"{scheme}://{rest}" if colon and scheme.startswith("postgres") else where


def _check_installed() -> None:
    try:
        import fastapi
        import sqlalchemy
        import uvicorn
    except ImportError as error:
        raise InputError(
            f"Expected the packages that serving needs. Received: no {error.name}. Install them: "
            "pip install 'drrec[serve]'."
        ) from error
    del fastapi, sqlalchemy, uvicorn
