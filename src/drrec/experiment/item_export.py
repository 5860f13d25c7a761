"""Item encoders as serving reads them: their weights by name, without Keras."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.arrays import write_arrays
from drrec.experiment.run import ENCODER
from drrec.registry import FUSIONS

if TYPE_CHECKING:
    import pathlib

    from drrec.agents.base import Agent
    from drrec.embeddings.pretrain import Content, Vectors
    from drrec.nn.item_encoder import ItemEncoder

_OWN_FUSIONS = ("early", "late", "gated")
_LISTS = ("projections", "layers", "sources")
_SINGLE = ("dense", "key", "query", "gate")


def write_item_encoder(
    folder: pathlib.Path, agent: Agent, final: Vectors, content: Content | None
) -> None:
    """Write what makes the vector of an item that is not in the log out of its content.

    Nothing is written, and what is there is removed, where an item has no such vector: without
    content, with vectors by contrast, with a plug-in's fusion, or where scores are not the agent's
    alone. Call it after `agent.finish`.

    Args:
        folder: of the run.
        agent: finished on `final`.
        final: the vectors that the model is saved with.
        content: what items are known by.
    """
    path = folder / ENCODER
    encoder = final.encoder
    is_plain = not (agent.config.blend or agent.proposer_name)
    if encoder is None or content is None or not is_plain or not _is_exported(content):
        path.unlink(missing_ok=True)
        return
    # A tuned encoder has moved items by the way from where it began.
    parts = [(1, encoder), *agent.tuned_encoders()]
    arrays: dict[str, Any] = {}
    for number, (_, each) in enumerate(parts):
        arrays |= {f"{number}/{name}": value for name, value in named_weights(each).items()}
    items = agent.state()["item_vectors"]
    config = content.config
    head = {
        "items_sha256": digest_of(items),
        "modalities": [
            {"name": name, "dim": each.features.shape[1], "encoder": each.encoder}
            for name, each in content.features.items()
        ],
        "fusion": config.fusion,
        "aggregation": encoder.fusion.aggregation,
        "signs": [sign for sign, _ in parts],
        "first": final.table.dim - encoder.width,
        "text": content.text,
    }
    arrays["head"] = np.array(json.dumps(head))
    arrays["rest"] = _rest(agent, items, final.table.dim, encoder.width)
    write_arrays(path, arrays)


def digest_of(items: np.ndarray) -> str:
    """SHA-256 of a table of vectors, which an encoder belongs to."""
    return hashlib.sha256(np.ascontiguousarray(items).tobytes()).hexdigest()


def named_weights(encoder: ItemEncoder) -> dict[str, np.ndarray]:
    """An encoder's weights by name: standardisation, the fusion's dense layers, and the scale."""
    found = {"scale": encoder.scale}
    for number, (mean, deviation) in enumerate(zip(encoder.means, encoder.deviations, strict=True)):
        found |= {f"mean/{number}": mean, f"deviation/{number}": deviation}
    for name in _LISTS:
        for number, layer in enumerate(getattr(encoder.fusion, name, [])):
            found |= {f"{name}/{number}/kernel": layer.kernel, f"{name}/{number}/bias": layer.bias}
    for name in _SINGLE:
        if (layer := getattr(encoder.fusion, name, None)) is not None:
            found[f"{name}/kernel"] = layer.kernel
            if layer.use_bias:
                found[f"{name}/bias"] = layer.bias
    return {name: np.array(each, np.float32) for name, each in found.items()}


def _is_exported(content: Content) -> bool:
    is_own = any(
        FUSIONS.path_of(content.config.fusion).startswith(f"drrec.nn.fusion.{name}:")
        for name in _OWN_FUSIONS
    )
    return is_own and not content.config.contrast


def _rest(agent: Agent, items: np.ndarray, dim: int, width: int) -> np.ndarray:
    """[D + E] what an item without ratings has beside the encoder's columns.

    Coordinates that were learned from rewards are those of an item that was never shown, the mean;
    of the ids' half the variational ones are the prior's mean, others 0.
    """
    rest = np.zeros(items.shape[1], np.float32)
    rest[dim:] = items[1:, dim:].mean(axis=0)
    first = 0
    if agent.setup.content.identity == "half":
        for name, size in agent.setup.vectors.shared_out(dim - width).items():
            if name == "variational":
                rest[first : first + size] = items[1:, first : first + size].mean(axis=0)
            first += size
    return rest
