import numpy as np
import pytest
import torch
from tests.features.tiny import save_encoder, tone
from transformers import ASTConfig, AutoFeatureExtractor, AutoModel, WhisperConfig

from drrec.errors import InputError
from drrec.features.pooling import check_tokens, pooled, real_tokens


def test_the_mean_is_over_real_tokens_that_are_no_class_tokens():
    tokens = torch.tensor([[[9.0], [1.0], [3.0], [100.0]], [[9.0], [2.0], [4.0], [6.0]]])
    real = torch.tensor([[True, True, True, False], [True] * 4])
    assert pooled(tokens, real, 1, "mean").tolist() == [[2], [4]]
    assert pooled(tokens, real, 0, "mean")[0].item() == pytest.approx(13 / 3)
    assert pooled(tokens, real, 1, "cls").tolist() == [[9], [9]]
    assert pooled(tokens, real, 2, "cls").tolist() == [[5], [5.5]]
    assert pooled(tokens.bfloat16(), real, 1, "mean").dtype == torch.float32


def test_the_last_real_token_is_found_on_either_side_of_padding():
    tokens = torch.arange(8.0).reshape(2, 4, 1)
    right = torch.tensor([[True, True, False, False], [True, True, True, True]])
    left = torch.tensor([[False, False, True, True], [False, True, True, True]])
    assert pooled(tokens, right, 0, "last").tolist() == [[1], [7]]
    assert pooled(tokens, left, 0, "last").tolist() == [[3], [7]]


@pytest.mark.parametrize("samples", [16_000, 8_000, 3_000, 500])
def test_real_tokens_of_a_spectrogram_are_the_patches_that_heard_something(tmp_path, samples):
    """Padding is after the sound: a patch is real if it can change when padding is cut off."""
    folder = save_encoder(tmp_path / "ast", "ast")
    extract = AutoFeatureExtractor.from_pretrained(folder)
    config = AutoModel.from_pretrained(folder).config
    spectrum = extract(tone(400, samples / 16_000), sampling_rate=16_000)["input_values"][0]
    frames_heard = int((np.abs(np.diff(spectrum, axis=1)).max(axis=1) > 0).sum())
    along, across = (128 - 16) // 10 + 1, (32 - 16) // 10 + 1
    starts = np.arange(along) * 10
    whole = starts + 16 <= frames_heard
    whole[0] = True
    expected = [True, True, *np.tile(whole, across).tolist()]
    num_tokens = 2 + along * across
    real = real_tokens(config, num_tokens, torch.tensor([samples]), 128 * 160)
    assert real[0].tolist() == expected


def test_real_tokens_of_a_whisper_are_in_proportion():
    config = WhisperConfig()
    real = real_tokens(config, 1500, torch.tensor([480_000, 320, 321, 0]), 480_000)
    assert real.sum(dim=1).tolist() == [1500, 1, 2, 1]
    assert real[2, :3].tolist() == [True, True, False]


def test_a_whole_window_is_all_real():
    config = ASTConfig()
    assert real_tokens(config, 1214, torch.tensor([1024 * 160 + 400]), 1024 * 160).all()


def test_what_cannot_be_pooled_is_refused():
    with pytest.raises(InputError, match="class token"):
        check_tokens(torch.zeros(1, 2, 3), 0, "cls", "the video model x")
    with pytest.raises(InputError, match=r"tokens \[B, T, W\]. Received: \[1, 2, 3, 4\]"):
        check_tokens(torch.zeros(1, 2, 3, 4), 0, "mean", "the video model x")
