"""What there is to encode of one modality, in fixed batches: files decoded ahead, or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from drrec.features.decoding import Decoders
from drrec.features.journal import Batch
from drrec.features.processors import ProcessorConfig, Sound, Words, joined

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Mapping, Sequence

    from drrec.features.config import ExtractConfig
    from drrec.features.decoding import Decoded
    from drrec.features.encoders import Encoder


class Work(Protocol):
    """The batches of one modality: the same ones, whatever of them was done before."""

    groups: list[np.ndarray]
    """Rows of each batch."""

    def contents(self) -> Any:
        """All that is to be encoded, as JSON has it."""
        ...

    def batches(self, encoder: Encoder, numbers: range) -> Iterator[Batch]:
        """Encode the batches of these numbers, of which each is one more than the last."""
        ...

    def close(self) -> None:
        """End what works ahead of the encoder."""
        ...


class MediaWork:
    """Files of items, decoded in other processes while the encoder works."""

    def __init__(
        self,
        config: ExtractConfig,
        processor: ProcessorConfig,
        ids: Sequence[str],
        files: Mapping[str, Sequence[pathlib.Path]],
        spread: bool,
    ) -> None:
        """Divide the files into batches.

        Args:
            config: the extraction's.
            processor: what decoding processes load.
            ids: [I'] raw ids; rows are places in it.
            files: of each item that has any, in the order to try.
            spread: whether frames are pooled into mean and spread.
        """
        self._config, self._processor, self._spread = config, processor, spread
        self._decoders: Decoders | None = None
        self._files = {row: list(files[raw]) for row, raw in enumerate(ids) if raw in files}
        each = config.frames
        if processor.modality == "audio":
            sound = Sound(processor)
            each = int(-(-config.seconds * sound.rate // sound.window))
        self.groups = _chunks(np.array(list(self._files), np.int64), config.batch_size // each)

    def contents(self) -> Any:
        """Names, sizes and times of the files."""
        return [
            [row, [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]]
            for row, files in self._files.items()
        ]

    def batches(self, encoder: Encoder, numbers: range) -> Iterator[Batch]:
        """Encode; see `Work`."""
        if self._decoders is None:
            self._decoders = Decoders(self._processor, self._config.workers)
        groups = self.groups[numbers.start : numbers.stop]
        items = (tuple(map(str, self._files[row])) for group in groups for row in group)
        decoded = self._decoders.decoded(items)
        for group in groups:
            yield self._encoded(encoder, [next(decoded) for _ in group])

    def close(self) -> None:
        """End the decoding processes."""
        if self._decoders is not None:
            self._decoders.close()
            self._decoders = None

    def _encoded(self, encoder: Encoder, decoded: list[Decoded]) -> Batch:
        there = [one.prepared for one in decoded if one.prepared is not None]
        if not there:
            return _batch([None] * len(decoded), [one.reason for one in decoded])
        rows, size = joined(there), self._config.batch_size
        vectors = np.concatenate(
            [
                encoder.vectors(rows.rows(start, start + size))
                for start in range(0, len(rows.lengths), size)
            ]
        )
        ends = np.cumsum([len(one.lengths) for one in there])[:-1]
        by_item = zip(np.split(vectors, ends), np.split(rows.lengths, ends), strict=True)
        pooled = [self._pooled(*item) for item in by_item]
        return _batch(
            [None if one.prepared is None else pooled.pop(0) for one in decoded],
            [one.reason for one in decoded],
        )

    def _pooled(self, vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        mean = np.average(vectors, axis=0, weights=lengths).astype(np.float32)
        return np.concatenate([mean, vectors.std(axis=0)]) if self._spread else mean


class TextWork:
    """Texts of items, the short ones together, so that little is padded."""

    def __init__(self, config: ExtractConfig, folder: str, texts: Sequence[str]) -> None:
        """Divide the texts into batches; `texts` [I'], "" where there is nothing to read."""
        self._texts = texts
        self._words = Words(folder, config.max_tokens)
        rows = np.array([row for row, text in enumerate(texts) if text], np.int64)
        lengths = self._words.lengths([texts[row] for row in rows])
        self.groups = _chunks(rows[np.argsort(lengths, kind="stable")], config.batch_size)

    def contents(self) -> Any:
        """The texts."""
        return list(self._texts)

    def batches(self, encoder: Encoder, numbers: range) -> Iterator[Batch]:
        """Encode; see `Work`."""
        for group in self.groups[numbers.start : numbers.stop]:
            vectors = encoder.vectors(self._words([self._texts[row] for row in group]))
            yield _batch(list(vectors), [""] * len(group))

    def close(self) -> None:
        """There is nothing to end."""


def _chunks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    size = max(size, 1)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _batch(vectors: Sequence[np.ndarray | None], reasons: Sequence[str]) -> Batch:
    width = max((len(vector) for vector in vectors if vector is not None), default=0)
    features = np.zeros((len(vectors), width), np.float32)
    present, said = np.zeros(len(vectors), bool), list(reasons)
    for row, vector in enumerate(vectors):
        if vector is None:
            continue
        present[row] = np.isfinite(vector).all()
        if present[row]:
            features[row] = vector
        else:
            said[row] = "the encoder gave a number that is none"
    return Batch(features, present, said)
