import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.documents import Document, fitting, split
from tests.data.hard_sentences import HARD

LANGUAGES = st.sampled_from(["de", "en", "fr", "zh", "xx", None])
WORDS = st.sampled_from(
    'Er kam am 12. März z. B. usw. etc. Dr. ! ? … ... 。 ！ 他说 “ ” " « » ( ) - * 1. 2. a) > 3,5 '
    "www.a.de U.S. \n \n\n \r\n \t ' ' \u00a0 \u2028 \x85 Hallo!Wie é 😀".split(" ")
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join))


def starts(document):
    """Where the sentences of a document start in its text, but for the first."""
    place, found = 0, []
    for gap, sentence in zip(document.gaps, document.sentences, strict=False):
        found.append(place + len(gap))
        place += len(gap) + len(sentence)
    return found[1:]


@pytest.mark.parametrize(("language", "marked"), HARD)
def test_a_hard_case_is_parted_where_a_person_would(language, marked):
    parts = marked.split("¦")
    wanted = [len("".join(parts[:i])) for i in range(1, len(parts))]
    assert starts(split("".join(parts), language)) == wanted


@given(TEXTS, LANGUAGES)
def test_a_document_of_its_own_sentences_is_the_text(text, language):
    document = split(text, language)
    assert document.join(document.sentences) == text
    assert len(document.gaps) == len(document.sentences) + 1
    for sentence in document.sentences:
        assert sentence == sentence.strip() and any(c.isalnum() for c in sentence)


@given(st.lists(st.sampled_from(["Er ging.", "Was?", "Ja!", "Das ist gut."]), min_size=1))
def test_sentences_are_given_in_their_order_and_come_back_between_the_same_gaps(sentences):
    document = split("\n  ".join(sentences), "de")
    assert list(document.sentences) == sentences
    assert document.join([s.upper() for s in sentences]) == "\n  ".join(sentences).upper()


def test_layout_stays_where_it_was():
    text = "# Liste\n\n- Milch\n  * Brot und Käse.  Noch mehr.\n\n-----\n\n> Gruß\r\n\tEnde\n"
    document = split(text, "de")
    assert document.sentences == (
        *("# Liste", "Milch", "Brot und Käse.", "Noch mehr."),
        *("Gruß", "Ende"),
    )
    assert document.join([str(i) for i in range(6)]) == (
        "0\n\n- 1\n  * 2  3\n\n-----\n\n> 4\r\n\t5\n"
    )


def test_a_line_that_was_full_goes_on_in_the_next():
    text = (
        "Dies ist ein langer Satz, der auf zwei Zeilen steht,\n"
        "weil er umgebrochen wurde. Dann kommt noch einer, der\n"
        "auch umgebrochen ist.\nKurz\nKürzer"
    )
    assert [s.split()[0] for s in split(text, "de").sentences] == ["Dies", "Dann", "Kurz", "Kürzer"]


def test_a_number_is_a_bullet_in_a_list_and_a_day_elsewhere():
    assert split("1. Öffnen\n2. Schließen", "de").sentences == ("Öffnen", "Schließen")
    assert split("12. März 2024\nLiebe Anna,", "de").sentences == ("12. März 2024", "Liebe Anna,")


def test_sentences_that_touch_in_chinese_get_a_space_in_english_and_lose_it_again():
    document = split("他住在北京。她住在上海。", "zh")
    assert document.join(["He lives in Beijing.", "She lives in Shanghai."]) == (
        "He lives in Beijing. She lives in Shanghai."
    )
    document = split("He left. She stayed.\n\nEnd.", "en")
    assert document.join(["他走了。", "她留下了。", "完。"]) == "他走了。她留下了。\n\n完。"


@pytest.mark.parametrize("text", ["", "   \n ", "-----", "* * *", "…", "。。。", "😀"])
def test_a_text_without_words_is_layout(text):
    assert split(text, "de") == Document((text,), ())


def test_another_number_of_sentences_is_refused():
    with pytest.raises(ValueError, match="has 2 sentences. Received: 1"):
        split("Eins. Zwei.", "de").join(["One."])


@pytest.mark.parametrize(
    "text", ["a" * 1000, "Wort, " * 200, "词，" * 300, "Eins; " * 99, " " * 99]
)
def test_a_sentence_that_is_too_long_is_parted_at_clauses(text):
    parts = fitting(text, lambda part: len(part) <= 60)
    assert "".join(parts) == text and max(map(len, parts)) <= 60
    if "," in text or ";" in text:
        assert all(part[-1:].isspace() or part[-1] in ",;，" for part in parts)


def test_a_sentence_that_fits_is_left_alone():
    assert fitting("Kurz, ja.", lambda part: True) == ["Kurz, ja."]
    assert fitting("x", lambda part: False) == ["x"]


@pytest.mark.parametrize(
    "piece",
    ["Er ging. ", ".", "!", '."', "! ", " ", "a.", "z. B. ", "\n", "1. ", "他。", "»", "- a\n"],
)
def test_a_long_text_in_one_piece_takes_seconds_at_most(piece):
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    document = split(text, "de")
    assert time.perf_counter() - start < 10
    assert document.join(document.sentences) == text


@pytest.mark.parametrize(
    "whole",
    [
        '<a class="x" title="1.1.4. Die Wurzel">',
        "<code>Halt. Los!</code>",
        "{{ tag. Morgen }}",
        "https://example.org/?Tag.Nacht",
    ],
)
def test_no_sentence_ends_within_what_must_not_change(whole):
    text = f"Lesen Sie auch {whole} dazu. Es ist kurz."
    assert split(text, "de").sentences == (f"Lesen Sie auch {whole} dazu.", "Es ist kurz.")


def test_a_link_of_markdown_is_whole_where_it_is_one():
    text = 'Siehe [hier](a.html "Eins. Zwei. Drei") unten. Danke.'
    assert len(split(text, "de", markdown=True).sentences) == 2
    assert len(split(text, "de").sentences) > 2


def test_a_sentence_that_is_too_long_is_not_cut_within_a_tag():
    text = 'Wort und Wort <a title="eins, zwei, drei, vier, sechs"> und noch ein Wort hinten'
    parts = fitting(text, lambda part: len(part) < 60)
    assert "".join(parts) == text and len(parts) > 1
    assert any('<a title="eins, zwei, drei, vier, sechs">' in part for part in parts)
