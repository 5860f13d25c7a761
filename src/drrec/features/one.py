"""One text, encoded as a data set's texts were: for an item that came after training.

`python -m drrec.features.one` reads settings and text as JSON from standard input and writes the
vector: a process of its own, as PyTorch and a server share none.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.errors import InputError
from drrec.features.config import SMALL, ExtractConfig
from drrec.reading import conform, parsed_json

if TYPE_CHECKING:
    from drrec.data.dataset import Dataset

_SETTINGS = {
    "model": str,
    "revision": (str, None),
    "folder": (str, None),
    "pooling": str,
    "max_tokens": int,
    "precision": str,
}


def text_settings(kept: str, dataset: Dataset, data_dir: pathlib.Path) -> dict[str, Any] | None:
    """How to encode one more text of a data set; None where that was not kept.

    Args:
        kept: what `sources.kept_with` gave of its texts.
        dataset: the data set.
        data_dir: where it and its encoder are.
    """
    said = parsed_json(kept, "what texts were encoded by")
    settings = said.get("settings", {})
    try:
        config = ExtractConfig(
            **{
                name: settings[name]
                for name in ("text_model", "text_revision", "pooling", "max_tokens", "precision")
            },
            seed=settings["seed"],
        )
    except (KeyError, TypeError, InputError):
        return None
    model = config.model("text", dataset.name)
    small = data_dir / "features" / f"small-{dataset.key}-{config.seed}" / "text"
    return {
        "model": model,
        "revision": None if model == SMALL else config.revision("text", dataset.name),
        "folder": str(small.resolve()) if model == SMALL else None,
        "pooling": config.pooling,
        "max_tokens": config.max_tokens,
        "precision": config.precision,
    }


def encode_text(settings: dict[str, Any], text: str) -> np.ndarray:
    """[W] the vector of a text, on the processor.

    Raises:
        InputError: the encoder is not there, or the text is nothing to it.
    """
    from drrec.features.encoders import Encoder, EncoderConfig, has_bfloat16
    from drrec.features.hub import encoder_folder
    from drrec.features.processors import Words

    conform(settings, _SETTINGS, "the settings of the text encoder")
    model, folder = settings["model"], settings["folder"]
    if folder is not None and not pathlib.Path(folder).is_dir():
        raise InputError(
            f"Expected the text encoder in {folder}. Received: nothing there. Extract the texts "
            "again (drrec extract), or send features."
        )
    place = folder or encoder_folder(model, settings["revision"], "text")
    is_native = settings["precision"] == "auto" and has_bfloat16("cpu")
    config = EncoderConfig(
        modality="text",
        folder=pathlib.Path(place),
        name=model,
        pooling=settings["pooling"],
        bfloat16=settings["precision"] == "bfloat16" or is_native,
        device="cpu",
    )
    words = Words(str(place), settings["max_tokens"])
    vector = Encoder(config).vectors(words([text]))[0]
    if not np.isfinite(vector).all():
        raise InputError("Expected a text that can be encoded. Received: one that gives no number.")
    return vector


def main() -> int:
    """Encode what is asked on standard input; the exit status."""
    asked = json.loads(sys.stdin.buffer.read())
    try:
        said = {"vector": encode_text(asked["settings"], asked["text"]).tolist()}
    except InputError as error:
        said = {"error": str(error)}
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
