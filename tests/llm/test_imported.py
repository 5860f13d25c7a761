"""Samples in MLLMRec-R1's layout: they are mapped to ours, and each leak is counted."""

import json
import random

import numpy as np
import pytest

from drrec.data.datasets import load_dataset
from drrec.errors import InputError
from drrec.llm.imported import import_samples, write_imported
from drrec.llm.leaks import lacking
from drrec.llm.wall import read_requests

NUM_ITEMS, LEAST = 400, 6
SHORT = 3  # the user whose sequence is too short for a sample


def write_layout(folder, *, shared_seed=True, thoughts=True):
    """Files as its loader makes them: one seed for both splits, negatives not in the history."""
    rng = random.Random(1)
    items = [str(100 + n) for n in range(NUM_ITEMS)]
    titles = {raw: f"Film, {raw}" for raw in items}
    titles[items[1]] = titles[items[0]]
    folder.mkdir()
    lines = "".join(f'{raw},"{title}"\n' for raw, title in titles.items())
    (folder / "films_titles.csv").write_text("item,title\n" + lines)
    train = {f"u{n}": rng.sample(items, 3 if n == SHORT else 120) for n in range(20)}
    rest = {user: [raw for raw in items if raw not in own] for user, own in train.items()}
    test = {user: [*own, rest[user][0]] for user, own in train.items()}
    (folder / "processed").mkdir()
    for split, rows in (("train", train), ("test", test)):
        text = "".join(f"{user}\t{' '.join(own)}\n" for user, own in rows.items())
        (folder / f"{split}.tsv").write_text(text)
        draws = random.Random(42 if shared_seed or split == "train" else 7)
        samples = []
        for number, own in enumerate(own for own in rows.values() if len(own) >= LEAST):
            history, target = own[-LEAST:-1], own[-1]
            candidates = [target]
            while len(candidates) < 10:
                drawn = draws.choice(items)
                if drawn not in {*history, *candidates}:
                    candidates.append(drawn)
            draws.shuffle(candidates)
            chosen = [f"{n}. [ITEM_{raw}] {titles[raw]}" for n, raw in enumerate(history, 1)]
            named = [f"[ITEM_{raw}] {titles[raw]}" for raw in candidates]
            thought = ["<think>", f"1. [ITEM_{target}]", "</think>"] if number < 2 else []
            prompt = "\n".join(["Watched:", *chosen, "", "Candidates:", *named, *thought])
            samples.append({"prompt": prompt, "target_id": target, "candidates": candidates})
        name = f"{split}_generate_seed42_neg9.json"
        (folder / "processed" / name).write_text(json.dumps(samples))
    if thoughts:
        rows = [
            {
                "line_idx": line,
                "user_id": user,
                "target_item": {"item_id": own[-1], "title": titles[own[-1]]},
                "reasoning": "" if line == 4 else f"Step 1: {titles[own[-1]]}" if line % 2 else "x",
            }
            for line, (user, own) in enumerate(train.items())
            if len(own) >= LEAST
        ]
        (folder / "films_deepseek_cot.json").write_text(json.dumps(rows))
    return train, test


@pytest.fixture
def layout(tmp_path):
    return tmp_path / "films", *write_layout(tmp_path / "films")


def finding(imported, start):
    (line,) = [each for each in imported.findings if each.startswith(start)]
    return line


def test_samples_are_those_of_the_files_in_our_ids(layout):
    folder, train, test = layout
    imported = import_samples(folder, 9)
    assert imported.users == list(train)
    assert len(imported.train) == 19
    assert len(imported.test) == 19
    kept = [user for user in test if len(test[user]) >= LEAST]
    for user, sample in zip(imported.test_users, imported.test, strict=True):
        raw = imported.users[user]
        named = [imported.items[item] for item in sample.history]
        assert named == test[raw][-LEAST:-1]
        assert imported.items[sample.candidates[sample.place]] == test[raw][-1]
        assert [imported.items[item] for item in imported.log.sequence(user)] == train[raw]
    assert [imported.users[user] for user in imported.test_users] == kept
    assert imported.log.titles[imported.items.index("105")] == "Film, 105"
    requests = imported.requests
    assert requests.history.shape == (19, LEAST - 1)
    np.testing.assert_array_equal(requests.candidates[3], imported.test[3].candidates)


def test_what_leaks_is_counted(layout):
    folder, train, _ = layout
    imported = import_samples(folder, 9)
    shared = float(finding(imported, "candidates that").split("share: ")[1].split(" of 10")[0])
    assert shared > 6  # by one seed
    assert "0.25 by chance" in finding(imported, "candidates that")
    assert finding(imported, "reasoning of training in test") == (
        "reasoning of training in test prompts: 2 of 19"
    )
    told = finding(imported, "reasoning whose writer")
    named = sum(line % 2 for line in range(20) if line != SHORT)
    assert told == (f"reasoning whose writer was shown the target: 19 of 19, {named} name it")
    others = [line for line in range(20) if line > SHORT]
    assert f"{len(others)} of 19" in finding(imported, "reasoning that stands at another")
    assert finding(imported, "reasoning that is empty") == "reasoning that is empty: 1 of 19"
    seen = sum(
        any(raw in train[imported.users[user]] and raw != imported.items[s.candidates[s.place]]
            for raw in (imported.items[item] for item in s.candidates))
        for user, s in zip(imported.test_users, imported.test, strict=True)
    )  # fmt: skip
    assert seen
    assert f"{seen} of 19" in finding(imported, "test prompts with a negative")
    assert "1 items with another's title" in finding(imported, "duplicates")


def test_the_rule_scores_high_with_one_seed_and_at_chance_without(tmp_path):
    found = {}
    for shared in (True, False):
        folder = tmp_path / f"films{shared}"
        write_layout(folder, shared_seed=shared, thoughts=False)
        line = finding(import_samples(folder, 9), "choosing the candidate")
        found[shared] = float(line.split("HR@1 ")[1].split(",")[0])
    assert found[True] > 0.3
    assert found[False] < 0.2


def test_the_rule_shares_ties():
    assert lacking(["a", "b"], ["a", "c", "d"], "c") == 0.5
    assert lacking(["a", "b"], ["a", "b"], "a") == 0.5
    assert lacking(["a"], ["a", "c"], "a") == 0


def test_what_is_written_is_a_data_set_and_requests(layout, tmp_path):
    folder, _train, test = layout
    imported = import_samples(folder, 9)
    write_imported(imported, tmp_path / "out")
    data = load_dataset(str(tmp_path / "out/log.csv"), tmp_path)
    log = data.interactions
    user = log.users.raw.tolist().index("u2")
    rows = log.item[log.offsets[user] : log.offsets[user + 1]]
    assert [log.items.raw[item] for item in rows] == test["u2"]
    assert str(data.titles[rows[0]]) == f"Film, {test['u2'][0]}" or test["u2"][0] in ("100", "101")
    asked = read_requests(tmp_path / "out/requests.npz")
    assert asked.sha256 == imported.requests.sha256


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.tsv", None, r"users and items in .*train\.tsv"),
        ("train.tsv", "u1 100 101\n", r"a tab and items in line 1 of .*train\.tsv"),
        ("films_titles.csv", None, r"_titles\.csv in .* MLLMRec-R1"),
        ("films_titles.csv", "item\n100\n", "one column"),
        ("processed/test_generate_seed42_neg9.json", None, "test_generate"),
        ("processed/test_generate_seed42_neg9.json", "[{}]", "Expected prompt in"),
        ("processed/test_generate_seed42_neg9.json", "[", "Expected JSON in"),
        ("films_deepseek_cot.json", '[{"line_idx": "1", "reasoning": ""}]', "a whole number in"),
        ("test.tsv", "u1\t100 101 102 103 104 105\n", "in order, in .* samples of others"),
    ],
)
def test_bad_files_are_refused_in_one_line(layout, name, content, said):
    folder = layout[0]
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    with pytest.raises(InputError, match=said) as refused:
        import_samples(folder, 9)
    assert "\n" not in str(refused.value)


def test_a_target_that_is_no_candidate_is_refused(layout):
    path = layout[0] / "processed/test_generate_seed42_neg9.json"
    samples = json.loads(path.read_text())
    samples[0]["candidates"].remove(samples[0]["target_id"])
    path.write_text(json.dumps(samples))
    with pytest.raises(InputError, match="Expected each target among its candidates"):
        import_samples(layout[0], 9)
