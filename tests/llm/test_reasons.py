"""Reasoning: the target is withheld, failures are not stored, look-up is by user and position."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.tiny import chain, configured, save_speller, spelling, stages, training_log

from drrec.errors import InputError
from drrec.llm import reasons as reasons_module
from drrec.llm.blocks import log_probs
from drrec.llm.config import ReasonConfig
from drrec.llm.loading import opened
from drrec.llm.prompts import THOUGHTS, Prompts
from drrec.llm.reasons import REASONS, Reasoner, Reasons, read_reasons
from drrec.llm.samples import Sampler
from drrec.llm.sft import FineTuning

DATA = chain(num_users=8)
LOG = training_log(DATA)
CAPTIONS = ["", *(f"shows {item} things" for item in range(1, LOG.num_items - 1)), ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_speller(tmp_path_factory.mktemp("model") / "speller")


def trained(folder, **sft):
    model = spelling(folder, context=4096)
    return configured(model, held_out=0, sft={"answer_epochs": 1, "next_epochs": 0} | sft)


@pytest.fixture(scope="module")
def reasoner(folder):
    config = ReasonConfig(reasons=3, reason_tokens=12, reason_batch=4)
    return Reasoner(config, trained(folder), LOG, CAPTIONS, folder, "cpu")


def text_of(reasoner, ids):
    return reasoner._language.tokenizer.decode(ids)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_reason_prompt_holds_the_target_or_what_follows(reasoner, data):
    user = data.draw(st.integers(0, LOG.num_users - 1))
    sequence = LOG.sequence(user)
    position = data.draw(st.integers(1, len(sequence) - 1))
    text = text_of(reasoner, reasoner.prompt(user, position))
    for item in sequence[position:]:
        assert f"{LOG.titles[item]}:" not in text
        assert f"{LOG.titles[item]}\n" not in text
        assert not CAPTIONS[item] or CAPTIONS[item] not in text
    assert f"{LOG.titles[sequence[position - 1]]}" in text
    assert CAPTIONS[sequence[position - 1]] in text
    assert "Step 4:" in text


def test_the_same_item_again_is_no_target():
    again = training_log(chain(num_users=3, num_items=6, length=12))
    places = Sampler(again, 0).last_places(12)
    assert len(places) == 3 * 5  # of twelve positions the last six come again
    assert all(again.sequence(u)[p] not in again.sequence(u)[:p] for u, p in places)


def test_held_out_rows_are_not_reasoned_about(folder):
    sampler = Sampler(LOG, 0, 2)
    assert len(sampler.validating) == 1
    found = dict(sampler.last_places(1))
    assert found[int(sampler.validating[0])] == len(LOG.sequence(0)) - 2
    assert sorted(found.values())[-1] == len(LOG.sequence(0)) - 1


def test_reasoning_is_kept_by_user_and_position_and_made_once(
    reasoner, folder, tmp_path, monkeypatch
):
    path = tmp_path / REASONS
    said = reasoner.run(path)
    assert said.startswith("reasoning: 24 of 24 positions, 0 of them there already")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["user"], each["position"]) for each in lines] == [
        (user, position) for user in range(8) for position in (9, 10, 11)
    ]
    helpful = sum(each["gain"] > 0 for each in lines)
    assert f"{helpful} ({helpful / 24:.1%}) raise" in said
    monkeypatch.setattr(reasons_module, "written", None)
    before = path.read_bytes()
    assert "24 of them there already" in reasoner.run(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("fails", [False, True], ids=["all are written", "the first fails"])
def test_a_killed_run_goes_on(reasoner, tmp_path, monkeypatch, fails):
    whole, path = tmp_path / "a" / REASONS, tmp_path / "b" / REASONS
    written, calls = reasons_module.written, []

    def killed(language, prompts, *given, **named):
        calls.append(len(prompts))
        if killed_at == len(calls):
            raise KeyboardInterrupt
        made = written(language, prompts, *given, **named)
        if fails and reasoner.prompt(0, 9) in prompts:
            made[prompts.index(reasoner.prompt(0, 9))] = [[]]
        return made

    monkeypatch.setattr(reasons_module, "written", killed)
    killed_at = None
    reasoner.run(whole)
    calls, killed_at = [], 3
    with pytest.raises(KeyboardInterrupt):
        reasoner.run(path)
    assert not path.exists()
    reasoner.run(path)
    # Two of six batches were there, but for what failed; that is tried once more, and then alone.
    assert calls[3:] == ([1, 4, 4, 4, 4, 1, 1] if fails else [4] * 4)
    assert path.read_bytes() == whole.read_bytes()


def test_what_fails_is_tried_again_and_never_stored_as_empty(reasoner, tmp_path, monkeypatch):
    path, asked = tmp_path / REASONS, []
    encode = reasoner._language.tokenizer.encode

    def fails_for_the_first(language, prompts, tokens, temperature):
        asked.append((len(prompts), temperature))
        first = reasoner.prompt(0, 9)
        return [[encode("<think>so" if each == first else "Step 1: b")] for each in prompts]

    monkeypatch.setattr(reasons_module, "written", fails_for_the_first)
    said = reasoner.run(path)
    assert "23 of 24" in said
    assert "1 failed" in said
    assert asked[:6] == [(4, 0.0)] * 6
    assert asked[6:] == [(1, reasons_module.RETRY_TEMPERATURE)] * 2
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (0, 9) not in {(each["user"], each["position"]) for each in lines}
    assert {each["reasoning"] for each in lines} == {"Step 1: b"}
    monkeypatch.setattr(
        reasons_module, "written", lambda *given, **_: [[encode("Step 2")] for _ in given[1]]
    )
    assert "24 of 24 positions, 23 of them there already" in reasoner.run(path)


def test_the_gain_is_a_difference_of_log_probabilities(reasoner, folder):
    language = opened(folder, "cpu")
    prompts = Prompts(language.tokenizer, LOG.titles, spelling(folder, context=4096))
    sample = Sampler(LOG, 0).sample(-1, 2, 10, 9)
    target = LOG.sequence(2)[10]
    ask = [prompts.answer_prompt(LOG.sequence(2)[:10], sample.candidates, t) for t in ("sun", "")]
    with torch.no_grad():
        each = [log_probs(language, [one], [[prompts.answer(int(target))]])[0] for one in ask]
    expected = float(each[0][0] - each[1][0])
    assert reasoner.gains([((2, 10), "sun")]) == pytest.approx([expected], abs=1e-4)
    assert abs(expected) > 1e-3


def record(user, position, gain, fingerprint=LOG.fingerprint):
    return {
        **{"user": user, "position": position, "reasoning": f"of {user} at {position}"},
        **{"gain": gain, "fingerprint": fingerprint, "made_of": "x"},
    }


def write(path, *records):
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def test_keep_helpful_leaves_what_does_not_help(folder, tmp_path, caplog):
    path = write(tmp_path / REASONS, record(0, 9, 0.5), record(1, 9, -0.5), record(2, 9, 0.0))
    caplog.set_level("INFO")
    config = trained(folder, cot_prob=1.0)
    assert set(read_reasons(path, LOG, config)._texts) == {(0, 9)}
    assert "1 of 3 kept (--keep helpful)" in caplog.text
    every = read_reasons(path, LOG, trained(folder, cot_prob=1.0, keep="all"))
    assert set(every._texts) == {(0, 9), (1, 9), (2, 9)}


def test_training_prompts_carry_reasoning_of_their_user_and_position_alone(folder, tmp_path):
    records = [record(user, position, 1.0) for user in range(6) for position in (4, 7)]
    np.random.default_rng(0).shuffle(records)  # the order of lines says nothing
    config = trained(folder, cot_prob=0.5)
    path = write(tmp_path / REASONS, *records)
    language = opened(folder, "cpu")
    prompts = Prompts(language.tokenizer, LOG.titles, config.model)
    sampler = Sampler(LOG, 0)
    tuning = FineTuning(language, prompts, sampler, config, read_reasons(path, LOG, config))
    shown = 0
    for epoch in range(6):
        for row, (user, position) in zip(
            tuning._epoch("answer", epoch), sampler.places(epoch), strict=True
        ):
            text = language.tokenizer.decode(row.ids)
            if THOUGHTS not in text:
                sequence = LOG.sequence(user)
                assert LOG.titles[sequence[position]] in text
                continue
            thoughts = text.split(THOUGHTS + "\n")[1].split("\n")[0]
            at = next(p for p in (4, 7) if thoughts == f"of {user} at {p}")
            answer = text.rsplit("<assistant>", 1)[1]
            assert LOG.titles[LOG.sequence(user)[at]] in answer
            shown += 1
    assert 8 <= shown <= 28  # of 36 that could, half do


def test_without_cot_prob_no_prompt_carries_reasoning(folder, tmp_path):
    config = trained(folder)
    write(tmp_path / REASONS, record(0, 9, 1.0))
    made = stages(tmp_path, DATA, config)
    language = opened(folder, "cpu")
    prompts = Prompts(language.tokenizer, LOG.titles, config.model)
    tuning = FineTuning(language, prompts, Sampler(LOG, 0), config)
    for row in tuning._epoch("answer", 0):
        assert THOUGHTS not in language.tokenizer.decode(row.ids)
    assert made.run("zero") == folder


def test_reasons_mix_by_seed_and_not_by_order():
    config = configured(sft={"cot_prob": 0.5})
    texts = {(user, 5): f"{user}" for user in range(8)}
    places = [(user, 3, "") for user in range(8)]
    mixed = Reasons(texts, LOG, config).mixed(places, 2)
    again = Reasons(texts, LOG, config).mixed(places[::-1], 2)
    assert sorted(mixed) == sorted(again)
    assert mixed != places
    assert Reasons(texts, LOG, config).mixed(places, 3) != mixed


def test_the_stage_is_bound_to_its_reasoning(folder, tmp_path):
    config = trained(folder, cot_prob=1.0, lora=False)
    run = stages(tmp_path, DATA, config)
    with pytest.raises(InputError, match=r"reasoning in .* Received: nothing there.*llm reason"):
        run.run("sft")
    write(tmp_path / REASONS, record(0, 9, 1.0, "other"))
    with pytest.raises(InputError, match="that about another"):
        run.run("sft")
    write(tmp_path / REASONS, record(0, 9, 1.0))
    run.run("sft")
    assert run.run("sft") == tmp_path / "sft"
    write(tmp_path / REASONS, record(0, 8, 1.0))
    with pytest.raises(InputError, match="the settings and the log"):
        run.run("sft")


def test_a_model_of_item_tokens_is_refused(tmp_path):
    config = configured(held_out=0)
    base = stages(tmp_path, DATA, config).run("zero")
    with pytest.raises(InputError, match=r"reads titles\. Received: one with a token per item"):
        Reasoner(ReasonConfig(), config, LOG, CAPTIONS, base, "cpu")
