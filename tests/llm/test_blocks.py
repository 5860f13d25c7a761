"""A block mask gives each continuation what a row of its own would."""

import numpy as np
import pytest
import torch
from tests.llm.tiny import SMALL, chain, save_speller, spelling

from drrec.errors import InputError
from drrec.llm.blocks import log_probs
from drrec.llm.loading import opened
from drrec.llm.prompts import Prompts
from drrec.llm.small import build_small_model

DATA = chain()
HISTORIES = [np.array([3, 4, 5]), np.array([9, 10, 11, 12, 13]), np.array([], np.int32)]
CANDIDATES = [[6, 2, 20], [14, 1, 30, 29], [7]]


@pytest.fixture(scope="module")
def speller(tmp_path_factory):
    folder = save_speller(tmp_path_factory.mktemp("speller"))
    language = opened(folder, "cpu")
    return language, Prompts(language.tokenizer, DATA.titles, spelling(folder))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    build_small_model(folder, DATA.interactions.num_items, SMALL, 0)
    language = opened(folder, "cpu")
    return language, Prompts(language.tokenizer, DATA.titles, SMALL)


def a_row_each(language, prompt, code):
    """The log-probability of a code after its prompt, by the model's own causal mask."""
    ids = torch.tensor([[*prompt, *code]])
    with torch.inference_mode():
        table = language.plain(input_ids=ids).logits[0].float().log_softmax(dim=-1)
    places = range(len(prompt) - 1, len(prompt) + len(code) - 1)
    return sum(float(table[place, token]) for place, token in zip(places, code, strict=True))


def scores(model, histories, candidates):
    language, prompts = model
    with torch.inference_mode():
        return log_probs(
            language,
            [prompts.next_prompt(history) for history in histories],
            [[prompts.codes[item] for item in own] for own in candidates],
        )


@pytest.mark.parametrize("name", ["speller", "small"])
def test_a_block_mask_is_a_row_each(name, request):
    language, prompts = model = request.getfixturevalue(name)
    found = scores(model, HISTORIES, CANDIDATES)
    for history, own, values in zip(HISTORIES, CANDIDATES, found, strict=True):
        prompt = prompts.next_prompt(history)
        expected = [a_row_each(language, prompt, prompts.codes[item]) for item in own]
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-4)
        assert len(own) == 1 or np.ptp(expected) > 0.01


def test_a_title_of_the_small_model_is_one_token_and_a_spelled_one_is_many(speller, small):
    assert {len(code) for code in small[1].codes[1:]} == {1}
    assert min(len(code) for code in speller[1].codes[1:]) > 5


@pytest.mark.parametrize("name", ["speller", "small"])
def test_what_stands_beside_a_candidate_and_beside_a_row_moves_nothing(name, request):
    model = request.getfixturevalue(name)
    whole = scores(model, HISTORIES, CANDIDATES)
    alone = scores(model, HISTORIES[1:2], [[30]])[0]
    np.testing.assert_allclose(whole[1][2], alone[0], rtol=1e-5, atol=1e-4)


def test_the_history_counts(speller):
    first, second = scores(speller, HISTORIES[:2], [[6, 7], [6, 7]])
    assert abs(float(first[0] - second[0])) > 0.01


def test_a_gradient_reaches_every_token_of_a_title(speller):
    language, prompts = speller
    prompt, code = prompts.next_prompt(HISTORIES[0]), prompts.codes[6]
    embedded = language.plain.get_input_embeddings().weight
    embedded.requires_grad_(True)
    try:
        log_probs(language, [prompt], [[code]])[0].sum().backward()
        reached = embedded.grad.abs().sum(dim=1) > 0
    finally:
        embedded.requires_grad_(False)
        embedded.grad = None
    assert reached[code[:-1]].all()


def test_the_oldest_items_are_cut_first_and_counted(speller):
    language, prompts = speller
    tokens = len(prompts.next_prompt(np.array([], np.int32)))
    room = spelling(None, context=tokens + len(prompts.codes[5]) + len(prompts.codes[4]), history=6)
    narrow = Prompts(language.tokenizer, DATA.titles, room)
    cut = narrow.next_prompt(np.array([1, 2, 3, 4, 5]))
    assert cut[tokens:] == [*prompts.codes[4], *prompts.codes[5]]
    assert cut == narrow.next_prompt(np.array([4, 5]))
    assert (narrow.num_cut, narrow.num_prompts) == (1, 2)
    assert narrow.said_cut() == "1 of 2 histories were cut, the oldest items first"
    whole = Prompts(language.tokenizer, DATA.titles, spelling(None, context=10_000, history=3))
    assert whole.next_prompt(np.array([1, 2, 3, 4, 5])) == whole.next_prompt(np.array([3, 4, 5]))
    assert whole.num_cut == 1


def test_an_answers_prompt_is_cut_likewise_and_keeps_its_candidates(speller):
    language, _ = speller
    long = np.arange(1, 13)
    candidates = np.array([20, 21])
    wide = Prompts(language.tokenizer, DATA.titles, spelling(None, context=4096, history=100))
    full = wide.answer_prompt(long, candidates)
    narrow = Prompts(
        language.tokenizer, DATA.titles, spelling(None, context=len(full) - 20, history=100)
    )
    text = language.tokenizer.decode(narrow.answer_prompt(long, candidates))
    assert "[ITEM_1] " not in text
    assert "[ITEM_12] " in text
    assert "[ITEM_20] Film a20" in text
    assert narrow.num_cut == 1
    tight = Prompts(language.tokenizer, DATA.titles, spelling(None, context=60, history=100))
    with pytest.raises(InputError, match="Expected a context with room"):
        tight.answer_prompt(long, candidates)
