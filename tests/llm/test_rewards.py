"""What answers and rankings earn."""

import math

import numpy as np
import pytest

from drrec.errors import InputError
from drrec.llm.catalogue import checked_titles, distinct, named_items
from drrec.llm.config import GRPOConfig
from drrec.llm.rewards import answer_reward, rank_rewards

TITLES = ["", "Heat (1995)", "Fargo", "Babe: Pig", "Alien", "Seven"]
CANDIDATES = np.array([3, 1, 2, 4])
RIGHT = 1  # item 1 is the right one
CONFIG = GRPOConfig(reward_hit=1.0, reward_ndcg=1.0, reward_format=0.1, reward_k=3)
SECOND, THIRD = 1 / math.log2(3), 0.5


@pytest.mark.parametrize(
    ("answer", "reward"),
    [
        ("[ITEM_1] Heat (1995)", 2.1),
        ("<think>They like [ITEM_2] Fargo.</think>[ITEM_1] Heat (1995)", 2.1),
        ("[ITEM_1] heat  1995", 2.1),  # punctuation, spaces and case do not count
        ("[ITEM_2] Fargo\n[ITEM_1] Heat (1995)", SECOND + 0.1),
        ("[ITEM_2] Fargo\n[ITEM_2] Fargo\n[ITEM_1] Heat (1995)", SECOND + 0.1),  # once each
        ("[ITEM_2] Fargo\n[ITEM_3] Babe: Pig\n[ITEM_1] Heat (1995)", THIRD + 0.1),
        ("[ITEM_2] Fargo\n[ITEM_3] Babe: Pig\n[ITEM_4] Alien\n[ITEM_1] Heat (1995)", 0.1),
        ("[ITEM_2] Fargo", 0.1),  # wrong, in form
        ("[ITEM_1] A film that is not there", 0.0),
        ("[ITEM_5] Seven", 0.0),  # in the catalogue, but no candidate
        ("[ITEM_999] Heat (1995)", 0.0),  # in no catalogue
        ("[ITEM_1] Heat (1995)\n[ITEM_999] Nothing", 0.0),
        ("Heat (1995)", 0.0),
        ("", 0.0),
        ("<think>[ITEM_1] Heat (1995)", 0.0),  # a thought without an end
        ("[ITEM_0] ", 0.0),
    ],
)
def test_an_answer_earns(answer, reward):
    assert answer_reward(CONFIG, answer, TITLES, CANDIDATES, RIGHT) == pytest.approx(reward)


def test_a_name_alone_is_an_answer_where_items_have_no_titles():
    assert answer_reward(CONFIG, "[ITEM_1]", [""] * 6, CANDIDATES, RIGHT) == pytest.approx(2.1)


def test_a_ranking_earns_by_the_right_items_rank():
    expected = [2.0, SECOND, THIRD, 0, 0, 0]
    assert rank_rewards(CONFIG, 5) == pytest.approx(expected)
    only_hits = GRPOConfig(reward_ndcg=0.0)
    assert rank_rewards(only_hits, 3) == [1.0, 0.0, 0.0, 0.0]


def test_what_is_named_is_distinct_candidates():
    answer = "[ITEM_2] Fargo [ITEM_7] x\n[ITEM_2] Fargo\n[ITEM_4] Alien"
    named = named_items(answer, [*TITLES, "", "x"], CANDIDATES)
    assert named == [2, 0, 2, 4]
    assert distinct(named, 1) == [2]
    assert distinct(named, 5) == [2, 4]


def test_titles_tell_items_apart_or_are_refused():
    assert checked_titles(np.array(["", " A  b ", "C"])) == ["", "A b", "C"]
    with pytest.raises(InputError, match=r"'C' twice.*--number-titles"):
        checked_titles(np.array(["", "C", "A", "C"]))
    numbered = checked_titles(np.array(["", "C", "A", "C", "C"]), number_repeated=True)
    assert numbered == ["", "C", "A", "C (2)", "C (3)"]
    with pytest.raises(InputError, match="none for 1 items, the first of them item 2"):
        checked_titles(np.array(["", "C", " "]))
