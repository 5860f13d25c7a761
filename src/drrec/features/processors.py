"""From a file or a text to the arrays that an encoder takes: what decoding processes do."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import transformers

from drrec.errors import InputError
from drrec.features.bounds import MediaLimits
from drrec.features.media import Unusable, frames_of, sound_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError)


class Prepared(NamedTuple):
    """B frames, windows of sound or texts, as arrays that an encoder takes by name."""

    inputs: dict[str, np.ndarray]  # [B, …] each
    lengths: np.ndarray  # [B] how much of each is no padding: samples, tokens, or 1
    window: int  # what `lengths` would be without padding

    def rows(self, start: int, stop: int) -> Prepared:
        """Some of its rows."""
        inputs = {name: array[start:stop] for name, array in self.inputs.items()}
        return Prepared(inputs, self.lengths[start:stop], self.window)


def joined(parts: Sequence[Prepared]) -> Prepared:
    """Their rows one after the other."""
    names = parts[0].inputs
    inputs = {name: np.concatenate([part.inputs[name] for part in parts]) for name in names}
    return Prepared(inputs, np.concatenate([part.lengths for part in parts]), parts[0].window)


class Processor(Protocol):
    """Prepares one file."""

    def __call__(self, path: pathlib.Path) -> Prepared:
        """Prepare it.

        Raises:
            Unusable: it cannot be.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
    """Which processor, and how much of a file it takes. Small: it is sent to other processes."""

    modality: str
    folder: str
    frames: int
    seconds: float
    limits: MediaLimits = dataclasses.field(default_factory=MediaLimits)
    homes: tuple[str, ...] = ()  # folders that a link may not lead out of; none lets it

    def check(self, path: pathlib.Path) -> None:
        """Refuse a link to a file elsewhere.

        Raises:
            Unusable: it is one.
        """
        real = path.resolve()
        if self.homes and not any(real.is_relative_to(home) for home in self.homes):
            raise Unusable("a link that leads out of the media folder (--follow-links)")

    def load(self) -> Processor:
        """Load it.

        Raises:
            InputError: the folder holds none of this kind.
        """
        return Frames(self) if self.modality == "video" else Sound(self)


class Frames:
    """Frames of a video, or the one of an image, through the encoder's image processor."""

    def __init__(self, config: ProcessorConfig) -> None:
        self._config = config
        self._process = _loaded(
            "image processor",
            config.folder,
            lambda: transformers.AutoImageProcessor.from_pretrained(
                config.folder, backend="pil", local_files_only=True, trust_remote_code=False
            ),
        )

    def __call__(self, path: pathlib.Path) -> Prepared:
        """Prepare at most `frames` of a file's; see `Processor`."""
        self._config.check(path)
        frames = frames_of(path, self._config.frames, self._config.limits)
        try:
            pixels = self._process(images=frames, return_tensors="np")["pixel_values"]
        except _BROKEN as error:  # such as a picture that is one pixel wide
            raise Unusable(f"{type(error).__name__}: {error}") from error
        return Prepared({"pixel_values": pixels}, np.ones(len(pixels), np.int64), 1)


class Sound:
    """Windows of a sound track, each as long as the encoder takes at once."""

    def __init__(self, config: ProcessorConfig) -> None:
        self._config = config
        self._extract = _loaded(
            "feature extractor",
            config.folder,
            lambda: transformers.AutoFeatureExtractor.from_pretrained(
                config.folder, local_files_only=True, trust_remote_code=False
            ),
        )
        self.rate = int(self._extract.sampling_rate)
        self.window = self._window()

    def __call__(self, path: pathlib.Path) -> Prepared:
        """Prepare the windows of a file; see `Processor`."""
        config = self._config
        config.check(path)
        sound = sound_of(path, self.rate, config.seconds, self.window, config.limits)
        windows = [
            sound[start : start + self.window] for start in range(0, len(sound), self.window)
        ]
        if len(windows) > 1 and len(windows[-1]) < self.window // 4:
            windows.pop()  # a rest that is nearly all padding says little
        try:
            made = [self._arrays(window) for window in windows]
        except _BROKEN as error:  # such as a sound that is shorter than a frame
            raise Unusable(f"{type(error).__name__}: {error}") from error
        inputs = {name: np.concatenate([arrays[name] for arrays in made]) for name in made[0]}
        return Prepared(inputs, np.array([len(window) for window in windows]), self.window)

    def _arrays(self, window: np.ndarray) -> dict[str, np.ndarray]:
        # Spectrograms pad themselves; extractors that hand on the wave have to be told.
        is_wave = getattr(self._extract, "feature_size", 0) == 1 and not self._frames()
        padding = {"padding": "max_length", "max_length": self.window} if is_wave else {}
        made = self._extract(window, sampling_rate=self.rate, return_tensors="np", **padding)
        return {name: made[name] for name in made if name.startswith("input_")}

    def _frames(self) -> int:
        """Frames of a spectrogram of fixed size, such as AST's, 10 ms each; 0 for others."""
        return int(getattr(self._extract, "max_length", 0) or 0)

    def _window(self) -> int:
        samples = getattr(self._extract, "n_samples", None)
        if samples:
            return int(samples)
        return self._frames() * self.rate // 100 or 10 * self.rate


class Words:
    """Texts through the encoder's tokenizer, padded to the longest of each batch."""

    def __init__(self, folder: str, max_tokens: int) -> None:
        """Load it.

        Raises:
            InputError: the folder holds none.
        """
        self._tokenizer = _loaded(
            "tokenizer",
            folder,
            lambda: transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            ),
        )
        if self._tokenizer.pad_token is None:  # of many causal models; it is masked anyway
            self._tokenizer.pad_token = self._tokenizer.eos_token
        longest = min(max_tokens, self._tokenizer.model_max_length)
        self._options: dict[str, Any] = {"truncation": True, "max_length": longest}

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        if not texts:
            return []
        return [len(ids) for ids in self._tokenizer(list(texts), **self._options)["input_ids"]]

    def __call__(self, texts: Sequence[str]) -> Prepared:
        """Prepare a batch of texts."""
        made = self._tokenizer(
            list(texts),
            padding=True,
            padding_side="right",  # on the left it would shift positions that are learned
            return_tensors="np",
            return_attention_mask=True,
            **self._options,
        )
        real = made["attention_mask"]
        return Prepared(dict(made), real.sum(axis=1), real.shape[1])


def _loaded(kind: str, folder: str, load: Any) -> Any:
    try:
        return load()
    except _BROKEN as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"Expected the {kind} of a model in {folder}. Received: {line}. Get the whole folder, "
            "its .json and .txt files too."
        ) from error
