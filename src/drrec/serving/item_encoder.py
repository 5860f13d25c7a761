"""From an item's content to its vector, in NumPy: for items that came after training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.arrays import read_arrays
from drrec.errors import InputError, shown
from drrec.experiment.item_export import digest_of
from drrec.experiment.run import ENCODER
from drrec.reading import conform, parsed_json
from drrec.serving.networks import dense

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Mapping

Weights = dict[str, np.ndarray]

_FORM = {
    "items_sha256": str,
    "modalities": [{"name": str, "dim": int, "encoder": str}],
    "fusion": str,
    "aggregation": str,
    "signs": [int],
    "first": int,
    "text": (dict, None),
}


@dataclasses.dataclass(frozen=True, eq=False)
class NumPyItemEncoder:
    """`nn.item_encoder.ItemEncoder` of a run, one item at a time."""

    head: dict[str, Any]
    parts: list[Weights]
    rest: np.ndarray  # [D] what an item without ratings has beside the encoder's columns

    @classmethod
    def beside(cls, model: pathlib.Path, items: np.ndarray) -> Self | None:
        """That of a model's file and its item vectors; None if there is none of these.

        Raises:
            InputError: the file is damaged.
        """
        path = model.parent / ENCODER
        if not path.is_file():
            return None
        arrays = read_arrays(path, "an item encoder", "Train the run anew.")
        head = parsed_json(str(arrays.pop("head", "")), f"{path}")
        conform(head, _FORM, f"{path}")
        if head["items_sha256"] != digest_of(items):
            return None
        parts = [
            {
                name.removeprefix(f"{number}/"): each
                for name, each in arrays.items()
                if name.startswith(f"{number}/")
            }
            for number in range(len(head["signs"]))
        ]
        made = cls(head, parts, arrays["rest"])
        try:
            made.vector({each["name"]: np.zeros(each["dim"]) for each in head["modalities"]})
        except (IndexError, KeyError, ValueError) as error:
            raise InputError(
                f"Expected an item encoder whose parts fit in {path}. Received: others. Train the "
                "run anew."
            ) from error
        return made

    @property
    def dims(self) -> dict[str, int]:
        """Widths of the features by modality."""
        return {each["name"]: each["dim"] for each in self.head["modalities"]}

    @property
    def made_by(self) -> dict[str, str]:
        """Names of the features' encoders by modality."""
        return {each["name"]: each["encoder"] for each in self.head["modalities"]}

    def check(self, features: Mapping[str, Any]) -> None:
        """See that features are of these modalities, and one at least.

        Raises:
            InputError: they are not.
        """
        wanted = ", ".join(f"{name} ({dim:,} numbers)" for name, dim in self.dims.items())
        fits = features and all(
            len(each) == self.dims.get(name, -1) for name, each in features.items()
        )
        if not fits:
            got = ", ".join(f"{name} ({len(each):,})" for name, each in features.items())
            raise InputError(f"Expected features of {wanted}. Received: {shown(got or 'none')}.")

    def vector(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """[D] float32, from features of one modality or more."""
        given = [
            np.asarray(features.get(name, np.zeros(dim)), np.float32)[None]
            for name, dim in self.dims.items()
        ]
        present = np.array([[name in features for name in self.dims]])
        first, vector = self.head["first"], self.rest.copy()
        for sign, weights in zip(self.head["signs"], self.parts, strict=True):
            encoded = self._encoded(weights, given, present)
            vector[first : first + len(encoded)] += np.float32(sign) * encoded
        return vector

    def _encoded(
        self, weights: Weights, given: list[np.ndarray], present: np.ndarray
    ) -> np.ndarray:
        standard = [
            (each - weights[f"mean/{number}"]) / weights[f"deviation/{number}"]
            for number, each in enumerate(given)
        ]
        fusion = _FUSIONS[self.head["fusion"]]
        fused = fusion(weights, standard, present, self.head["aggregation"])
        return (weights["scale"] * fused)[0]


def _layer(weights: Weights, name: str, inputs: np.ndarray) -> np.ndarray:
    return dense(inputs, weights[f"{name}/kernel"], weights.get(f"{name}/bias"))


def _each(weights: Weights, name: str, features: list[np.ndarray]) -> list[np.ndarray]:
    return [_layer(weights, f"{name}/{number}", each) for number, each in enumerate(features)]


def _only_present(features: list[np.ndarray], present: np.ndarray) -> list[np.ndarray]:
    return [np.where(present[:, m : m + 1], each, 0) for m, each in enumerate(features)]


def _mean(vectors: list[np.ndarray], present: np.ndarray) -> np.ndarray:
    count = np.maximum(present.sum(axis=1, keepdims=True), 1).astype(np.float32)
    return np.sum(_only_present(vectors, present), axis=0) / count


def _early(
    weights: Weights, features: list[np.ndarray], present: np.ndarray, aggregation: str
) -> np.ndarray:
    if aggregation == "concat":
        return _layer(weights, "dense", np.concatenate(_only_present(features, present), axis=1))
    return _layer(weights, "dense", _mean(_each(weights, "projections", features), present))


def _late(
    weights: Weights, features: list[np.ndarray], present: np.ndarray, aggregation: str
) -> np.ndarray:
    vectors = _each(weights, "layers", features)
    if aggregation == "mean":
        return _mean(vectors, present)
    return np.concatenate(_only_present(vectors, present), axis=1)


def _gated(weights: Weights, features: list[np.ndarray], present: np.ndarray, _: str) -> np.ndarray:
    stacked = np.stack(_each(weights, "sources", features), axis=1)  # [B, M, D]
    stacked = np.where(present[:, :, None], stacked, 0)
    scores = _layer(weights, "query", np.tanh(_layer(weights, "key", stacked)))[:, :, 0]
    scores = np.where(present, scores, np.float32(-1e9))
    attention = np.exp(scores - scores.max(axis=1, keepdims=True))
    attention /= attention.sum(axis=1, keepdims=True)
    fused = np.sum((attention * present)[:, :, None] * stacked, axis=1)  # [B, D]
    gate = 1 + np.tanh(_layer(weights, "gate", fused) / 2)  # twice the logistic function
    return gate * fused


_FUSIONS: dict[str, Callable[[Weights, list[np.ndarray], np.ndarray, str], np.ndarray]] = {
    "early": _early,
    "late": _late,
    "gated": _gated,
}
