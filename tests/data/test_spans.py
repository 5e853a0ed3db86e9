import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.spans import KINDS, find_spans

# kind, text, and what of it must not change
FOUND = [
    ("url", "Siehe https://www.example.org/seite?id=5.", ["https://www.example.org/seite?id=5"]),
    ("url", "(https://de.wikipedia.org/wiki/A_(B))", ["https://de.wikipedia.org/wiki/A_(B)"]),
    ("url", "请访问https://a.org/x。", ["https://a.org/x"]),
    ("url", "https://zh.wikipedia.org/wiki/北京 ist da", ["https://zh.wikipedia.org/wiki/北京"]),
    ("url", "www.a-b.de, ftp://c.d/e.txt!", ["www.a-b.de", "ftp://c.d/e.txt"]),
    ("mail", "An anna.b+c@example.co.uk.", ["anna.b+c@example.co.uk"]),
    ("mail", "是anna@example.com吗", ["anna@example.com"]),
    ("domain", "Auf example.com/hilfe steht es.", ["example.com/hilfe"]),
    ("markup", "<p class='a>b'>Guten <b>Tag</b></p>", ["<p class='a>b'>", "<b>", "</b>", "</p>"]),
    ("markup", "x < y und a > b", []),
    ("markup", "a<br/>b <!-- c --> <?xml v?>", ["<br/>", "<!-- c -->", "<?xml v?>"]),
    ("entity", "A &amp; B &#39; C & D", ["&amp;", "&#39;"]),
    ("code", "`pip install x` ist gut", ["`pip install x`"]),
    ("placeholder", "{name} {{days}} ${HOME} %(n)s {0} {} #{x}", None),
    ("placeholder", "ein { Wort } und {noch eins}", []),
    (
        "icu",
        "{n, plural, one {# Tag} other {# Tage}} da",
        ["{n, plural, one {# Tag} other {# Tage}}"],
    ),
    ("printf", "%s von %d, %1$s, %05.2f, %Y-%m", ["%s", "%d", "%1$s", "%05.2f", "%Y", "%m"]),
    ("printf", "100 % sicher, 50%ig", []),
    ("path", "/usr/share/doc und ~/.config, und/oder", ["/usr/share/doc", "~/.config"]),
    ("path", r"C:\Users\me und notes.txt.", [r"C:\Users\me", "notes.txt"]),
    ("option", "mit --output=x und --help", ["--output=x", "--help"]),
    ("identifier", "foo_bar, baz() und System.Net.Http", ["foo_bar", "baz()", "System.Net.Http"]),
    ("mention", "Danke @lena, E-Mail a@b.de", ["@lena"]),
    ("hashtag", "#sommer #5 C#", ["#sommer"]),
    ("emoji", "Toll 😀👍🏽 :-) 🇩🇪 ❤️!", ["😀👍🏽", ":-)", "🇩🇪", "❤️"]),
    ("date", "07.05.2023, 2021-08-30, 5/8/2020", ["07.05.2023", "2021-08-30", "5/8/2020"]),
    ("time", "14:30, 9:05:10, 8 h 30, 8.30 Uhr", ["14:30", "9:05:10", "8 h 30", "8.30"]),
    ("phone", "+49 30 1234567 oder 030/1234567", ["+49 30 1234567", "030/1234567"]),
    ("version", "3.4.3, v2.1, 3.x, 192.168.1.1", ["3.4.3", "v2.1", "3.x", "192.168.1.1"]),
    ("serial", "XK-2291, A4, 4711-0815, COVID-19", ["XK-2291", "A4", "4711-0815", "COVID-19"]),
    ("serial", "ICH HABE 3 HUNDE", []),
    ("serial", "单号是4711-0815，凭XK-2291。 $1:$2", ["4711-0815", "XK-2291", "$1:$2"]),
    ("hashtag", "照片#夏天 好", ["#夏天"]),
    ("name", "Frau Schulze-Müller, Dr. Weißgerber", ["Schulze-Müller", "Weißgerber"]),
    ("name", "Frau von der Leyen und Herrn Öztürks Hund", ["von der Leyen", "Öztürks"]),
    (
        "name",
        "M. de la Fontaine, Mme O'Connor, Mr. Smith's",
        ["de la Fontaine", "O'Connor", "Smith"],
    ),
    (
        "name",
        "Herr Direktor, Frau Nachbarin, Monsieur le Président, Frau K. und Herr Dr. Mai",
        ["Mai"],
    ),
    ("name", "Er ist Professor. Dann kam der Herr der Ringe und FRAU MEIER mit Frau und Kind", []),
    ("number", "Das sind 1.234,56 Euro, -3 °C und 12,75 kg", ["1.234,56", "-3 °C", "12,75 kg"]),
    ("number", "am 12. März 2024", ["12", "2024"]),
    ("number", "1 234,56 €, US$ 5, £3.50, 1'000", ["1 234,56 €", "US$ 5", "£3.50", "1'000"]),
    ("number", "die 80er, 3D, 1er, 2nd", []),
    ("number", "2024年3月12日有3万人", ["2024", "12"]),
    ("number", "5-10 und 63 %", ["5", "10", "63 %"]),
]
PROTECTED = [text for kind, _, texts in FOUND if kind != "name" for text in texts or []]
BETWEEN = st.lists(st.sampled_from("Wort und , . ( ) 他 ä".split()), min_size=1).map(" ".join)


@pytest.mark.parametrize(("kind", "text", "wanted"), FOUND)
def test_what_must_not_change_is_found_with_its_kind(kind, text, wanted):
    found = [span.text for span in find_spans(text) if span.kind == kind]
    assert found == (text.split(" ") if wanted is None else wanted)


@given(
    st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(PROTECTED), st.text())).map("".join))
)
def test_spans_are_in_order_apart_and_parts_of_the_text(text):
    spans = find_spans(text, keep=["ab", "b"], terms={"c": "d"})
    ends = [0, *(span.end for span in spans)]
    for span, before in zip(spans, ends, strict=False):
        assert before <= span.start < span.end
        assert text[span.start : span.end] == span.text and span.kind in KINDS


@given(st.sampled_from(PROTECTED), BETWEEN, BETWEEN)
def test_a_protected_string_is_covered_wherever_it_stands(wanted, before, after):
    text = f"{before} {wanted} {after}"
    covered = {i for span in find_spans(text) for i in range(span.start, span.end)}
    start = len(before) + 1
    assert {i for i in range(start, start + len(wanted)) if text[i].isalnum()} <= covered


def test_words_of_the_user_go_first_and_the_longer_before_the_shorter():
    spans = find_spans("Bad Oeynhausen 12 Monkeys", keep=["Bad", "Bad Oeynhausen", "12 Monkeys"])
    assert [span.text for span in spans] == ["Bad Oeynhausen", "12 Monkeys"]


def test_a_word_of_the_user_within_an_address_leaves_the_address_whole():
    text = "Der Rotor: https://rotor.de/Rotor, Rotorblatt"
    spans = find_spans(text, terms={"Rotor": "rotor"})
    assert [(span.kind, span.target) for span in spans] == [
        ("term", "rotor"),
        ("url", "https://rotor.de/Rotor"),
    ]


def test_a_word_of_the_user_that_holds_an_address_takes_it_in():
    [span] = find_spans("Firma a@b.de GmbH", keep=["Firma a@b.de GmbH"])
    assert span.kind == "keep"


def test_words_in_chinese_have_no_spaces_around_them():
    assert [s.text for s in find_spans("他住在北京市。", keep=["北京"])] == ["北京"]


def test_kinds_can_be_chosen():
    assert [s.kind for s in find_spans("5 a@b.de %s", kinds=["mail"])] == ["mail"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["colour"]}, "Received: colour"),
        ({"keep": "Rotor"}, r"write \['Rotor'\]"),
        ({"keep": [" "]}, "expected words"),
        ({"keep": ["a"], "terms": {"a": "b"}}, "in keep and in terms"),
    ],
)
def test_bad_options_are_refused_with_the_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        find_spans("a", **options)


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        '<a "',
        "{",
        "{n, plural, ",
        "a.",
        "1,",
        "1 ",
        "www.",
        "a@",
        "`",
        "/a",
        "a_",
        "-",
        "(",
        "%",
        "😀",
        "<!--",
        "0",
        "A-",
        "12-",
    ],
)
def test_a_long_text_is_searched_in_seconds_at_most(piece):
    start = time.perf_counter()
    find_spans(piece * (50_000 // len(piece)))
    assert time.perf_counter() - start < 5
