"""Processes that begin at once: forked from one that has loaded PyTorch, which takes seconds."""

import multiprocessing
import os
import sys
from multiprocessing import connection
from unittest import mock

import torch.distributed as dist
import tqdm

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.llm.launched", "tests.llm.tiny", "drrec.llm.score"])
tqdm.tqdm.get_lock()  # a process that made its own would leave a semaphore when it is killed


def begun(function, *given) -> multiprocessing.process.BaseProcess:
    """A process that runs a function of a module."""
    process = CONTEXT.Process(target=function, args=given)
    # Where the process that is forked looks for what it loads.
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        process.start()
    return process


def run_by_two(function, *given) -> None:
    """Run it in two processes, which find each other as those of `torchrun` do: by a store."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes = [begun(_run, rank, store.port, function, *given) for rank in range(2)]
    while running := [process for process in processes if process.exitcode is None]:
        connection.wait([process.sentinel for process in running])
        if any(process.exitcode for process in processes):  # the other one waits for it
            for process in running:
                process.kill()
    assert [process.exitcode for process in processes] == [0, 0]


def _run(rank, port, function, *given) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    function(*given)
