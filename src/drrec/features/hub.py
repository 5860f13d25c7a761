"""Where an encoder's files are: a folder, the hub's cache, or the hub; and their hash."""

from __future__ import annotations

import hashlib
import logging
import os
import pathlib
import socket
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, shown
from drrec.reading import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")


def encoder_folder(name: str, revision: str, modality: str) -> pathlib.Path:
    """The folder of an encoder, see `model_folder`."""
    return model_folder(name, revision, f"the {modality} model", f"--{modality}-model")


def model_folder(name: str, revision: str, what: str, flag: str) -> pathlib.Path:
    """The folder of a model, downloaded if it is neither a folder nor in the hub's cache.

    Args:
        name: a folder, or a name on the hub.
        revision: commit, tag or branch on the hub.
        what: the model in an error's words.
        flag: that names it.

    Raises:
        InputError: it cannot be had; the message says the name and both ways to mend it.
    """
    folder = pathlib.Path(name).expanduser()
    if folder.is_dir():
        return folder
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    import huggingface_hub
    from huggingface_hub import errors

    def snapshot(*, is_cached: bool) -> pathlib.Path:
        return pathlib.Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, local_files_only=is_cached, allow_patterns=list(_FILES)
            )
        )

    try:
        try:
            return snapshot(is_cached=True)
        except errors.LocalEntryNotFoundError:
            _check_reach(huggingface_hub.constants.ENDPOINT)
            return snapshot(is_cached=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()).split(". ")[0][:200]
        raise InputError(
            f"Expected {what} {shown(name)} (revision {revision}) as a folder or on the "
            f"hub. Received: neither ({type(error).__name__}: {reason}). Either download it where "
            f"there is a network (`hf download {name} --revision {revision} --local-dir FOLDER`) "
            f"and give {flag} FOLDER, or bring that machine's cache of the hub and "
            "name it in HF_HOME."
        ) from error


def _check_reach(endpoint: str) -> None:
    """Find out in a moment what the hub's own client finds out after half a minute of trying."""
    host = urllib.parse.urlsplit(endpoint)
    is_offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    if is_offline or urllib.request.getproxies() or not host.hostname:
        return
    port = host.port or (443 if host.scheme == "https" else 80)
    socket.create_connection((host.hostname, port), timeout=10).close()


def weights_sha256(folder: pathlib.Path, what: str) -> str:
    """SHA-256 of a model's safetensors file; of several, of all in the order of their names.

    Raises:
        InputError: there is none, or no config.json beside it.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (folder / "config.json").is_file():
        missing = "model.safetensors" if not files else "config.json"
        others = sorted(path.name for path in folder.glob("*.bin"))
        mend = "Convert its weights: pickles are never opened." if others else "Name a model's."
        raise InputError(
            f"Expected {what} in {folder} with config.json and model.safetensors. Received: a "
            f"folder without {missing}{f' but with {others[0]}' if others else ''}. {mend}"
        )
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def check_loads_nothing_else(folder: pathlib.Path, what: str) -> None:
    """Refuse a folder from which `transformers` would go on to load something else.

    With `peft` installed an adapter names the model to load, and its weights may be a pickle; with
    `kernels` installed a config may name compiled code on the hub that stands in for attention.

    Raises:
        InputError: it holds an adapter, or its config names other weights or code.
    """
    received = "adapter_config.json" if (folder / "adapter_config.json").exists() else ""
    path = folder / "config.json"
    for name, value in _settings(read_json(path)) if path.is_file() else ():
        is_code = name.strip("_").startswith("attn_implementation") and "/" in str(value)
        if is_code or name == "transformers_weights":
            received = f"{name[:50]}: {str(value)[:100]!r} in config.json"
    if received:
        raise InputError(
            f"Expected {what} in {folder} to be weights and settings alone. Received: {received}. "
            "Take that out, or name another model."
        )


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    """Names and values at any depth."""
    waiting = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from ((str(name), value) for name, value in one.items())
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
