"""Encoders of every architecture, against the plain use of `transformers` on one item."""

import json
import pathlib
import pickle

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tests.features.tiny import WORDS, encoder, save_encoder, tone, write_trailer

from drrec.errors import InputError
from drrec.features.encoders import chosen_device, has_bfloat16
from drrec.features.hub import encoder_folder
from drrec.features.processors import ProcessorConfig, Words

MODALITY = {
    "vit": "video", "deit": "video", "dinov2": "video", "clip": "video", "siglip": "video",
    "ast": "audio", "whisper": "audio", "bert": "text",
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("encoders")
    return {kind: save_encoder(place / kind, kind) for kind in MODALITY}


@pytest.fixture(scope="module")
def trailer(tmp_path_factory):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    louder = np.linspace(0.1, 1, 40_000, dtype=np.float32)
    path = tmp_path_factory.mktemp("media") / "trailers/1.mp4"
    return write_trailer(
        path, [first // darker for darker in (1, 2, 3, 4)], tone(500, 2.5) * louder
    )


def prepared(folder, modality, trailer):
    if modality == "text":
        return Words(str(folder), 64)(WORDS)
    config = ProcessorConfig(modality=modality, folder=str(folder), frames=3, seconds=10)
    return config.load()(trailer)


def plain(folder, kind, inputs):
    """Tokens of one item, as anybody would get them."""
    loaded = transformers.AutoModel.from_pretrained(folder).eval()
    if kind in ("clip", "siglip"):
        loaded = loaded.vision_model
    if kind == "whisper":
        loaded = loaded.encoder
    with torch.no_grad():
        return loaded(**inputs).last_hidden_state


@pytest.mark.parametrize("kind", MODALITY)
def test_vectors_are_those_of_a_plain_loop(folders, trailer, kind):
    modality = MODALITY[kind]
    batch = prepared(folders[kind], modality, trailer)
    found = encoder(folders[kind], modality).vectors(batch)
    assert len(found) == len(batch.lengths) >= 2
    assert np.isfinite(found).all()
    for row, vector in enumerate(found):
        inputs = {name: torch.from_numpy(a[row : row + 1]) for name, a in batch.inputs.items()}
        skipped = {"vit": 1, "deit": 2, "dinov2": 1, "clip": 1, "ast": 2}.get(kind, 0)
        if modality == "text":  # alone, without padding
            length = int(batch.lengths[row])
            inputs = {name: array[:, :length] for name, array in inputs.items()}
        tokens = plain(folders[kind], kind, inputs)[0]
        if kind == "ast":  # 2 tokens, then 2 rows of patches along time
            heard = (1 + (int(batch.lengths[row]) - 400) // 160 - 16) // 10 + 1
            tokens = tokens[2:].reshape(2, -1, 24)[:, :heard].reshape(-1, 24)
        elif kind == "whisper":
            tokens = tokens[: -(-100 * int(batch.lengths[row]) // batch.window)]
        else:
            tokens = tokens[skipped:]
        np.testing.assert_allclose(vector, tokens.mean(0).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "deit", "dinov2", "clip", "bert"])
def test_cls_is_the_class_token(folders, trailer, kind):
    modality = MODALITY[kind]
    batch = prepared(folders[kind], modality, trailer)
    found = encoder(folders[kind], modality, pooling="cls").vectors(batch)
    inputs = {name: torch.from_numpy(array) for name, array in batch.inputs.items()}
    expected = plain(folders[kind], kind, inputs)[:, 0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_cls_of_ast_is_what_its_authors_pool(folders, trailer):
    batch = prepared(folders["ast"], "audio", trailer)
    found = encoder(folders["ast"], "audio", pooling="cls").vectors(batch)
    model = transformers.AutoModel.from_pretrained(folders["ast"]).eval()
    with torch.no_grad():
        expected = model(torch.from_numpy(batch.inputs["input_values"])).pooler_output
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["siglip", "whisper"])
def test_cls_of_a_model_without_one_is_refused(folders, trailer, kind):
    batch = prepared(folders[kind], MODALITY[kind], trailer)
    with pytest.raises(InputError, match=r"class token .* Use --pooling mean"):
        encoder(folders[kind], MODALITY[kind], pooling="cls").vectors(batch)


@pytest.mark.parametrize("kind", ["vit", "ast", "bert"])
def test_bfloat16_is_float32_within_two_hundredths(folders, trailer, kind):
    batch = prepared(folders[kind], MODALITY[kind], trailer)
    exact = encoder(folders[kind], MODALITY[kind]).vectors(batch)
    rough = encoder(folders[kind], MODALITY[kind], bfloat16=True).vectors(batch)
    error = np.linalg.norm(rough - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert 0 < error.max() < 0.02


@pytest.mark.parametrize(
    ("modality", "kind", "said"),
    [
        ("video", "bert", "a model of images. Received: a model of text"),
        ("text", "vit", "a model of text. Received: a model of images"),
        ("audio", "bert", "a model of sound. Received: a model of text"),
        ("text", "whisper", "a model of text. Received: a model of sound"),
        ("video", "ast", "a model of images. Received: a model of sound"),
    ],
)
def test_a_model_of_the_wrong_kind_is_refused(folders, modality, kind, said):
    with pytest.raises(InputError, match=f"the {modality} model {kind} to be {said}") as refused:
        encoder(folders[kind], modality)
    assert f"--{modality}-model" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_of_two_towers_the_one_asked_for_is_taken(folders):
    words = torch.tensor([[2, 7, 3]])
    clip = transformers.AutoModel.from_pretrained(folders["clip"]).eval()
    with torch.no_grad():
        expected = clip.text_model(input_ids=words).last_hidden_state.mean(1)
    from drrec.features.processors import Prepared

    inputs = {"input_ids": words.numpy(), "attention_mask": np.ones((1, 3), np.int64)}
    found = encoder(folders["clip"], "text").vectors(Prepared(inputs, np.array([3]), 3))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def without(name):
    def remove(folder):
        (folder / name).unlink()

    return remove


def pickled(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def half_the_weights(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {
        name: w for name, w in weights.items() if "layer.1" not in name and "layers.1" not in name
    }
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5_000])


def adapted(folder):
    adapter = {"base_model_name_or_path": "somebody/else", "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))


def with_setting(name, value, inside=None):
    def add(folder):
        path = folder / "config.json"
        config = json.loads(path.read_text())
        (config.setdefault(inside, {}) if inside else config)[name] = value
        path.write_text(json.dumps(config))

    return add


def no_config(folder):
    (folder / "config.json").write_text(json.dumps({"name": "none"}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("model.safetensors"), "without model.safetensors"),
        (without("config.json"), "without config.json"),
        (pickled, "pytorch_model.bin. Convert its weights: pickles are never opened"),
        (half_the_weights, r"Expected all weights of .* missing, such as"),
        (cut_weights, "as `transformers` saves it"),
        (no_config, "as `transformers` saves it"),
        (adapted, "weights and settings alone. Received: adapter_config.json"),
        (with_setting("transformers_weights", "adapter_model.bin"), "Received: transformers_we"),
        (with_setting("attn_implementation", "some/kernel"), "'some/kernel' in config.json"),
        (with_setting("_attn_implementation", "some/kernel", "vision_config"), "'some/kernel' in"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(tmp_path, spoil, said):
    folder = save_encoder(tmp_path / "vit", "vit")
    spoil(folder)
    with pytest.raises(InputError, match=said) as refused:
        encoder(folder, "video")
    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)


class Payload:
    """Pickled, it creates a file where it is opened."""

    def __init__(self, ran):
        self.ran = ran

    def __reduce__(self):
        return pathlib.Path.touch, (self.ran,)


def test_no_code_and_no_pickle_in_a_models_folder_runs(tmp_path, trailer):
    ran = tmp_path / "ran"
    folder = save_encoder(tmp_path / "vit", "vit")
    expected = encoder(folder, "video").vectors(prepared(folder, "video", trailer))
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n")
    for name in ("config.json", "preprocessor_config.json"):
        kinds = ("AutoConfig", "AutoModel", "AutoImageProcessor", "AutoProcessor")
        code = {"auto_map": {kind: "evil.Evil" for kind in kinds}}
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | code))
    for name in ("pytorch_model.bin", "adapter_model.bin", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Payload(ran)))
    found = encoder(folder, "video").vectors(prepared(folder, "video", trailer))
    np.testing.assert_array_equal(found, expected)
    assert not ran.exists()
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="pickles are never opened"):
        encoder(folder, "video")
    assert not ran.exists()
    pickle.loads((folder / "training_args.bin").read_bytes())
    assert ran.exists(), "where it is opened it runs"


def test_a_folder_without_its_processor_is_refused(tmp_path, trailer):
    folder = save_encoder(tmp_path / "vit", "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"Expected the image processor .*vit"):
        prepared(folder, "video", trailer)


def test_neither_hub_nor_folder_says_the_name_and_both_ways_to_mend_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as refused:
        encoder_folder("google/vit-base-patch16-224-in21k", "b456", "video")
    said = str(refused.value)
    assert "'google/vit-base-patch16-224-in21k' (revision b456)" in said
    assert "--video-model FOLDER" in said
    assert "hf download google/vit-base-patch16-224-in21k --revision b456" in said
    assert "HF_HOME" in said
    assert "\n" not in said


def test_a_hub_that_cannot_be_reached_is_given_up_at_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(InputError, match=r"'a/b' \(revision main\).*ConnectionRefusedError"):
        encoder_folder("a/b", "main", "text")
    assert caplog.text == ""


def test_what_the_cache_of_the_hub_holds_is_found_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--a--b/snapshots/0123"
    save_encoder(kept, "bert")
    (tmp_path / "models--a--b/refs").mkdir()
    (tmp_path / "models--a--b/refs/main").write_text("0123")
    assert encoder_folder("a/b", "main", "text") == kept
    assert encoder_folder(str(kept), "whatever", "text") == kept


def test_a_processor_counts_as_the_plain_one(folders, trailer):
    batch = prepared(folders["dinov2"], "video", trailer)
    process = transformers.AutoImageProcessor.from_pretrained(folders["dinov2"], backend="pil")
    from drrec.features.media import frames_of

    expected = [process(images=frame, return_tensors="np") for frame in frames_of(trailer, 3)]
    for row, one in zip(batch.inputs["pixel_values"], expected, strict=True):
        np.testing.assert_array_equal(row, one["pixel_values"][0])
    assert isinstance(frames_of(trailer, 1)[0], Image.Image)


def test_sound_is_divided_into_windows(folders, trailer):
    batch = prepared(folders["ast"], "audio", trailer)
    assert batch.window == 128 * 160
    assert batch.lengths[0] == batch.window
    assert 0.9 < (batch.lengths.sum() / 40_000) <= 1.03
    short = ProcessorConfig(modality="audio", folder=str(folders["ast"]), frames=1, seconds=0.5)
    assert short.load()(trailer).lengths.tolist() == [8_000]


def test_a_card_that_is_not_there_is_refused():
    assert chosen_device(-1) == "cpu"
    with pytest.raises(InputError, match="Expected `gpu` to be"):
        chosen_device(torch.cuda.device_count())
    assert isinstance(has_bfloat16("cpu"), bool)
