"""Which card or processor computes, said once."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from drrec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def select(gpu: int | None) -> str:
    """Load TensorFlow, pick a device and let memory grow.

    Args:
        gpu: the number of a card, −1 for the processor, None for the first card if there is one.

    Returns:
        What was chosen, in words.

    Raises:
        InputError: there is no such card.
    """
    with _native_stderr_hidden():
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
    if gpu is not None and (gpu < -1 or gpu >= len(cards)):
        raise InputError(
            f"Expected `gpu` to be −1 or the number of one of {len(cards)} cards. "
            f"Received: {gpu}. Use --gpu -1 for the processor, or install requirements-gpu.txt."
        )
    chosen = [] if gpu == -1 else cards[gpu or 0 : (gpu or 0) + 1]
    tf.config.set_visible_devices(chosen, "GPU")
    if gpu is not None:
        # TensorFlow has counted its cards by now; processes begun from here see the chosen one.
        numbers = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        own = numbers[gpu] if 0 <= gpu < len(numbers) and numbers[gpu] else str(gpu)
        os.environ["CUDA_VISIBLE_DEVICES"] = own if chosen else ""
    for card in chosen:
        tf.config.experimental.set_memory_growth(card, True)
    if not chosen:
        return f"processor, {os.cpu_count()} cores"
    name = tf.config.experimental.get_device_details(chosen[0]).get("device_name", "unknown")
    return f"GPU {gpu or 0} ({name})"


@contextlib.contextmanager
def _native_stderr_hidden() -> Iterator[None]:
    """Native libraries write to descriptor 2 before any log level applies."""
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
