"""Texts of new items, encoded in a process of its own: the server never loads PyTorch."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import sys
from typing import Any

from starlette.exceptions import HTTPException

import drrec
from drrec.errors import InputError

MOST_WAITING = 4
"""Texts that wait for the one that is encoded; more are refused."""


class TextEncoding:
    """One process at a time, started for each text: encoders are large, and new items rare."""

    def __init__(self, seconds: float) -> None:
        """`seconds` that a text may take, waiting included."""
        self._seconds = seconds
        self._turn = asyncio.Semaphore()
        self._waiting = 0

    async def encoded(self, settings: dict[str, Any], text: str) -> list[float]:
        """The vector of a text.

        Raises:
            HTTPException: too many wait, or it took too long.
            InputError: the encoder is not there, or refuses the text.
        """
        if self._waiting > MOST_WAITING:
            raise HTTPException(
                429,
                f"Expected at most {MOST_WAITING} texts that wait to be encoded. Received: more. "
                "Try again later, or send features.",
                headers={"retry-after": "10"},
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                return await _in_a_process(settings, text)
        except TimeoutError as error:
            raise HTTPException(
                503,
                f"Expected the text's encoder to answer within {self._seconds:g} seconds. "
                "Received: no answer. Try again later, or send features.",
                headers={"retry-after": "30"},
            ) from error
        finally:
            self._waiting -= 1


async def _in_a_process(settings: dict[str, Any], text: str) -> list[float]:
    source = str(pathlib.Path(drrec.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "drrec.features.one"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        asked = json.dumps({"settings": settings, "text": text}).encode()
        said, _ = await process.communicate(asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise InputError(
            "Expected an encoder of texts. Received: none that works here; the server's log says "
            "more. Install it (pip install 'drrec[extract]'), or send features."
        )
    answer = json.loads(said)
    if "error" in answer:
        raise InputError(answer["error"])
    return answer["vector"]
