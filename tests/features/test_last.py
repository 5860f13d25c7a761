"""Hidden states of causal language models: the last token of each text, as if it were alone."""

import h5py
import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tests.features.tiny import WORDS, dataset_of, encoder, save_encoder, write_image

from drrec.errors import InputError
from drrec.features.config import ExtractConfig
from drrec.features.extract import extract
from drrec.features.processors import Words
from drrec.features.store import features_path, load_features

KINDS = ("qwen3", "gpt2")
"""Positions by rotation, and positions that are learned."""


def save_causal(folder, kind, padding_side="right"):
    words = sorted({word for text in WORDS for word in text.replace(",", " ,").split()})
    vocab = {word: n for n, word in enumerate(["<end>", "<unk>", *words])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer = transformers.PreTrainedTokenizerFast(  # which names no padding
        tokenizer_object=made, unk_token="<unk>", eos_token="<end>", padding_side=padding_side
    )
    torch.manual_seed(0)
    if kind == "qwen3":
        config = transformers.Qwen3Config(
            vocab_size=len(vocab), hidden_size=24, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, head_dim=12,
        )  # fmt: skip
        model = transformers.Qwen3ForCausalLM(config)
    else:
        config = transformers.GPT2Config(
            vocab_size=len(vocab),
            n_embd=24,
            n_layer=2,
            n_head=2,
            n_positions=64,
            bos_token_id=0,
            eos_token_id=0,
        )
        model = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("causal")
    return {kind: save_causal(place / kind, kind) for kind in KINDS}


def alone(folder, text):
    """The hidden state of its last token, as anybody would get it."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model(ids, output_hidden_states=True).hidden_states[-1][0, -1].numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_last_is_the_last_token_of_each_text_alone(tmp_path, kind, side):
    folder = save_causal(tmp_path / kind, kind, side)
    batch = Words(str(folder), 64)(WORDS)
    assert len({*batch.lengths.tolist()}) > 1
    found = encoder(folder, "text", pooling="last").vectors(batch)
    for text, vector in zip(WORDS, found, strict=True):
        np.testing.assert_allclose(vector, alone(folder, text), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_causal_model_has_no_class_token(folders, kind):
    with pytest.raises(InputError, match=r"pooling cls\. Received: a causal .* Use --pooling last"):
        encoder(folders[kind], "text", pooling="cls")
    encoder(folders[kind], "text", pooling="mean")


def test_the_last_token_of_bert_is_refused(tmp_path):
    folder = save_encoder(tmp_path / "bert", "bert")
    with pytest.raises(InputError, match=r"pooling last\. Received: another\. Use --pooling mean"):
        encoder(folder, "text", pooling="last")


def test_features_of_a_causal_model_go_into_the_store(folders, tmp_path):
    data = dataset_of(["1", "2"], titles=WORDS[:2])
    settings = {"text_model": str(folders["qwen3"]), "pooling": "last", "precision": "float32"}
    captions = tmp_path / "captions.jsonl"
    captions.write_text('{"item_id": "2", "caption": "chase at night"}\n')
    config = ExtractConfig(modality="text", text_file=captions, **settings)
    extract(config, data, tmp_path, -1)
    stored = load_features(features_path(tmp_path, data.key), data, ["text"])["text"]
    expected = alone(folders["qwen3"], f"{WORDS[1]}. chase at night.")
    np.testing.assert_allclose(stored.features[2], expected, rtol=1e-4, atol=1e-5)
    with h5py.File(features_path(tmp_path, data.key)) as file:
        assert file["text"].attrs["pooling"] == "last"


def test_last_is_for_text_alone(tmp_path):
    write_image(tmp_path / "media/images/1.png", np.zeros((8, 8, 3), np.uint8))
    config = ExtractConfig(
        modality="video", video_model="small", pooling="last", media=tmp_path / "media"
    )
    with pytest.raises(InputError, match=r"last for text alone\. Received: video"):
        extract(config, dataset_of(["1"], titles=["a"]), tmp_path, -1)
