"""Tiny media, data sets and encoders of every architecture, made in a moment."""

import fractions
import pathlib

import av
import numpy as np
import torch
import transformers
from PIL import Image

from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.features.decoding import decode
from drrec.features.encoders import Encoder, EncoderConfig

CODECS = {"mp4": "libx264", "mkv": "libx264", "webm": "libvpx", "avi": "mpeg4", "mov": "mjpeg"}
WORDS = ["the storm at sea", "a love of two, and a storm", "chase the two at night", "love"]


class DecodesHere:
    """Decodes in this process, in place of `Decoders`: to start another takes seconds."""

    def __init__(self, config, workers):
        self._processor = config.load()

    def decoded(self, items):
        return (decode(self._processor, files) for files in items)

    def close(self):
        pass


def gray(level: float, size: int = 48) -> np.ndarray:
    """[size, size, 3] uint8 of one shade."""
    return np.full((size, size, 3), level, np.uint8)


def tone(hertz: float, seconds: float = 1.0, rate: int = 16_000) -> np.ndarray:
    """[samples] float32."""
    time = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def write_trailer(path: pathlib.Path, frames=(), sound=None, rate=16_000, fps=8, gop=12):
    """A film of these frames [H, W, 3] uint8 and this sound [samples]; either may be missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix[1:]
    with av.open(str(path), "w") as container:
        video = audio = None
        if len(frames):
            video = container.add_stream(CODECS[kind], rate=fps, options={"g": str(gop)})
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuvj420p" if kind == "mov" else "yuv420p"
        if sound is not None:
            audio = container.add_stream("libopus" if kind == "webm" else "aac", rate=rate)
            audio.layout = "mono"
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, fractions.Fraction(1, fps)
            container.mux(video.encode(picture))
        if video:
            container.mux(video.encode())
        if audio and len(sound):
            heard = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
            heard.sample_rate, heard.pts = rate, 0
            container.mux(audio.encode(heard))
        if audio:
            container.mux(audio.encode())
    return path


def write_image(path: pathlib.Path, pixels: np.ndarray) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def dataset_of(ids, name="mine", titles=None, genres=None):
    """A data set of these items, each rated by two users."""
    count = 2 * len(ids)
    log = Interactions.from_raw(
        ["u", "v"] * len(ids), [raw for raw in ids for _ in "uv"], np.ones(count), np.arange(count)
    )
    none = [""] * len(ids)
    words = (np.array(["", *(given or none)]) for given in (titles, genres))
    return Dataset(name, log, *words)


def save_encoder(folder: pathlib.Path, kind: str) -> pathlib.Path:
    """A small random model of an architecture, with what prepares its inputs."""
    torch.manual_seed(0)
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    size["intermediate_size"] = 32
    image = {"image_size": 32, "patch_size": 8}
    t = transformers
    pixels = {"size": {"height": 32, "width": 32}}
    vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    for word in sorted({word for text in WORDS for word in text.replace(",", " ,").split()}):
        vocab[word] = len(vocab)
    if kind == "vit":
        model = t.ViTModel(t.ViTConfig(**size, **image))
        other = t.ViTImageProcessorPil(**pixels)
    elif kind == "deit":
        model = t.DeiTModel(t.DeiTConfig(**size, **image), add_pooling_layer=False)
        other = t.DeiTImageProcessorPil(do_center_crop=False, **pixels)
    elif kind == "dinov2":
        model = t.Dinov2Model(t.Dinov2Config(**size, **image))
        other = t.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=pixels["size"])
    elif kind == "clip":
        text = {**size, "vocab_size": len(vocab), "eos_token_id": 3, "bos_token_id": 2}
        config = t.CLIPConfig(vision_config={**size, **image}, text_config=text)
        model = t.CLIPModel(config)
        other = t.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=pixels["size"])
    elif kind == "siglip":
        text = {**size, "vocab_size": len(vocab)}
        model = t.SiglipModel(t.SiglipConfig(vision_config={**size, **image}, text_config=text))
        other = t.SiglipImageProcessorPil(**pixels)
    elif kind == "ast":
        spectrum = {"num_mel_bins": 32, "max_length": 128}
        model = t.ASTModel(t.ASTConfig(**size, **spectrum))
        other = t.ASTFeatureExtractor(**spectrum)
    elif kind == "whisper":
        config = t.WhisperConfig(
            d_model=24, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=32,
            decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=50,
            num_mel_bins=20, max_source_positions=100, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None,
            begin_suppress_tokens=None,
        )  # fmt: skip
        model = t.WhisperModel(config)
        other = t.WhisperFeatureExtractor(feature_size=20, chunk_length=2)
    elif kind == "bert":
        model = t.BertModel(t.BertConfig(**size, vocab_size=len(vocab)))
        other = t.BertTokenizer(vocab=vocab)
    else:
        raise KeyError(kind)
    model.save_pretrained(folder)
    other.save_pretrained(folder)
    return folder


def encoder(folder: pathlib.Path, modality: str, **changes) -> Encoder:
    settings = {"pooling": "mean", "bfloat16": False, "name": folder.name} | changes
    return Encoder(EncoderConfig(modality=modality, folder=folder, **settings))
