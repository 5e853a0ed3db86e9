"""Words that a model was taught to write, and those that it makes up."""

import pytest

from s2s_zoo.data.text.known_words import KnownWords, alike
from s2s_zoo.protocol.errors import CheckpointError, DataError

WORDS = KnownWords(b"house\nmister\nstate\ntime\nformat\nwhite")


def test_words_of_two_texts_are_known_whatever_their_letter_case():
    texts = ["The house, the HOUSE.", "A House of 7 äpfel", "Äpfel isn't it 房子 房子"]
    known = KnownWords.collect(texts)
    assert known.model_bytes.decode().split("\n") == ["house", "äpfel"]
    assert known.vocabulary_size == 2
    assert "the" in KnownWords.collect(texts, least=1).model_bytes.decode().split("\n")


def test_what_is_neither_known_nor_in_the_source_is_made_up():
    assert WORDS.made_up("Mister whitegerber's house", "Herr Weißgerber") == ["whitegerber"]
    assert WORDS.made_up("Mister Weißgerber", "Herr WEISSGERBER") == [], "copied"
    assert WORDS.made_up("cabel and cabel, Sver", "") == ["cabel", "Sver"], "each once, in order"


@pytest.mark.parametrize(
    "text",
    [
        "Houses",
        "timeformat",
        "statehouses",
        "timestateformat",
        "abc",
        "⟦1⟧",
        "他在家里坐着",
        "2024",
        "",
    ],
)
def test_plurals_compounds_and_what_is_no_word_are_not_made_up(text):
    assert WORDS.made_up(text, "") == []


@pytest.mark.parametrize("text", ["staterepublik", "housever", "whitehouseq"])
def test_a_compound_with_a_part_that_nobody_knows_is_made_up(text):
    assert WORDS.made_up(text, "") == [text]


def test_a_very_long_word_takes_no_time():
    assert WORDS.made_up("time" * 5000 + "x", "") != []


def test_a_made_up_word_is_found_in_its_source():
    source = "Dr. Weißgerber und Frau Garmisch-Partenkirchen sprechen im Kabel."

    def found(word):
        place = alike(word, source)
        return place and source[slice(*place)]

    assert found("whitegerber") == "Weißgerber"
    assert found("Jmisch") == "Garmisch-Partenkirchen", "whole, whichever part it is like"
    assert found("cabels") == "Kabel"
    assert found("spreched") is None, "a word in small letters is no name"
    assert found("umbrella") is None
    assert alike("umbrella", "") is alike("umbrella", "7 !") is None


def test_a_list_of_another_kind_is_refused():
    with pytest.raises(CheckpointError, match="not valid UTF-8 at byte 2"):
        KnownWords(b"a\xff")
    with pytest.raises(CheckpointError, match="no empty line"):
        KnownWords(b"a\n\nb")
    with pytest.raises(DataError, match="No word stands in 2"):
        KnownWords.collect(["one", "two"])
