"""Search in titles."""

import numpy as np
import pytest

import drrec
from drrec.serving.titles import TitleIndex, plain

TITLES = {
    "1": "Star",
    "2": "Star Trek: First Contact (1996)",
    "3": "A Star Is Born",
    "4": "Le Fabuleux Destin d'Amélie",
    "5": "Mustard",
    "6": "Star Wars (1977)",
    "7": "",
}


@pytest.fixture(scope="module")
def index():
    # The later a film stands here, the more rows it has.
    items = [item for item in TITLES for _ in range(int(item))]
    users = np.array([f"u{n}" for n in range(len(items))], object)
    rating = np.full(len(items), 4.0)
    log = drrec.Interactions.from_raw(users, items, rating, np.arange(len(items)))
    titles = np.array(["", *(TITLES[raw] for raw in log.items.raw[1:].tolist())])
    return TitleIndex(drrec.Popularity().fit(drrec.Dataset("films", log, titles)).known)


def found(index, text, k=10):
    return [each.item for each in index.search(text, k)]


def test_whole_titles_first_then_beginnings_then_words_then_parts(index):
    assert found(index, "star") == ["1", "6", "2", "3", "5"]
    assert found(index, "star", k=3) == ["1", "6", "2"]
    assert index.search("star", 1)[0].title == "Star"


def test_case_accents_and_punctuation_do_not_matter(index):
    assert found(index, "AMELIE") == found(index, "amélie!") == ["4"]
    assert found(index, "d'am") == ["4"]


def test_every_word_has_to_begin_one_of_the_title_in_any_order(index):
    assert found(index, "contact star") == ["2"]
    assert found(index, "wars trek") == []
    assert found(index, "tar") == ["6", "5", "3", "2", "1"]  # inside of words, popular first


def test_nothing_is_found_by_nothing_and_an_id_where_there_is_no_title(index):
    assert found(index, "  ") == found(index, "?!") == []
    assert found(index, "7") == ["7", "6"]  # of 1977
    assert index.search("7", 1)[0].title == ""


def test_words_are_kept_apart():
    assert plain("  X-Men:\tÜBER  ") == "x men uber"
