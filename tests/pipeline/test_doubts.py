import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.pipeline.doubts import doubt, loops

THRESHOLD = -1.05

# What a person may write: source, translation.
FINE = [
    ("Ha ha ha!", "Ha ha ha!"),
    ("Hahaha!", "Hahahaha!"),
    ("哈哈哈哈哈哈", "Ha ha ha ha ha ha"),
    ("Sehr, sehr gut.", "Very very good."),
    ("Nein, nein, nein, nein!", "No, no, no, no!"),
    ("Nein!", "No, no, no!"),
    ("Er klopfte immer wieder.", "He knocked again and again and again."),
    ("Immer und immer wieder.", "Over and over and over again."),
    ("Sie kamen zwei und zwei.", "They came two by two, two by two."),
    ("Das waren die, die die Tür öffneten.", "Those were the ones who opened the door."),
    ("He said that that that was wrong.", "Er sagte, dass dieses Das falsch war."),
    (
        "Eine Rose ist eine Rose ist eine Rose ist eine Rose.",
        "A rose is a rose is a rose is a rose.",
    ),
    ("1. Milch 2. Milch 3. Milch 4. Milch", "1. Milk 2. Milk 3. Milk 4. Milk"),
    (
        "Links, zwei, drei, vier, links, zwei, drei, vier",
        "Left, two, three, four, left, two, three",
    ),
    ("10.000.000.000.000", "10,000,000,000,000"),
    ("0 0 0 0 0 0", "0 0 0 0 0 0"),
    ("255.255.255.255", "255.255.255.255"),
    ("Aaaaaah!", "Aaaaaaah!"),
    ("Hmmm.", "Hmmmm."),
    ("Lalala, lalala.", "La la la, la la la."),
    ("Bitte, bitte, bitte, bitte hilf mir!", "Please, please, please, please, please help me!"),
    ("Tom, Tom und Tom sind da.", "Tom, Tom and Tom are there."),
    ("Der Mississippi ist lang.", "The Mississippi is long."),
    ("Kartoffeln, Bananen, Ananas.", "Potatoes, bananas, pineapples."),
    ("你好", "Hello"),
    ("…", ""),
    ("", ""),
    ("?!", ""),
    ("Das Schild sagt „北京“.", "The sign says “北京”."),
]

LOOPS = [
    ("Ich habe keine Zeit.", "I have no time time time time."),
    ("ICH HABE KEINE ZEIT.", "InCASEASISEITEITEITEITEITNIs."),
    ("Das ist ein Test.", "This is a test, a test, a test, a test."),
    ("Guten Morgen!", "It is the case of the case of the case of the case of the case."),
    ("Der Hund frisst.", "the dog and a cat and the dog and a cat and the dog and a cat and"),
    ("Ich mag das.", "我们的我们的我们的我们的"),
    ("Gut.", "slslslslslsl"),
    ("Sehr, sehr gut.", "Very very very very very good."),
    ("Viel.", "viiiiiiiiiel"),
]


@pytest.mark.parametrize(("source", "text"), FINE)
def test_what_a_person_may_write_is_not_doubted(source, text):
    assert doubt(source, text, -0.3, target="en") is None
    assert not loops(text, source)


@pytest.mark.parametrize(("source", "text"), LOOPS)
def test_a_text_that_goes_round_in_circles_says_so(source, text):
    said = doubt(source, text, -0.1)
    assert said is not None and "repeats itself" in said and source[:50] in said


@pytest.mark.parametrize(
    ("text", "score", "at_limit", "target", "said"),
    [
        ("", -0.1, False, "en", "wrote nothing"),
        (" . ", -0.1, False, "en", "wrote nothing"),
        ("他住在北京。", -0.1, False, "en", "did not write letters of en"),
        ("Он живёт в Пекине.", -0.1, False, "zh", "did not write letters of zh"),
        ("He lives in", -0.1, True, "en", "came to no end"),
        ("He lives in Tokyo.", THRESHOLD - 0.01, False, "en", "is not sure"),
        ("", THRESHOLD - 1, True, "en", "wrote nothing"),
    ],
)
def test_a_warning_says_what_is_wrong_and_of_which_text(text, score, at_limit, target, said):
    warning = doubt("他住在北京。", text, score, at_limit, THRESHOLD, target)
    assert re.fullmatch(rf"The model {said}.*: '他住在北京。'\. Check it\.", warning or "")


def test_nothing_is_said_where_nothing_is_known():
    assert doubt("他住在北京。", "He lives in Beijing.") is None
    assert doubt("他住在北京。", "他住在北京。") is None  # no target is named
    assert doubt("他住在北京。", "He lives in Beijing.", -9.0) is None
    assert doubt("他住在北京。", "He lives in Beijing.", THRESHOLD, threshold=THRESHOLD) is None


def test_a_long_source_is_shortened_in_a_warning():
    warning = doubt("Das ist lang. " * 20, "", -0.1)
    assert warning is not None and len(warning) < 110


@given(st.text(), st.text())
def test_a_translation_that_is_its_source_never_loops(source, text):
    assert not loops(source, source)
    doubt(source, text, -0.1, target="en")


def test_a_text_of_a_megabyte_is_looked_through_in_seconds():
    start = time.process_time()
    for text in ("ab" * 500_000, "a" * 1_000_000, "the cat sat " * 80_000, "xyz" * 3 + "q" * 9):
        loops(text, "no")
    assert time.process_time() - start < 20
