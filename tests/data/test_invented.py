"""Numbers and names of a summary: those of its source, and those of nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.invented import invented

SOURCE = (
    "The GNU Transport Layer Security library (GnuTLS 3.7.9) needs 15 MB and -5 °C, says "
    "Anna Weiß. "
    "Libraries parse X.509 certificates on 2024-03-12 for $1,250."
)


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ("Library for certificates", []),
        ("GnuTLS: a library of Transport Layer Security", []),
        ("GNUTLS 3.7.9 of 15 MB", []),
        ("gnutls 3.7", ["3.7"]),
        ("Needing 5 MB", ["5"]),
        ("Needing 5 °C", ["5"]),
        ("Needing -5 °C", []),
        ("A cost of $1,250", []),
        ("A cost of €1,250", ["€"]),
        ("A cost of $1,25", ["1,25"]),
        ("On 2024-03-12 for Anna's X.509", []),
        ("On 2024-03-13", ["2024-03-13"]),
        ("Anna Weiss and OpenSSL", ["OpenSSL"]),
        ("Anne Weiß", ["Anne"]),
        ("Ceph", ["Ceph"]),
        ("Three libraries", ["Three"]),
        ("Parsing of Certificates Towards a New Library", []),
        ("TLS", ["TLS"]),
        ("", []),
    ],
)
def test_what_a_summary_invents(summary, found):
    assert invented(summary, SOURCE) == found


def test_counts_may_be_written_as_words():
    assert invented("Three cats", "There are 3 cats.") == []
    assert invented("3 cats", "There are three cats.") == ["3"], "which nobody wrote there"


def test_a_name_is_no_word_of_the_same_beginning_unless_that_is_an_ordinary_one():
    assert invented("Trade with Austria", "Trade with Australia grows.") == ["Austria"]
    assert invented("Sorting", "It sorts lists.") == []


def test_a_summary_in_capitals_is_read_as_others_are():
    assert invented("LIBRARY FOR CERTIFICATES", SOURCE) == []
    assert invented("LIBRARY OF MICROSOFT", SOURCE) == ["MICROSOFT"]


NUMBERS = st.from_regex(r"-?[1-9]\d{0,5}([.,:/]\d{1,4}){0,2}", fullmatch=True)


@given(NUMBERS, NUMBERS)
def test_any_number_is_there_or_invented_never_changed(number, other):
    source = f"The total of {number} was paid in spring."
    assert invented(f"Total of {number}", source) == []
    assert bool(invented(f"Total of {other} paid", source)) == (other != number)


@given(st.text(max_size=60))
def test_a_text_invents_nothing_of_itself(text):
    assert invented(text, text) == []
