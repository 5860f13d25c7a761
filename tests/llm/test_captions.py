"""Captions by a tiny vision-language model: batches, pictures, failures, resuming."""

import json

import numpy as np
import pytest
import torch
import transformers
from tests.features.tiny import dataset_of, gray, save_encoder, write_image, write_trailer
from tests.llm.seeing import save_vision_model

from drrec.errors import InputError
from drrec.features.decoding import decode
from drrec.features.processors import Prepared
from drrec.features.sources import Source
from drrec.llm import captions as captions_module
from drrec.llm.captions import Captioner, read_captions, shortened
from drrec.llm.config import CaptionConfig, ModelConfig
from drrec.llm.vision import PictureConfig, VisionLanguage, opened_vision


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_vision_model(tmp_path_factory.mktemp("vision") / "model")


@pytest.fixture(scope="module")
def vision(folder):
    return opened_vision(folder, "cpu")


@pytest.fixture
def media(tmp_path):
    rng = np.random.default_rng(0)
    for raw in "ab":
        pixels = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        write_image(tmp_path / f"media/images/{raw}.png", pixels)
    write_trailer(tmp_path / "media/trailers/c.mp4", [gray(level) for level in (20, 90, 160, 230)])
    return tmp_path / "media"


def pictures(folder, *paths, frames=3) -> list[Prepared]:
    config = PictureConfig(
        modality="video", folder=str(folder), frames=frames, seconds=1, pixels=2048
    )
    processor = config.load()
    return [processor(path) for path in paths]


def logits(vision: VisionLanguage, seen: list[Prepared], requests="a film") -> torch.Tensor:
    """[B, V] of the first word of each caption."""
    prompts = [vision.prompt(requests, each) for each in seen]
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(one)) + one for one in prompts])
    is_token = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts])
    beside = vision.beside(prompts, seen)
    with torch.inference_mode():
        return vision.model(input_ids=ids, attention_mask=is_token, **beside).logits[:, -1]


def captioner(folder, media, dataset=None, **changes) -> Captioner:
    settings = {"vision_model": str(folder), "caption_tokens": 8, "workers": 1} | changes
    config = CaptionConfig(**settings)
    dataset = dataset or dataset_of(["a", "b", "c", "d"])
    return Captioner(config, ModelConfig(), dataset, Source(media, None), "cpu")


@pytest.fixture
def decoded_here(monkeypatch):
    """Decoding in this process: a process of its own takes seconds to begin."""

    class Here:
        def __init__(self, config, _):
            self._processor = config.load()

        def decoded(self, items):
            return (decode(self._processor, files) for files in items)

        def close(self):
            pass

    monkeypatch.setattr(captions_module, "Decoders", Here)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_prepared_pictures_are_those_of_transformers(folder, media):
    (found,) = pictures(folder, media / "images/a.png")
    from PIL import Image

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    with Image.open(media / "images/a.png") as image:
        expected = processor(
            images=[image.convert("RGB")],
            return_tensors="np",
            size={"shortest_edge": 1024, "longest_edge": 2048},
        )
    np.testing.assert_array_equal(found.inputs["pixel_values"], expected["pixel_values"])
    assert found.lengths.tolist() == [len(expected["pixel_values"]) // 4]


def test_a_batch_is_each_alone(vision, folder, media):
    paths = (media / "images/a.png", media / "trailers/c.mp4", media / "images/b.png")
    seen = pictures(folder, *paths)
    assert [len(each.lengths) for each in seen] == [1, 3, 1]
    alone = torch.cat([logits(vision, [each]) for each in seen])
    torch.testing.assert_close(logits(vision, seen), alone, rtol=1e-4, atol=1e-4)
    words = vision.answers("a film", seen, 8, 0.0)
    assert words == [vision.answers("a film", [each], 8, 0.0)[0] for each in seen]


def test_another_picture_gives_another_caption_logit(vision, folder, media):
    first, second = pictures(folder, media / "images/a.png", media / "images/b.png")
    assert (logits(vision, [first]) - logits(vision, [second])).abs().max() > 0.01


def test_captions_of_pictures_and_trailers_go_into_a_file(folder, media, tmp_path):
    said = captioner(folder, media).run(tmp_path / "captions.jsonl", 0)
    assert said.startswith("captions: 3 of 3 items with media, 0 of them there already")
    made = lines(tmp_path / "captions.jsonl")
    assert [each["item_id"] for each in made] == ["a", "b", "c"]
    assert all(each["caption"] for each in made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions.jsonl", "media"]
    texts = read_captions(tmp_path / "captions.jsonl", dataset_of(["d", "b"]))
    assert texts == ["", made[1]["caption"], ""]  # items are in the order of their ids


def test_a_killed_run_goes_on_and_a_changed_picture_is_captioned_anew(
    folder, media, tmp_path, monkeypatch, decoded_here
):
    whole = tmp_path / "whole/captions.jsonl"
    captioner(folder, media, caption_batch=1).run(whole, 0)
    path, asked = tmp_path / "killed/captions.jsonl", []
    answers = VisionLanguage.answers

    def killed_at_the_second(self, request, seen, *rest):
        asked.append(len(seen))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return answers(self, request, seen, *rest)

    monkeypatch.setattr(VisionLanguage, "answers", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        captioner(folder, media, caption_batch=1).run(path, 0)
    side = path.with_name(".captions.jsonl.part")
    assert len(lines(side)) == 1
    side.write_bytes(side.read_bytes() + b'{"item_id": "b", "capt')  # torn by the kill
    captioner(folder, media, caption_batch=1).run(path, 0)
    assert len(asked) == 4
    assert path.read_bytes() == whole.read_bytes()
    captioner(folder, media, caption_batch=1).run(path, 0)
    assert len(asked) == 4
    write_image(media / "images/a.png", gray(200))
    captioner(folder, media, caption_batch=1).run(path, 0)
    assert len(asked) == 5


def test_a_killed_run_goes_on_in_the_same_batches_although_a_picture_fails(
    folder, media, tmp_path, monkeypatch, decoded_here
):
    (media / "images/a.png").write_bytes(b"no picture")
    for raw, level in {"d": 200, "e": 90}.items():
        write_image(media / f"images/{raw}.png", gray(level))
    dataset, asked = dataset_of(["a", "b", "d", "e"]), []
    answers = VisionLanguage.answers

    def killed_at_the_fourth(self, request, seen, *rest):
        asked.append(len(seen))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return answers(self, request, seen, *rest)

    monkeypatch.setattr(VisionLanguage, "answers", killed_at_the_fourth)
    whole, path = tmp_path / "whole/captions.jsonl", tmp_path / "killed/captions.jsonl"
    captioner(folder, media, dataset, caption_batch=2).run(whole, 0)
    assert asked == [1, 2]  # b without a, then d and e
    with pytest.raises(KeyboardInterrupt):
        captioner(folder, media, dataset, caption_batch=2).run(path, 0)
    captioner(folder, media, dataset, caption_batch=2).run(path, 0)
    assert asked[4:] == [2]
    assert path.read_bytes() == whole.read_bytes()


def test_what_fails_is_tried_again_and_never_stored_as_empty(
    folder, media, tmp_path, monkeypatch, decoded_here
):
    (media / "images/d.png").write_bytes(b"no picture")
    path, temperatures = tmp_path / "captions.jsonl", []

    def silent_about_films(self, request, seen, tokens, temperature):
        temperatures.append(temperature)
        return ["", "  <think>so"][: len(seen)] if "frames" in request else ["Red."] * len(seen)

    monkeypatch.setattr(VisionLanguage, "answers", silent_about_films)
    said = captioner(folder, media).run(path, 0)
    assert [each["item_id"] for each in lines(path)] == ["a", "b"]
    assert "c: the model wrote nothing" in said
    assert "d: d.png: no picture of a kind that is opened" in said
    assert temperatures == [0.0, 0.0, captions_module.RETRY_TEMPERATURE, *temperatures[3:]]
    assert len(temperatures) == 4
    monkeypatch.setattr(VisionLanguage, "answers", lambda self, r, seen, *_: ["Blue."] * len(seen))
    captioner(folder, media).run(path, 0)
    assert [each["caption"] for each in lines(path)] == ["Red.", "Red.", "Blue."]


def test_nothing_captioned_is_refused(folder, media, tmp_path, monkeypatch, decoded_here):
    monkeypatch.setattr(VisionLanguage, "answers", lambda self, r, seen, *_: [" "] * len(seen))
    with pytest.raises(InputError, match=r"caption of at least one item\. Received: none \(a: the"):
        captioner(folder, media).run(tmp_path / "captions.jsonl", 0)
    assert not (tmp_path / "captions.jsonl").exists()


def no_template(folder):
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("none", "without model.safetensors"),
        ("text", "a model without pictures of kind bert"),
        ("no template", "a chat template with a place for each picture"),
    ],
)
def test_a_folder_that_is_no_vision_language_model_is_refused(
    media, tmp_path, decoded_here, kind, said
):
    place = tmp_path / "model"
    if kind == "none":
        place.mkdir()
    elif kind == "text":
        save_encoder(place, "bert")
    else:
        no_template(save_vision_model(place))
    with pytest.raises(InputError, match=said) as refused:
        captioner(place, media).run(tmp_path / "captions.jsonl", 0)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "captions.jsonl").exists()


def test_captions_end_with_a_sentence_where_one_does():
    assert shortened("One two. Three four five", 4) == "One two."
    assert shortened("One 2.5 three", 2) == "One 2.5"
    assert shortened(" a\nb ", 2) == "a b"


def test_settings_decide_whether_captions_are_made_anew(folder, media):
    before = captioner(folder, media)._made_of
    assert captioner(folder, media, caption_batch=1)._made_of == before
    for name, value in {"frames": 2, "caption_words": 9, "image_pixels": 4096}.items():
        assert captioner(folder, media, **{name: value})._made_of != before
