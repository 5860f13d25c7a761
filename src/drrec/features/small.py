"""Small untrained encoders of the three architectures, built here from a seed.

Random features with mean pooling keep what a picture, a sound or a text is made of: a linear
probe finds colour and motion, pitch and loudness, and words in them. They know nothing of the
world, as trained encoders do, and reports say so.
"""

from __future__ import annotations

import collections
import hashlib
import json
import pathlib
import re
import string
from typing import TYPE_CHECKING

import torch
import transformers

from drrec.features.encoders import quiet
from drrec.files import removed, whole_folder
from drrec.locks import held

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = 2
_MOST_WORDS = 6_000
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NAMES = {"video": "untrained ViT", "audio": "untrained AST", "text": "untrained BERT"}


def small_name(modality: str, seed: int) -> str:
    """What reports call it."""
    return f"{NAMES[modality]} (seed {seed})"


def build_small_encoders(folder: pathlib.Path, texts: Sequence[str], seed: int) -> None:
    """Put a ViT, an AST and a BERT into `video/`, `audio/` and `text/` of a folder.

    The same texts and seed give the same weights, byte for byte; what is there already of them
    is left as it is.

    Args:
        folder: is replaced as a whole.
        texts: the vocabulary is the words in them, the most frequent first.
        seed: of the weights.
    """
    made_of = hashlib.sha256(json.dumps([_VERSION, seed, list(texts)]).encode()).hexdigest()
    stamp = folder / "made_of"
    with held(folder, f"encoders in {folder}", wait=True):
        if stamp.is_file() and stamp.read_text() == made_of:
            return
        if folder.exists():
            removed(folder)
        with whole_folder(folder) as side:
            with quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                _build_video(side / "video")
                _build_audio(side / "audio")
                _build_text(side / "text", texts)
            (side / "made_of").write_text(made_of)


def _build_video(folder: pathlib.Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=384,
        image_size=48,
        patch_size=8,
    )
    model = transformers.ViTModel(config, add_pooling_layer=False)
    _strengthen(model, 4)
    with torch.no_grad():
        # A thing that moves must change the mean over patches: it has to count where it is.
        model.embeddings.position_embeddings.mul_(10)
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessorPil(size={"height": 48, "width": 48})
    processor.save_pretrained(folder)


def _build_audio(folder: pathlib.Path) -> None:
    # A patch is as high as the spectrogram: its mean over time keeps which tones there were.
    config = transformers.ASTConfig(
        hidden_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=384,
        patch_size=32,
        frequency_stride=32,
        time_stride=4,
        max_length=256,
        num_mel_bins=32,
    )
    model = transformers.ASTModel(config)
    _strengthen(model, 3)
    with torch.no_grad():
        model.embeddings.position_embeddings.zero_()  # when a tone was heard says nothing
    model.save_pretrained(folder)
    transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=256).save_pretrained(folder)


def _build_text(folder: pathlib.Path, texts: Sequence[str]) -> None:
    words = vocabulary(texts)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=192,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=384,
        max_position_embeddings=512,
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    _strengthen(model, 4)
    with torch.no_grad():
        # Which word it is counts, not where: of a bag of words the mean keeps every word.
        model.embeddings.word_embeddings.weight.mul_(5)
    model.save_pretrained(folder)
    tokenizer = transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(words)}, do_lower_case=True
    )
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)


def vocabulary(texts: Sequence[str]) -> list[str]:
    """WordPieces of texts: their words, the most frequent first, and single letters for others."""
    counts = collections.Counter(
        word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower())
    )
    letters = sorted({letter for word in counts for letter in word} | set(string.ascii_lowercase))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:_MOST_WORDS]
    pieces = [*letters, *(f"##{letter}" for letter in letters), *words]
    return list(dict.fromkeys([*_SPECIAL, *pieces]))


def _strengthen(model: transformers.PreTrainedModel, scale: float) -> None:
    """Twelve layers begin with small weights; of two they would leave a bare projection."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(scale)
