"""Translations hold what must not change, whatever a model writes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo.data.text.numbers import in_notation
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.data.text.symbols import Symbols
from s2s_zoo.pipeline.carrying import carry, holds
from s2s_zoo.pipeline.result import Result
from tests.data.test_symbols import TEXTS


def carried(texts, generate, **options):
    """The hypotheses for each text; `generate` gives one str, or a list of them, for each."""
    symbols = options.pop("symbols", Symbols())

    def hypotheses(read):
        written = generate(read)
        several = [[one] if isinstance(one, str) else one for one in written]
        return [[Result(text, -1.0) for text in texts] for texts in several]

    return carry(texts, [find_spans(text, **options) for text in texts], hypotheses, symbols)


@settings(deadline=None)
@given(
    st.lists(TEXTS, max_size=3), st.sampled_from([None, Symbols(), Symbols(limit=1)]), st.randoms()
)
def test_whatever_a_model_writes_every_span_is_held(texts, symbols, random):
    def generate(sources):
        return [
            random.choice([s, s[::-1], "", "Unsinn 7", s + s, re.sub(r"\d", "8", s)])
            for s in sources
        ]

    for text, found in zip(texts, carried(texts, generate, symbols=symbols), strict=True):
        assert all(span.text in one.text for span in find_spans(text) for one in found)
        assert len(found) == 1


def test_a_model_that_copies_symbols_is_asked_once():
    calls = []

    def generate(texts):
        calls.append(texts)
        return [text.replace("Schreib an", "Write to") for text in texts]

    [[one]] = carried(["Schreib an a@b.de!"], generate)
    assert one == Result("Write to a@b.de!", -1.0)
    assert calls == [["Schreib an ⟦1⟧!"]]


def test_where_the_best_hypothesis_lost_a_span_another_one_is_looked_for():
    asked = []

    def model(name, *written):
        def generate(texts):
            asked.append(name)
            return [[Result(text) for text in written] for _ in texts]

        return generate

    text = "Schreib an a@b.de!"
    few = model("few", "Write!")
    more = model("more", "Write!", "Write to ⟦1⟧!", "To ⟦1⟧!")
    [found] = carry([text], [find_spans(text)], few, Symbols(), more)
    assert [one.text for one in found] == ["Write to a@b.de!", "To a@b.de!"]
    assert asked == ["few", "more"]
    more = model("more", "Write!", "Write to a@b.de!")
    [[one]] = carry([text], [find_spans(text)], few, None, more)
    assert one == Result("Write to a@b.de!")


def test_numbers_are_the_business_of_the_model_until_it_gets_one_wrong():
    calls = []

    def generate(texts):
        calls.append(texts)
        return [text.replace("45", "54") for text in texts]

    [[one]] = carried(["Es sind 45 Tage."], generate)
    assert one == Result("Es sind 45 Tage.", -1.0)
    assert calls == [["Es sind 45 Tage."], ["Es sind ⟦1⟧ Tage."]]


def test_only_the_text_whose_symbol_was_lost_is_translated_again():
    calls = []

    def generate(texts):
        calls.append(texts)
        return [text.replace("⟦1⟧", "") if "Nr." in text else text for text in texts]

    [first], [second] = carried(["Nr. a@b.de hier", "An c@d.de da"], generate)
    assert (first.text, first.warning) == ("Nr. a@b.de hier", None) == (first.text, second.warning)
    assert calls[1:] == [["Nr. a@b.de hier"]]


def test_of_several_hypotheses_those_stay_that_hold_the_spans():
    [found] = carried(["An ⟦9⟧ a@b.de"], lambda texts: [["⟦1⟧ x", "⟦2⟧ ⟦1⟧ to", "to ⟦1⟧ ⟦2⟧"]])
    assert [one.text for one in found] == ["a@b.de ⟦9⟧ to", "to ⟦9⟧ a@b.de"]


def test_what_has_no_symbol_is_looked_for_in_the_translation():
    answers = iter([["⟦1⟧ c@d.de 13"], ["⟦1⟧, c@d.de ⟦2⟧ 13"], ["13 a@b.de c@d.de"]])
    text = "An a@b.de, c@d.de und 13"
    [[one]] = carried([text], lambda _: next(answers), symbols=Symbols(limit=1))
    assert one.text == "a@b.de c@d.de 13"
    [[one]] = carried([text], lambda _: next(answers), symbols=Symbols(limit=1))
    assert one.text == "13 a@b.de c@d.de"


def test_a_wrong_number_is_never_given():
    [[one]] = carried(["Es sind 45 Tage."], lambda texts: ["There are 54 days." for _ in texts])
    assert one.text == "There are 54 days 45 There are 54 days." and "Check it" in one.warning


def test_a_piece_without_an_end_mark_gets_none():
    def generate(texts):
        return ["Write." if text == "Schreib" else "" for text in texts]

    [[one]] = carried(["Schreib a@b.de"], generate)
    assert one.text == "Write a@b.de" and "in pieces" in one.warning


def test_pieces_and_spans_that_were_apart_do_not_run_together():
    def generate(texts):
        return [{"am": "on", ". Mai": "May", "年": "year", "px": "px"}.get(t, "") for t in texts]

    for text, wanted in [
        ("am 14. Mai a@b.de", "on 14 May a@b.de"),
        ("1914年", "1914 year"),
        ("%dpx", "%dpx"),
    ]:
        [[one]] = carried([text], generate)
        assert one.text == wanted


def test_a_text_without_spans_loses_a_symbol_that_was_made_up():
    [[one]] = carried(["Guten Tag"], lambda texts: ["Good day ⟦3⟧"])
    assert (one.text, one.warning) == ("Good day ", None)


def test_the_source_is_given_where_nothing_else_is_left():
    [[one]] = carried(["a@b.de 好"], lambda texts: ["⟦5⟧" for _ in texts])
    assert one.text == "a@b.de 好" and "given as it is" in one.warning


def test_a_number_that_is_part_of_another_does_not_hold_it():
    spans = find_spans("5 und 15")
    assert holds("15 and 5", spans) and not holds("15 and 15", spans)
    assert not holds("1.5 and 15", spans)


def test_a_small_number_may_be_a_word():
    text = "Er hat 2 Hunde."
    spans = in_notation(text, find_spans(text), "de", "en")
    assert holds("He has two dogs.", spans) and holds("He has 2 dogs.", spans)
    assert not holds("He has three dogs.", spans)


@pytest.mark.parametrize("text", ["", "Guten Tag", "5", "a@b.de"])
def test_a_model_that_writes_nothing_loses_no_span(text):
    [[one]] = carried([text], lambda texts: ["" for _ in texts])
    assert one.text in ("", text)
