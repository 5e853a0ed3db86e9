"""The sentence of a text that stands for it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s2s_zoo.data.text.extracting import LONGEST, extract
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.passages import sentences_of


def line_of(text):
    return extract(sentences_of(text, "en"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The bridge is closed. It opens in May.", "The bridge is closed"),
        ("Dear Ms Lind, the bridge over the Aare is closed.", "The bridge over the Aare is closed"),
        ("Hello! Bring the keys of the boat house.", "Bring the keys of the boat house"),
        (
            "Do you know this? A bridge of stone, the longest bridge of the canton, opens in May.",
            "A bridge of stone, the longest bridge of the canton, opens in May",
        ),
        (
            "The mayor of the town closed the old bridge of stone, because two of its arches are "
            "no longer safe.",
            "The mayor of the town closed the old bridge of stone",
        ),
        ("s2s_zoo translates texts of any length.", "s2s_zoo translates texts of any length"),
        ("Hi all, ßtrange things happen here.", "ßtrange things happen here"),
        ("Sehr geehrte Frau Lind, die Brücke ist gesperrt.", "Die Brücke ist gesperrt"),
    ],
)
def test_the_line_of_a_text(text, line):
    assert line_of(text) == line


def test_words_that_come_again_outweigh_the_place():
    text = "We write again. The cranes of the harbour lift 90 tons. Other harbours lift 40 tons."
    assert line_of(text) == "The cranes of the harbour lift 90 tons"


def test_a_sentence_without_clauses_is_cut_between_words():
    words = [f"word{i}" for i in range(60)]
    assert line_of(" ".join(words)) == " ".join(words[:LONGEST]) + " …"


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
@example(["ß"])
def test_what_is_left_stands_so_in_the_text(sentences):
    line = extract(sentences)
    whole = " ".join(normalize(sentence) for sentence in sentences)
    assert line.removesuffix(" …")[1:] in whole
