import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.carrying import carry, holds
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.numbers import convert, in_notation
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.data.text.symbols import Symbols, protect, symbol_pattern
from tests.data.test_spans import PROTECTED

PIECES = [*PROTECTED, "⟦1⟧", "⟦ 2 ⟧", "⟦", "Wort ", " ", ". ", "他"]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))
TEMPLATES = st.sampled_from(["⟦{}⟧", "<{}>", "__{}__", "｟{}｠"])


def protected(text, template="⟦{}⟧", limit=9999, **options):
    return protect(text, find_spans(text, **options), Symbols(template, limit))


@given(TEXTS, TEMPLATES)
def test_any_protected_string_comes_out_as_it_went_in(text, template):
    one = protected(text, template)
    restored = one.restore(one.text)
    assert restored.text == text and restored.whole and not one.others
    assert len(symbol_pattern(template).findall(one.text)) == len(one.spans)
    few = protected(text, template, limit=2)
    assert few.restore(few.text).text == text


@given(TEXTS)
def test_a_lost_and_a_doubled_symbol_are_found(text):
    one = protected(f"{text}\nKonto 5 ")
    numbers = [n for n, span in enumerate(one.spans, 1) if span.text == "5"]
    number = numbers[-1]
    symbol = f"⟦{number}⟧"
    lost = one.restore(one.text.replace(symbol, ""))
    assert [span.text for span in lost.lost] == ["5"] and not lost.whole
    doubled = one.restore(one.text + symbol)
    assert [span.text for span in doubled.doubled] == ["5"] and not doubled.whole
    assert one.restore(one.text + "⟦9999⟧").strange == ("⟦9999⟧",)


def test_symbols_may_move_and_be_spaced_by_a_tokenizer():
    one = protected("Am 12. März um 14:30 Uhr")
    assert one.text == "Am ⟦1⟧. März um ⟦2⟧ Uhr"
    assert one.restore("At ⟦ 2 ⟧ on March ⟦1 ⟧").text == "At 14:30 on March 12"


def test_what_has_no_symbol_stays_in_the_text_and_is_looked_for():
    text = "Am 12. und 13. an a@b.de und 14"
    one = protect(text, find_spans(text), Symbols(limit=2))
    assert one.text == "Am ⟦1⟧. und 13. an ⟦2⟧ und 14"
    assert [span.text for span in one.others] == ["13", "14"]
    spans = [find_spans(text)]
    answers = iter([["⟦1⟧, 14 ⟦2⟧ 13"], ["⟦1⟧, 14 ⟦2⟧ 31"], [text]])
    assert carry([text], spans, lambda _: next(answers), Symbols(limit=2))[0].way == "symbols"
    assert carry([text], spans, lambda _: next(answers), Symbols(limit=2))[0].way == "plain"
    only = protect(text, spans[0], Symbols(kinds=("mail",)))
    assert only.text == "Am 12. und 13. an ⟦1⟧ und 14"


def test_a_long_text_of_symbols_and_words_of_the_user_takes_seconds_at_most():
    text = "⟦1⟧ Wort a@b.de " * 5000
    start = time.perf_counter()
    one = protect(text, find_spans(text, keep=["Wort"]))
    assert one.restore(one.text).text == text
    assert time.perf_counter() - start < 5


def test_a_term_becomes_its_translation():
    one = protected("Der Rotor dreht.", terms={"Rotor": "rotor"})
    assert one.restore("The ⟦1⟧ turns.").text == "The rotor turns."


@pytest.mark.parametrize("template", ["", "{}", "x", "{}{}", "<{}"])
def test_a_template_without_a_number_between_signs_is_refused(template):
    with pytest.raises(ValueError, match="A symbol is made of"):
        symbol_pattern(template)


def carried(texts, generate, **options):
    symbols = options.pop("symbols", Symbols())
    return carry(texts, [find_spans(text, **options) for text in texts], generate, symbols)


@given(
    st.lists(TEXTS, max_size=3), st.sampled_from([None, Symbols(), Symbols(limit=1)]), st.randoms()
)
def test_whatever_a_model_writes_every_span_is_held(texts, symbols, random):
    def generate(sources):
        return [
            random.choice([s, s[::-1], "", "Unsinn 7", s + s, re.sub(r"\d", "8", s)])
            for s in sources
        ]

    for text, one in zip(texts, carried(texts, generate, symbols=symbols), strict=True):
        assert all(span.text in one.text for span in find_spans(text))
        assert (one.warning is None) == (one.way in ("symbols", "plain"))


def test_a_model_that_copies_symbols_is_asked_once():
    calls = []

    def generate(texts):
        calls.append(texts)
        return [text.replace("Das kostet", "It costs") for text in texts]

    [one] = carried(["Das kostet 5 Euro."], generate)
    assert (one.text, one.way, one.warning) == ("It costs 5 Euro.", "symbols", None)
    assert calls == [["Das kostet ⟦1⟧ Euro."]]


def test_only_the_text_whose_symbol_was_lost_is_translated_again():
    calls = []

    def generate(texts):
        calls.append(texts)
        return [text.replace("⟦1⟧", "") if "Nr." in text else text for text in texts]

    first, second = carried(["Nr. 55 hier", "Am 7. da"], generate)
    assert (first.way, second.way) == ("plain", "symbols") and len(calls) == 2
    assert calls[1] == ["Nr. 55 hier"] and first.text == "Nr. 55 hier"


def test_a_wrong_number_is_never_given():
    [one] = carried(["Es sind 45 Tage."], lambda texts: ["There are 54 days." for _ in texts])
    assert "45" in one.text and one.way == "pieces" and "Check it" in one.warning


def test_a_text_without_spans_loses_a_symbol_that_was_made_up():
    [one] = carried(["Guten Tag"], lambda texts: ["Good day ⟦3⟧"])
    assert (one.text, one.warning) == ("Good day ", None)


def test_a_number_that_is_part_of_another_does_not_hold_it():
    spans = find_spans("5 und 15")
    assert holds("15 and 5", spans) and not holds("15 and 15", spans)
    assert not holds("1.5 and 15", spans)


def test_a_small_number_may_be_a_word():
    text = "Er hat 2 Hunde."
    spans = in_notation(text, find_spans(text), "de", "en")
    assert holds("He has two dogs.", spans) and holds("He has 2 dogs.", spans)
    assert not holds("He has three dogs.", spans)


@pytest.mark.parametrize(
    ("number", "source", "target", "wanted"),
    [
        ("1.234,56", "de", "en", "1,234.56"),
        ("1,234.56", "en", "de", "1.234,56"),
        ("1 234,56", "fr", "en", "1,234.56"),
        ("12,75", "de", "zh", "12.75"),
        ("2024", "de", "en", "2024"),
        ("48.500", "de", "en", "48,500"),
        ("9.10", "de", "en", "9.10"),
        ("3.5", "en", "fr", "3,5"),
        ("1'000'000", "de", "en", "1,000,000"),
        ("1,234", "en", "fr", "1\u202f234"),
    ],
)
def test_a_number_has_the_notation_of_its_target(number, source, target, wanted):
    assert convert(number, source, target) == wanted


@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from(["de", "en", "fr"]))
def test_notation_and_back_changes_no_digit(whole, cents, target):
    number = f"{whole:,}.{cents:02}"
    there = convert(number, "en", target)
    assert convert(there, target, "en") == number
    assert re.sub(r"\D", "", there) == re.sub(r"\D", "", number)


def test_notation_is_of_numbers_and_times_alone():
    text = "Python 3.11 costs 3.5 or 1,000.5 kg at 8:30 on 1.2.2020, see 1.2.3"
    spans = in_notation(text, find_spans(text), "en", "de")
    assert [s.target for s in spans] == [
        *("3.11", "3,5", "1.000,5 kg", "8:30", "1.2.2020", "1.2.3"),
    ]
    text = "À 8 h 30"
    assert [s.target for s in in_notation(text, find_spans(text), "fr", "en")] == ["8:30"]


@given(st.text(), st.sampled_from(["de", "zh", None]))
def test_a_normal_text_stays_as_it_is(text, language):
    once = normalize(text, language)
    assert normalize(once, language) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Mu\u0308ller", "de", "Müller"),
        ("„Ja“, it’s", "de", '"Ja", it\'s'),
        ("Donau\u00addampf\u200bschiff", "de", "Donaudampfschiff"),
        ("ＡＢＣ１２！", "en", "ABC12!"),
        ("ＣＰＵ９９！“好”", "zh", "CPU99！“好”"),
        ("zwei  Wörter\u00a0\n hier ", "de", "zwei Wörter hier"),
        ("e\uff0eg", "de", "e.g"),
        ("ﬁnden", "de", "finden"),
        ("👩\u200d💻", "de", "👩\u200d💻"),
    ],
)
def test_forms_that_say_the_same_become_one(text, language, wanted):
    assert normalize(text, language) == wanted
