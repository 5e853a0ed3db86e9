import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.numbers import convert, in_notation
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.data.text.symbols import Symbols, protect, protect_pair, symbol_pattern
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
    only = protect(text, find_spans(text), Symbols(kinds=("mail",)))
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


def test_the_script_of_a_text_says_which_forms_are_usual():
    assert normalize("ＣＰＵ：“好”") == "CPU：“好”" and normalize("ＣＰＵ：“x”") == 'CPU:"x"'


def test_what_both_sides_write_alike_is_behind_one_symbol():
    pair = "Siehe a@b.de und https://c.de am 5. Mai.", "On 5 May see https://c.de and a@b.de."
    source, target = protect_pair(*pair, Symbols())
    assert source == "Siehe ⟦1⟧ und ⟦2⟧ am 5. Mai."
    assert target == "On 5 May see ⟦2⟧ and ⟦1⟧."
    assert protect_pair("⟦3⟧ a@b.de", "a@b.de ⟦3⟧", Symbols()) == ("⟦3⟧ a@b.de", "a@b.de ⟦3⟧")
    assert protect_pair("a@b.de", "a@b.de a@b.de", Symbols()) == ("a@b.de", "a@b.de a@b.de")


@pytest.mark.parametrize(
    "config", [{"limit": 0}, {"template": "x"}, {"kinds": ["url"]}, {"limit": "2"}]
)
def test_symbols_that_cannot_be_are_refused(config):
    with pytest.raises(ValueError, match="symbol"):
        Symbols.from_config(config)


@pytest.mark.parametrize(
    ("text", "target", "wanted"),
    [
        ("会议将于2024年3月12日举行。", "en", ["12 March 2024"]),
        ("本店12月24日至26日停业。", "en", ["24 to 26 December"]),
        ("我从5月2日到5月16日休假。", "en", ["2 May", "16 May"]),
        ("2019年7月我们搬到了汉堡。", "en", ["July 2019"]),
        ("1946年的冬天，2028年3月底，7月份", "en", ["1946", "March 2028"]),
        ("航班于1月6日5:20降落。", "de", ["6. Januar", "5:20"]),
        ("9月1号", "fr", ["1er septembre"]),
        ("see https://a.cn/3月12日 und 13月40日", "en", ["https://a.cn/3", "12", "40"]),
        ("3月12日", "ru", ["12"]),
    ],
)
def test_a_chinese_date_is_written_as_its_target_does(text, target, wanted):
    spans = in_notation(text, find_spans(text), "zh", target)
    assert [span.target for span in spans] == wanted


def test_an_english_date_may_have_any_of_its_forms():
    [span] = in_notation("2024年3月12日", find_spans("2024年3月12日"), "zh", "en")
    assert span.forms == ("March 12, 2024", "March 12 2024", "12 Mar 2024")


@pytest.mark.parametrize(
    ("source", "translation", "wanted"),
    [
        ("页面a@b.de无法", "Page⟦1⟧cannot", "Page a@b.de cannot"),
        ("页面a@b.de，无法", "Page ⟦1⟧, no", "Page a@b.de, no"),
        ("das %dpx Bild", "the %dpx image", "the %dpx image"),
        ("das %dpx Bild", "the ⟦1⟧px image", "the %dpx image"),
        ("他用a@b.de", "他用⟦1⟧写", "他用a@b.de写"),
    ],
)
def test_a_span_that_was_apart_stays_apart(source, translation, wanted):
    protected = protect(source, find_spans(source))
    assert protected.restore(translation).text == wanted
