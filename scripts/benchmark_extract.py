"""Measures extraction against a plain loop: the part `extract` of `bash scripts/benchmark.sh`.

The plain loop takes one item at a time, as the pages of `transformers` show it: decode, processor,
model in float32. Ours is given the same media, model and machine. Models are of the size of
ViT-base, AST-base and BERT-base, with random weights; both are measured warm, turn by turn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fractions
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from drrec.features.encoders import Encoder
    from drrec.features.work import Work

SECONDS, FPS, SIZE, RATE = 10, 24, (360, 640), 44_100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extraction:
    """Items a second that `run.py extract` encodes, against a plain loop, for each modality."""

    modality: str = "video,audio,text"
    """Which to measure."""
    items: int = 8
    """Trailers of 10 s; of texts there are eight times as many."""
    rounds: int = 2
    """Times that each is measured, turn by turn."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Ours; the plain loop is in float32."""
    gpu: int | None = None
    """Card; -1 is the processor."""
    json: bool = False
    """Print one JSON object."""


def measure_extraction(options: Extraction) -> dict[str, Any]:
    """Make media and models, and encode them in both ways."""
    from drrec.features.config import ExtractConfig
    from drrec.features.encoders import Encoder, EncoderConfig, chosen_device, has_bfloat16

    device = chosen_device(options.gpu)
    is_half = options.precision == "bfloat16" or (
        options.precision == "auto" and has_bfloat16(device)
    )
    measured: dict[str, Any] = {"device": device, "bfloat16": is_half}
    config = ExtractConfig(modality=options.modality)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for modality in config.modalities:
            model = _save_model(folder / modality, modality)
            sources = (
                _texts(8 * options.items) if modality == "text" else _trailers(folder, options)
            )
            settings = EncoderConfig(
                modality=modality,
                folder=model,
                name="random",
                pooling="mean",
                bfloat16=is_half,
                device=device,
            )
            encode = _ours(config, Encoder(settings), sources)
            rates = _measured(encode, _plain(settings, config, sources), options, len(sources))
            measured |= {f"{modality}_{name}": value for name, value in rates.items()}
    return measured


def _measured(
    ours: contextlib.AbstractContextManager[Callable[[], np.ndarray]],
    plain: Callable[[], np.ndarray],
    options: Extraction,
    num_items: int,
) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    with ours as encode:
        for _ in range(options.rounds):
            for name, run in (("plain", plain), ("ours", encode)):
                started = time.perf_counter()
                vectors = run()
                seconds[name].append(time.perf_counter() - started)
                if name == "plain":
                    exact = vectors
        error = np.linalg.norm(vectors - exact, axis=1) / np.linalg.norm(exact, axis=1)
    best = {name: num_items / min(taken) for name, taken in seconds.items()}
    return {
        "plain_items_per_second": best["plain"],
        "items_per_second": best["ours"],
        "speedup": best["ours"] / best["plain"],
        "largest_relative_difference": float(error.max()),
    }


@contextlib.contextmanager
def _ours(config: Any, encoder: Encoder, sources: list[Any]) -> Any:
    """As `extract` does it, without what it does once: loading, and starting processes."""
    from drrec.features.processors import ProcessorConfig
    from drrec.features.work import MediaWork, TextWork

    folder = str(encoder.config.folder)
    if encoder.config.modality == "text":
        text = TextWork(config, folder, sources)
        numbers = range(len(text.groups))
        next(text.batches(encoder, numbers[-1:]))
        yield lambda: _in_order(text, list(text.batches(encoder, numbers)), len(sources))
        return
    processor = ProcessorConfig(
        modality=encoder.config.modality,
        folder=folder,
        frames=config.frames,
        seconds=config.seconds,
    )
    ids = [path.stem for path in sources]
    media = MediaWork(config, processor, ids, {path.stem: [path] for path in sources}, False)
    numbers = range(len(media.groups))
    with contextlib.closing(media):
        list(media.batches(encoder, numbers[-1:]))
        yield lambda: _in_order(media, list(media.batches(encoder, numbers)), len(ids))


def _in_order(work: Work, batches: list[Any], size: int) -> np.ndarray:
    vectors = np.zeros((size, batches[0].features.shape[1]), np.float32)
    for group, batch in zip(work.groups, batches, strict=True):
        vectors[group] = batch.features
    return vectors


def _plain(settings: Any, config: Any, sources: list[Any]) -> Callable[[], np.ndarray]:
    """One item at a time, in float32."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(settings.folder).eval().to(settings.device)
    prepare = _preparation(settings, config)
    skipped = {"video": 1, "audio": 2, "text": 0}[settings.modality]

    @torch.no_grad()
    def encode() -> np.ndarray:
        rows = []
        for source in sources:
            tokens = model(**prepare(source).to(settings.device)).last_hidden_state
            if settings.modality == "audio":
                tokens = _heard(tokens, source)
            rows.append(tokens[:, skipped:].mean(dim=(0, 1)).cpu().numpy())
        return np.stack(rows)

    return encode


def _preparation(settings: Any, config: Any) -> Callable[[Any], Any]:
    import transformers

    folder = settings.folder
    if settings.modality == "text":
        tokenize = transformers.AutoTokenizer.from_pretrained(folder)
        cut = {"truncation": True, "max_length": config.max_tokens}
        return lambda text: tokenize(text, return_tensors="pt", **cut)
    if settings.modality == "video":
        process = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        return lambda path: process(images=_all_frames(path, config.frames), return_tensors="pt")
    extract = transformers.AutoFeatureExtractor.from_pretrained(folder)
    return lambda path: extract(_all_sound(path), sampling_rate=16_000, return_tensors="pt")


def _heard(tokens: Any, path: pathlib.Path) -> Any:
    """Without the patches of padding, so that both ways pool the same."""
    import torch

    from drrec.features.pooling import real_tokens

    class Base:
        model_type, num_mel_bins, patch_size = "audio-spectrogram-transformer", 128, 16
        frequency_stride = time_stride = 10

    lengths = torch.tensor([min(len(_all_sound(path)), 1024 * 160)])
    real = real_tokens(Base, tokens.shape[1], lengths, 1024 * 160)[0]
    return tokens[:, real.to(tokens.device)]


def _all_frames(path: pathlib.Path, count: int) -> list[Any]:
    import av

    with av.open(str(path)) as container:
        size = container.streams.video[0].frames
        wanted = {int((segment + 0.5) * size / count) for segment in range(count)}
        frames = enumerate(container.decode(video=0))
        return [frame.to_image() for place, frame in frames if place in wanted]


def _all_sound(path: pathlib.Path) -> np.ndarray:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        blocks = [b for frame in container.decode(audio=0) for b in resampler.resample(frame)]
    blocks += resampler.resample(None)
    return np.concatenate([block.to_ndarray()[0] for block in blocks])[: 1024 * 160]


def _save_model(folder: pathlib.Path, modality: str) -> pathlib.Path:
    import torch
    import transformers

    from drrec.features.encoders import quiet

    torch.manual_seed(0)
    with quiet():
        if modality == "video":
            model: Any = transformers.ViTModel(transformers.ViTConfig())
            other: Any = transformers.ViTImageProcessorPil()
        elif modality == "audio":
            model = transformers.ASTModel(transformers.ASTConfig())
            other = transformers.ASTFeatureExtractor()
        else:
            model = transformers.BertModel(transformers.BertConfig())
            special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            words = [*special, *(f"w{number}" for number in range(30_000))]
            vocab = {word: place for place, word in enumerate(words)}
            other = transformers.BertTokenizer(vocab=vocab)
        model.save_pretrained(folder)
        other.save_pretrained(folder)
    return folder


def _texts(count: int) -> list[str]:
    """Of 20 to 220 words, as plots are."""
    rng = np.random.default_rng(0)
    return [
        " ".join(f"w{word}" for word in rng.integers(0, 30_000, rng.integers(20, 220)))
        for _ in range(count)
    ]


def _trailers(folder: pathlib.Path, options: Extraction) -> list[pathlib.Path]:
    """H.264 and AAC, with a picture that moves and a sound that is no silence."""
    import av

    made = []
    (folder / "trailers").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(options.items):
        path = folder / f"trailers/{number}.mp4"
        made.append(path)
        if path.exists():
            continue
        ground = rng.integers(0, 255, (SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
        ground = ground.repeat(8, 0).repeat(8, 1)
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
            video.height, video.width, video.pix_fmt = *SIZE, "yuv420p"
            audio = container.add_stream("aac", rate=RATE)
            audio.layout = "mono"
            for step in range(SECONDS * FPS):
                frame = av.VideoFrame.from_ndarray(np.roll(ground, 4 * step, 1), format="rgb24")
                frame.pts, frame.time_base = step, fractions.Fraction(1, FPS)
                container.mux(video.encode(frame))
            container.mux(video.encode())
            sound = rng.normal(0, 0.1, (1, SECONDS * RATE)).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(sound, format="flt", layout="mono")
            heard.sample_rate, heard.pts = RATE, 0
            container.mux(audio.encode(heard))
            container.mux(audio.encode())
    return made
