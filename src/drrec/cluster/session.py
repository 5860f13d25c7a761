"""A connection to a cluster, or a cluster of one's own for as long as a command takes."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import drrec
from drrec.cluster.config import LOCAL, RayConfig
from drrec.cluster.tasks import Cluster, Setup
from drrec.errors import InputError, shown, told
from drrec.limits import current, num_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_PREFIX = "drrec-ray-"


@contextlib.contextmanager
def connected(
    config: RayConfig, begin: Callable[[], object] = lambda: None, *, takes_card: bool = False
) -> Iterator[Cluster | None]:
    """The cluster that `--ray` asks for, until the end of the body; None without `--ray`.

    Args:
        config: which cluster, and how much of it.
        begin: called once in each worker before its first task, such as to load TensorFlow.
        takes_card: whether a worker takes a GPU where the cluster has some.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if config.ray is None:
        yield None
        return
    ray = ray_module()
    with contextlib.ExitStack() as left:
        own = config.ray == LOCAL
        folder = left.enter_context(_temporary_folder()) if own else None
        with _signals_kept():
            _begin(ray, config, folder)
        left.callback(ray.shutdown)
        cores, there = config.ray_cores or 1, [each for each in ray.nodes() if each["Alive"]]
        cards = int(takes_card and _room(there, {"GPU": 1}) > 0)
        room = _room(there, {"CPU": cores, "GPU": cards})
        if room < 1:
            most = max((each["Resources"].get("CPU", 0) for each in there), default=0)
            raise InputError(
                f"Expected a cluster with a machine of {cores} cores for a worker. Received: one "
                f"whose largest has {most:g}. Pass fewer --ray-cores, or begin its machines."
            )
        setup = Setup(limits=current(), folder=os.getcwd(), begin=begin)
        yield Cluster(
            machines=len({each["NodeManagerAddress"] for each in there}),
            workers=min(room, config.ray_workers or room),
            cores=cores,
            cards=cards,
            threads=config.ray_cores,
            setup=setup,
        )


def _room(machines: Sequence[dict[str, Any]], needs: dict[str, int]) -> int:
    """How many workers the machines have room for."""
    return sum(
        min(int(each["Resources"].get(name, 0) // need) for name, need in needs.items() if need)
        for each in machines
    )


def ray_module() -> Any:
    """Ray, which is imported only where it is used.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "Expected Ray, for --ray. Received: none. Install it: pip install 'drrec[scale]'."
        ) from error
    return ray


def _begin(ray: Any, config: RayConfig, folder: str | None) -> None:
    own: dict[str, Any] = {"include_dashboard": False, "_temp_dir": folder} if folder else {}
    try:
        _knock(config.ray or LOCAL)
        ray.init(
            address=config.ray,
            runtime_env={"env_vars": _variables(config.ray_cores)},
            logging_level="ERROR",
            log_to_driver=False,
            **own,
        )
    except Exception as error:  # of no class of its own, where a machine is too slow to begin
        reason = told(error).rstrip(".")
        raise InputError(
            f"Expected a Ray cluster at --ray {shown(config.ray)}. Received: {reason}. Begin one "
            "by `ray start --head`, or leave the address out for one on this machine."
        ) from error


def _knock(address: str) -> None:
    """See in a moment that somebody listens, where Ray tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _variables(cores: int | None) -> dict[str, str]:
    """What workers have in their environment: this process's threads, and where it imports from."""
    threads = {name: str(cores or os.environ.get(name) or num_cores()) for name in _THREADS}
    source = str(pathlib.Path(drrec.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    return threads | {"PYTHONPATH": path, "TQDM_DISABLE": "1"}


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray has SIGTERM end the process at once; it is the command's to hear."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """Ray's sockets and logs, under a short path: sockets may have 107 characters."""
    above = pathlib.Path(tempfile.gettempdir())
    for left in above.glob(f"{_PREFIX}*"):  # of commands that were killed
        _, _, number = left.name.removeprefix(_PREFIX).partition("-")
        if number.isdecimal() and not pathlib.Path("/proc", number).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=_PREFIX, suffix=f"-{os.getpid()}", dir=above, ignore_cleanup_errors=True
    ) as folder:
        yield folder
