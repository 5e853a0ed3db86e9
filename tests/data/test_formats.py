import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.documents import split
from s2s_zoo.data.text.formats import FORMATS, format_of, parse
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.protocol.errors import DataError

HTML = """<!DOCTYPE html>
<html lang="de"><head><title>Über uns</title><style>p { color: red }</style></head>
<body class="a>b"><!-- Kommentar -->
<h1>Guten <b>Morgen</b>!</h1>
<p>M&uuml;ller &amp; Co zahlen&nbsp;5 &lt; 6.<br>Neue
  Zeile</p>
<ul><li><a href="/x?a=1&amp;b=2" title="Titel">Hilfe</a></li><li>12</li><li>—</li></ul>
<p>Tippe <code>pip install x</code> ein. <span translate="no">Rotor</span> bleibt.</p>
<pre>nicht   anfassen</pre><script>if (a<b) "<p>nein</p>"</script>
</body></html>
"""
MARKDOWN = """---
title: Nicht anfassen
---
# Ein *Titel* #

> Ein Zitat, das
> weitergeht.

- Punkt **eins**
  geht weiter
1. [ ] Siehe [die Hilfe](https://a.b/c "Titel") und `code`.

| Name | Wert |
|------|-----:|
| Brot | 5 €  |

```python
print("nein")
```

Erste Zeile  
zweite Zeile

<div align="center">
<b>Mitte</b>
</div>

[id]: https://a.b
"""
SRT = """1
00:00:01,000 --> 00:00:04,000
<i>Guten Morgen,
Frau Schulze.</i>

2
00:00:05,000 --> 00:00:06,500
- Hallo!
- Wie geht's?
"""
VTT = """WEBVTT

NOTE nicht
das

intro
00:01.000 --> 00:02.000 align:start
<v Anna>Guten Tag.</v>
"""
FILES = {"html": HTML, "markdown": MARKDOWN, "srt": SRT, "vtt": VTT}
PIECES = [line for file in FILES.values() for line in file.split("\n")] + [
    *(
        "<b",
        "</",
        "&amp",
        "<!--",
        "-->",
        '"',
        "<pre>",
        "<code>",
        "</code>",
        "\r\n",
        "\t",
        "|",
        "\0",
    ),
    *("00:00:01,000 --> 00:00:04,000", "`", "***", "[a](", "![", "> - ", "    ", "{\\an8}", "他。"),
]
TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES)).map("\n".join),
    st.lists(st.sampled_from(PIECES)).map("".join),
)


def parsed(text, format):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return parse(text, format)
        except DataError:
            return None


@pytest.mark.parametrize("format", FORMATS)
@given(text=TEXTS)
def test_a_file_joined_with_its_own_texts_is_the_file(text, format):
    file = parsed(text, format)
    if file is not None:
        assert file.join(file.texts) == text
        assert len(file.gaps) == len(file.blocks) + 1
        documents = [split(block, "de") for block in file.texts]
        assert file.join([one.join(one.sentences) for one in documents]) == text


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_not_text_stays_when_all_text_changes(format, end):
    text = FILES[format].replace("\n", end)
    file = parse(text, format)
    changed = file.join(["X" for _ in file.blocks])
    place = 0
    for gap in file.gaps:
        place = changed.index(gap, place) + len(gap)
    assert parse(text, format).texts == parse(FILES[format], format).texts
    assert [block.text for block in parse(changed, format).blocks] == ["X"] * len(file.blocks)


def test_html_blocks_are_what_a_person_reads():
    file = parse(HTML, "html")
    assert file.texts == [
        "Über uns",
        "Guten <b>Morgen</b>!",
        "Müller & Co zahlen\u00a05 &lt; 6.",
        "Neue Zeile",
        "Hilfe",
        "12",
        'Tippe <code>pip install x</code> ein. <span translate="no">Rotor</span> bleibt.',
    ]
    assert [s.text for s in find_spans(file.texts[-1])] == [
        "<code>pip install x</code>",
        '<span translate="no">Rotor</span>',
    ]


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("A &amp; B", "Tom & Jerry < 2 &lt; 3", "Tom &amp; Jerry &lt; 2 &lt; 3"),
        ("a <b>x</b>", "<b>y</b> b", "<b>y</b> b"),
        ("a", "<script>b</script>", "&lt;script>b&lt;/script>"),
        ("a <b>x</b> c", "</b>y<b> b", "y b"),
        ("a <b>x</b> <i>c</i> d", "<b>y<i></b> z</i>", "y z"),
        ("a <b>x</b> c", "<b>y</b> <b>z</b>", "<b>y</b> &lt;b>z&lt;/b>"),
        ("a <b>x</b> c", "y", "y"),
        ("<b>x</b> c <i>d</i>", "<i>y</i> <b>z</b>", "<i>y</i> <b>z</b>"),
        ("<b>x c</b>", "y", "<b>y</b>"),
        ("<i><b>x</b> c", "<b>y</b>", "<i><b>y</b>"),
        ("a <img src=x/> b", "c", "c<img src=x/>"),
        ("a <b>x<img/></b> c", "<img/> <b>y</b> d", "<img/> <b>y</b> d"),
    ],
)
def test_a_translation_is_written_as_html_that_nests(source, translation, written):
    file = parse(f"<p>{source}</p>", "html")
    assert file.join([translation]) == f"<p>{written}</p>"


@pytest.mark.parametrize(
    "text",
    ["<p>a<b>c</p></i> d", "<p>a</p", "<div><p>Text", "a < b & c > d", "<p title='x>y'>Hallo</p>"],
)
def test_html_that_is_not_well_formed_is_read_and_kept(text):
    file = parse(text, "html")
    assert file.blocks and file.join(file.texts) == text
    assert not any("title=" in block for block in file.texts)


def test_markdown_blocks_are_paragraphs_items_and_cells():
    file = parse(MARKDOWN, "markdown")
    assert file.texts == [
        "Ein *Titel*",
        "Ein Zitat, das weitergeht.",
        "Punkt **eins** geht weiter",
        'Siehe [die Hilfe](https://a.b/c "Titel") und `code`.',
        *("Name", "Wert", "Brot", "5 €"),
        *("Erste Zeile", "zweite Zeile", "Mitte"),
    ]
    spans = find_spans(file.texts[3], markdown=True)
    assert [s.text for s in spans] == ["[", '](https://a.b/c "Titel")', "`code`"]
    assert [s.text for s in find_spans(file.texts[2], markdown=True)] == ["**", "**"]
    assert [s.kind for s in find_spans("2 * 3 snake_case", markdown=True)] == [
        *("number", "number", "identifier"),
    ]


def test_a_translated_quote_loses_its_second_line_and_nothing_else():
    file = parse("> Ein Zitat, das\n> weitergeht.\n\nEnde\n", "markdown")
    assert file.join(["A quote that goes on.", "End"]) == "> A quote that goes on.\n\nEnd\n"


def test_subtitles_keep_times_and_the_number_of_lines():
    file = parse(SRT, "srt")
    assert file.texts == ["Guten Morgen, Frau Schulze.", "Hallo!", "Wie geht's?"]
    assert file.join(["Good morning, Mrs Schulze.", "Hello!", "How are you?"]) == (
        "1\n00:00:01,000 --> 00:00:04,000\n<i>Good morning,\nMrs Schulze.</i>\n\n"
        "2\n00:00:05,000 --> 00:00:06,500\n- Hello!\n- How are you?\n"
    )
    assert parse(VTT, "vtt").texts == ["Guten Tag."]


def test_broken_times_stay_with_a_warning_and_a_file_without_any_is_refused():
    text = "1\n00:00:1 --> Ende\nHallo!\n"
    with pytest.warns(UserWarning, match="Line 2 .* stays as it is"):
        file = parse(text, "srt")
    assert file.texts == ["Hallo!"] and file.join(["Hello!"]) == text.replace("Hallo", "Hello")
    with pytest.raises(DataError, match="expected lines such as 00:00:01,000"):
        parse("Nur Text.\n", "srt")


def test_another_number_of_texts_and_an_unknown_format_are_refused():
    with pytest.raises(ValueError, match="has 1 blocks. Received: 2"):
        parse("<p>a</p>", "html").join(["a", "b"])
    with pytest.raises(ValueError, match="Received: format='doc'"):
        parse("", "doc")


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.HTM", "html"),
        ("b.md", "markdown"),
        ("c.srt", "srt"),
        ("d.vtt", "vtt"),
        ("e.txt", None),
        ("f.DOCX", "docx"),
    ],
)
def test_the_ending_of_a_name_says_the_format(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "piece", ["<b> ", "<p>a", "<", "&", "- a\n", "> ", "*a ", "[a", "\n", "|a"]
)
def test_a_long_file_is_read_in_seconds_at_most(piece, format):
    text = piece * (20_000 // len(piece))
    start = time.perf_counter()
    file = parsed(text, format)
    assert time.perf_counter() - start < 5
    assert file is None or file.join(file.texts) == text
