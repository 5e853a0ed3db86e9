import gettext
import io
import json
import re
import time
import warnings
import xml.etree.ElementTree as ElementTree

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.formats import BILINGUAL, format_of, parse, parse_file
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.protocol.errors import DataError

PO = r"""# Übersetzer <a@example.org>
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#. Shown on the button
#: src/main.c:12
msgctxt "button"
msgid "Open"
msgstr ""

#, c-format
msgid "%d file\n"
msgid_plural "%d files\n"
msgstr[0] ""
msgstr[1] ""

#, fuzzy, c-format
#| msgid "Old"
msgid "Say \"hi\"\tto %s"
msgstr "Sag %s \"hallo\""

msgid ""
"First line\n"
"Second \\ line\n"
msgstr ""

#~ msgid "Gone"
#~ msgstr "Weg"
"""
XLIFF1 = """<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
  <file original="a" source-language="en" datatype="plaintext" target-language="de">
    <body>
      <trans-unit id="1">
        <source>Hello <g id="1">big &amp; <x id="2"/>small</g> world</source>
        <note>Do not &lt;translate&gt;</note>
      </trans-unit>
      <trans-unit id="2" approved="yes"><source>Done</source><target>Fertig</target></trans-unit>
      <trans-unit id="3"><source>Again</source><target state="new">Again</target></trans-unit>
      <trans-unit id="4" translate="no"><source>Code</source></trans-unit>
      <trans-unit id="5"><source><bpt id="1">&lt;a title="no"&gt;</bpt>A link<ept
        id="1">&lt;/a&gt;</ept> and
        <![CDATA[<b>bold</b>]]></source><target/>
        <alt-trans><source>Other</source><target>Anderes</target></alt-trans>
      </trans-unit>
      <trans-unit id="6"><source>Kept</source><target state="translated">Behalten</target>
      </trans-unit>
    </body>
  </file>
</xliff>
"""
XLIFF2 = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
  <file id="f">
    <unit id="1">
      <mtc:matches xmlns:mtc="urn:x"><mtc:match><source>M</source><target>N</target></mtc:match>
      </mtc:matches>
      <segment state="initial">
        <source>Press <pc id="1">OK</pc> &lt;b&gt;now&lt;/b&gt;<ph id="2"/></source>
      </segment>
      <ignorable><source> x </source></ignorable>
      <segment state="initial"><source>Two</source><target>Two</target></segment>
      <segment state="final"><source>Three</source><target>Drei</target></segment>
    </unit>
    <unit id="2" translate="no"><segment><source>No</source></segment></unit>
  </file>
</xliff>
"""
JSON = """{
  "title" : "Gr\\u00fc\\u00dfe \\/ Hi",
  "n": 1.50, "b": [true, null, "Two", {"deep": "Three\\n"}],
  "title": "twice", "@title": {"description": "about"}, "@id": "x",
\t"plural": "{count, plural, one {# file} other {# files}} deleted"
}
"""
PROPERTIES = (
    "# Kommentar\r\n"
    "! auch = einer\r\n"
    "key.one = Open the file\r\n"
    "key\\ two:Gr\\u00fc\\u00dfe  \r\n"
    "long = First line\\n\\\r\n"
    "       Second line of the \\\r\n"
    "       text\r\n"
    "empty =\r\n"
    "message = It''s {0}\r\n"
    "bare\r\n"
    "last Say \\t it"
)
FILES = {"po": PO, "xliff": XLIFF1, "json": JSON, "properties": PROPERTIES}


def changed(text, format, change, **options):
    file = parse(text, format, **options)
    return file.join([change(block) for block in file.texts])


def catalog(text):
    """What gettext says of a catalog, compiled by Babel."""
    output = io.BytesIO()
    write_mo(output, read_po(io.BytesIO(text.encode())))
    return gettext.GNUTranslations(io.BytesIO(output.getvalue()))


def test_po_fills_what_is_empty_and_keeps_the_rest():
    file = parse(PO, "po")
    assert file.texts == [
        "Open",
        "%d file\n",
        "%d files\n",
        "First line\nSecond \\ line\n",
    ]
    written = file.join(["Öffnen", "%d Datei", "%d Dateien\n", 'Erste "Zeile"\nZweite \\\n'])
    expected = PO.replace('"Open"\nmsgstr ""', '"Open"\nmsgstr "Öffnen"')
    expected = expected.replace('msgstr[0] ""', 'msgstr[0] "%d Datei\\n"')
    expected = expected.replace('msgstr[1] ""', 'msgstr[1] "%d Dateien\\n"')
    expected = expected.replace(
        'line\\n"\nmsgstr ""\n',
        'line\\n"\nmsgstr ""\n"Erste \\"Zeile\\"\\n"\n"Zweite \\\\\\n"\n',
    )
    assert written == expected
    said = catalog(written)
    assert said.pgettext("button", "Open") == "Öffnen"
    assert said.ngettext("%d file\n", "%d files\n", 7) == "%d Dateien\n"
    assert said.gettext("First line\nSecond \\ line\n") == 'Erste "Zeile"\nZweite \\\n'


def test_po_translates_again_only_when_asked():
    file = parse(PO, "po", retranslate=True)
    assert file.texts[3] == 'Say "hi"\tto %s'
    written = file.join([*file.texts[:3], "Grüße\t%s", file.texts[4]])
    assert written == PO.replace('"Sag %s \\"hallo\\""', '"Grüße\\t%s"')


def test_po_says_what_a_person_should_look_at():
    po = (
        'msgid "Same"\nmsgstr ""\n\n#. note\nmsgctxt "c"\nmsgid "One"\nmsgstr ""\n\n'
        '#, c-format\n#| msgid "old"\nmsgid "%d"\nmsgid_plural "%d b"\nmsgstr[0] "x"\n'
        'msgstr[1] ""\nmsgstr[2] ""\n\n#, fuzzy\n#~ msgid "a"\n#~ msgstr ""\n'
        'msgid "Two"\nmsgstr ""\n'
    )
    file = parse(po, "po")
    texts = ["Same", "Eins", "%d c", "%d d", "Zwei"]
    plain = file.join(texts)
    assert "fuzzy" not in plain.replace("#, fuzzy\n#~", "")
    assert file.join(texts, {0, 1, 2, 3}) == plain.replace(
        'msgctxt "c"', '#, fuzzy\nmsgctxt "c"'
    ).replace("#, c-format", "#, fuzzy, c-format")
    assert file.join(texts, [4]) == plain.replace('msgid "Two"', '#, fuzzy\nmsgid "Two"')


def test_xliff_says_what_a_person_should_look_at():
    file = parse(XLIFF1, "xliff")
    texts = ["Hallo", "Nochmal", "Ein Link"]
    plain = file.join(texts)
    written = file.join(texts, {0, 1, 2})
    state = ' state="needs-review-translation"'
    assert written.count(state) == 3 and plain.count(state) == 1
    assert written.replace(state, "") == plain.replace(state, "")
    ElementTree.fromstring(written)
    second = parse(XLIFF2, "xliff")
    assert second.join(["a", "b"], {0, 1}) == second.join(["a", "b"])


def test_the_only_plural_form_of_a_language_is_made_of_the_plural():
    po = 'msgid "one file"\nmsgid_plural "%d files"\nmsgstr[0] ""\n'
    assert parse(po, "po").texts == ["%d files"]
    three = 'msgid "a file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] "x"\nmsgstr[2] ""\n'
    assert parse(three, "po").texts == ["a file", "%d files"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('msgid "a"\nmsgstr "b\nmsgid "c"\n', r"Line 2 .*Received: '\"b'"),
        ('msgstr "b"', "Line 1 .*expected msgid or msgctxt or domain first"),
        ('msgid "a"\n\nmsgid "b"\nmsgstr ""', "Line 3 .*expected msgstr or msgid_plural after"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr ""', r"Line 3 .*expected msgstr\[\]"),
        ('msgid "a"\n', "Line 2 .*the end of the file"),
        ('msgid "a"\nmsgstr', "Line 2 .*the end of the file"),
        ('"a"', "Line 1 "),
        ("Hallo Welt.", "Line 1 .*Received: 'Hallo Welt.'"),
        ('msgid "a"\r\nmsgstr "b"\rmsgfoo "c"', "Line 3 .*msgfoo"),
    ],
)
def test_a_po_file_that_is_none_is_refused_with_its_line(text, message):
    with pytest.raises(DataError, match=message):
        parse(text, "po")


def test_xliff_1_fills_targets_and_keeps_inline_elements_and_code():
    file = parse(XLIFF1, "xliff")
    assert file.texts == [
        'Hello <g id="1">big & <x id="2"/>small</g> world',
        "Again",
        'A link<ept id="1"/> and <b>bold</b>',
    ]
    written = file.join(
        [
            'Hallo <g id="1">große < <x id="2"/>kleine</g> &nbsp; Welt\0',
            "Nochmal",
            file.texts[2].replace("A link", "Ein Link").replace("bold", "fett"),
        ]
    )
    expected = XLIFF1.replace(
        "world</source>",
        'world</source>\n        <target>Hallo <g id="1">große &lt; <x id="2"/>kleine</g> '
        "&amp;nbsp; Welt</target>",
    )
    expected = expected.replace(
        '<target state="new">Again', '<target state="needs-review-translation">Nochmal'
    )
    expected = expected.replace(
        "<target/>",
        '<target><bpt id="1">&lt;a title="no"&gt;</bpt>Ein Link<ept\n        id="1">&lt;/a&gt;'
        "</ept> and &lt;b&gt;fett&lt;/b&gt;</target>",
    )
    assert written == expected
    ElementTree.fromstring(written)
    assert len(parse(XLIFF1, "xliff", retranslate=True).texts) == 4


def test_xliff_2_fills_targets_of_segments():
    file = parse(XLIFF2, "xliff")
    assert file.texts == ['Press <pc id="1">OK</pc> <b>now</b>', "Two"]
    written = file.join(['<b>Jetzt</b> <pc id="1">OK</pc> drücken', "Zwei"])
    expected = XLIFF2.replace(
        '<ph id="2"/></source>',
        '<ph id="2"/></source>\n        <target>&lt;b&gt;Jetzt&lt;/b&gt; <pc id="1">OK</pc> '
        'drücken<ph id="2"/></target>',
    ).replace("<target>Two", "<target>Zwei")
    assert written == expected.replace('state="initial"', 'state="translated"')
    ElementTree.fromstring(written)


def test_white_space_of_a_source_is_kept_where_it_says_so():
    unit = "<xliff><trans-unit {}><source> a\n  b </source></trans-unit></xliff>"
    assert parse(unit.format(""), "xliff").texts == ["a b"]
    text = unit.format('xml:space="preserve"')
    assert parse(text, "xliff").texts == ["a\n  b"]
    assert "<target> x\n  y </target>" in changed(text, "xliff", lambda _: "x\n  y")


def test_a_segmented_source_is_translated_with_its_marks():
    text = (
        "<x:xliff xmlns:x='u'><x:trans-unit><x:source>A. B.</x:source><x:seg-source>"
        '<x:mrk mid="0">A.</x:mrk> <x:mrk mid="1">B.</x:mrk></x:seg-source>'
        "</x:trans-unit></x:xliff>"
    )
    written = changed(text, "xliff", lambda block: block.replace("A", "C"))
    target = '<x:target><x:mrk mid="0">C.</x:mrk> <x:mrk mid="1">B.</x:mrk></x:target>'
    assert written == text.replace("</x:seg-source>", f"</x:seg-source>{target}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<xliff><a></xliff>", "Line 1 .*mismatched tag"),
        ("", "no element found"),
        ("<html/>", "starts with <xliff>. Received: <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><xliff>&b;</xliff>', "declares entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><xliff/>', "declares entities"),
        ("<xliff>&nbsp;</xliff>", "undefined entity"),
    ],
)
def test_what_is_no_xliff_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse(text, "xliff")


def test_json_values_are_translated_to_the_byte():
    file = parse(JSON, "json")
    plural = "{count, plural, one {# file} other {# files}} deleted"
    assert file.texts == ["Grüße / Hi", "Two", "Three\n", "twice", plural]
    assert [span.kind for span in find_spans(plural)] == ["icu"]
    written = file.join(["Grüße / Hé 😀", 'Zw"ei', "Drei", "zweimal", plural])
    expected = JSON.replace("\\/ Hi", "\\/ H\\u00e9 \\ud83d\\ude00")
    expected = expected.replace('"Two"', '"Zw\\"ei"')
    expected = expected.replace("Three", "Drei").replace('"twice"', '"zweimal"')
    assert written == expected
    assert json.loads(written)["b"][2:] == ['Zw"ei', {"deep": "Drei\n"}]
    assert changed('"Hi"', "json", lambda _: "Grüße") == '"Grüße"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "b",}', "Line 1 .*column"),
        ('{\n// no\n"a": 1}', "Line 2"),
        ('{"a": "b\nc"}', "Line 1"),
        ("[" * 200_000, "nested too deep|Line 1"),
        ("", "Line 1"),
    ],
)
def test_what_is_no_json_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse(text, "json")


def test_numbers_of_any_length_and_a_byte_order_mark_are_no_trouble():
    text = "\ufeff[" + "1" * 10_000 + ', "Hi"]'
    assert changed(text, "json", lambda _: "Du") == text.replace("Hi", "Du")


@pytest.mark.parametrize(
    ("text", "format"), [('["a \\ud800"]', "json"), ("a = b \\ud800", "properties")]
)
def test_half_of_a_surrogate_pair_stays_with_a_warning(text, format):
    with pytest.warns(UserWarning, match="Line 1 .*half of a surrogate pair"):
        file = parse(text, format)
    assert not file.blocks and file.join([]) == text


def test_properties_keep_keys_comments_and_escapes():
    file = parse(PROPERTIES, "properties")
    assert file.texts == [
        "Open the file",
        "Grüße  ",
        "First line\nSecond line of the text",
        "It's {0}",
        "Say \t it",
    ]
    written = file.join(
        [
            "Datei öffnen",
            "Saluts",
            "Erste Zeile\n Zweite Zeile des Textes",
            "C'est {0}",
            "= a 😀 \\",
        ]
    )
    assert written == (
        "# Kommentar\r\n! auch = einer\r\nkey.one = Datei \\u00f6ffnen\r\nkey\\ two:Saluts  \r\n"
        "long = Erste Zeile\\n\\\r\n       \\ Zweite Zeile des Textes\r\n"
        "empty =\r\nmessage = C''est {0}\r\nbare\r\nlast \\= a \\ud83d\\ude00 \\\\"
    )
    assert parse(written, "properties").texts == [
        "Datei öffnen",
        "Saluts  ",
        "Erste Zeile\n Zweite Zeile des Textes",
        "C'est {0}",
        "= a 😀 \\",
    ]


def test_apostrophes_are_doubled_only_where_a_value_has_arguments():
    text = "a = It's {0}\nb = It''s\nc = {0} goes\n"
    assert parse(text, "properties").texts == ["It's {0}", "It''s", "{0} goes"]
    written = changed(text, "properties", lambda block: f"{block} l'a")
    assert written == "a = It's {0} l'a\nb = It''s l'a\nc = {0} goes l''a\n"


def test_an_escape_without_its_digits_is_refused_with_its_line():
    with pytest.raises(DataError, match=r"Line 2 .*four digits .*Received: '\\\\u00g1 x'"):
        parse("a = \\u00e9 \\\\u00g1\nb = \\u00g1 x\n", "properties")


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("a 'é\\\"\n\r\t={}&<😀")
)


def has_words(text):
    return any(c.isalnum() for c in text)


PLAIN = WORDS.map(lambda text: re.sub(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]", "", text))


@given(st.lists(st.tuples(PLAIN, PLAIN), max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_as_po_is_what_babel_reads(pairs, end):
    entries = "".join(
        f'msgid {json.dumps(a, ensure_ascii=False)}{end}msgstr ""{end}{end}' for a, _ in pairs
    )
    file = parse(entries, "po")
    texts = [f"{i} {pairs[i % len(pairs)][1].strip()} ." for i in range(len(file.texts))]
    assert file.join(file.texts) == entries
    again = parse(file.join(texts), "po", retranslate=True)
    values = [eval_po(block.raw) for block in again.blocks]
    assert [value.strip() for value in values] == texts


def eval_po(raw):
    """The value of strings of a catalog, by Babel's reader."""
    from babel.messages.pofile import denormalize

    return denormalize(raw.replace("\r\n", "\n"))


@given(
    st.recursive(
        WORDS | st.none() | st.booleans() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=8,
    ),
    st.booleans(),
    WORDS,
)
def test_json_of_any_kind_keeps_its_shape(value, ascii, text):
    source = json.dumps(value, ensure_ascii=ascii, indent=1)
    file = parse(source, "json")
    assert file.join(file.texts) == source

    def translated(value, key=""):
        if isinstance(value, dict):
            return {k: translated(v, f"@{k}" if key[:1] == "@" else k) for k, v in value.items()}
        if isinstance(value, list):
            return [translated(item, key) for item in value]
        if not isinstance(value, str) or not has_words(value) or key[:1] == "@":
            return value
        start = value[: len(value) - len(value.lstrip())]
        return f"{start}{f'{text} x'.strip()}{value[len(value.rstrip()) :]}"

    assert json.loads(file.join([f"{text} x" for _ in file.texts])) == translated(value)


@given(WORDS.filter(has_words), WORDS.map(str.strip).filter(bool), st.booleans())
def test_a_value_that_is_written_as_properties_is_read_again(key, text, ascii):
    source = f"a = {'x' if ascii else 'é'}\n{key.encode('unicode_escape').decode()}\n"
    file = parse(source, "properties")
    assert file.join(file.texts) == source
    written = file.join([f"{text} y", *file.texts[1:]])
    assert parse(written, "properties").texts == [f"{text} y", *file.texts[1:]]
    assert written.isascii() or not ascii


PIECES = st.lists(
    st.sampled_from(
        ["<g id='1'>", "</g>", "<x id='2'/>", "a", " b\n ", "&lt;b&gt;", "&lt;/b&gt;", "&amp;"]
        + ["<ph id='3'>&lt;br/&gt;</ph>", "<![CDATA[<i>]]>", "<!-- c -->", "&#8203;", "é", "&lt;"]
    )
).map("".join)


@given(PIECES, WORDS, st.sampled_from(["", "<target/>", "<target>\n</target>"]))
def test_what_is_written_as_xliff_is_well_formed(source, text, target):
    file = f"<xliff><trans-unit id='1'><source>{source}</source>{target}</trans-unit></xliff>"
    try:
        marked = parse(file, "xliff")
    except DataError:
        return
    assert marked.join(marked.texts) == file
    for translation in (text, f"{text} {' '.join(marked.texts)}", f"</g>{text}<g id='1'> &#0;"):
        written = marked.join([translation for _ in marked.texts])
        root = ElementTree.fromstring(written)
        assert written.startswith(file[: file.index("</source>")])
        if marked.texts and translation != marked.texts[0]:
            for tag in ("x", "ph"):  # what encloses nothing is not lost
                source, target = (
                    root.findall(f"trans-unit/{name}//{tag}") for name in ("source", "target")
                )
                assert len(source) == len(target)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_stay(format, end, mark):
    plain = FILES[format].replace("\r\n", "\n")
    text = mark + plain.replace("\n", end)
    file = parse(text, format)
    assert [t.split() for t in file.texts] == [t.split() for t in parse(plain, format).texts]
    written = file.join(["Eins\nZwei" for _ in file.blocks])
    place = 0
    for gap in file.gaps:
        place = written.index(gap, place) + len(gap)
    if end != "\n" and format != "xliff":
        assert "\n" not in written.replace("\r\n", "")


@pytest.mark.parametrize("format", FILES)
@given(st.data())
def test_a_part_of_a_file_is_read_or_refused_in_plain_words(format, data):
    text = FILES[format]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    extra = data.draw(st.sampled_from(["", "\\", '"', "<", "}", "\r", "msgid", "é"]))
    text = text[:start] + extra + text[end:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file = parse(text, format)
        except DataError as error:
            assert len(str(error)) < 300
            return
    assert file.join(file.texts) == text
    file.join(["x y" for _ in file.texts])


@pytest.mark.parametrize(
    ("format", "piece"),
    [
        ("po", '"'),
        ("po", "\\"),
        ("po", 'msgid "a"\nmsgstr ""\n'),
        ("properties", "\\"),
        ("properties", "a = b\\\n"),
        ("properties", "a\\u0020"),
        ("properties", "a = b\n"),
        ("json", '"'),
        ("xliff", "<!--"),
        ("xliff", "<a "),
    ],
)
def test_a_long_file_of_one_piece_is_read_in_seconds(format, piece):
    start = time.perf_counter()
    try:
        file = parse(piece * (200_000 // len(piece)), format)
        file.join(["x" for _ in file.texts])
    except DataError:
        pass
    assert time.perf_counter() - start < 10


def test_a_long_line_in_each_format_is_translated():
    words = "word " * 50_000
    for text, format in [
        (f'msgid "{words}"\nmsgstr ""\n', "po"),
        (f'"{words}"', "json"),
        (f"a = {words}", "properties"),
        (f"<xliff><trans-unit><source>{words}</source></trans-unit></xliff>", "xliff"),
        (f"<xliff><segment><source>{'&lt;' * 50_000}a</source></segment></xliff>", "xliff"),
    ]:
        start = time.perf_counter()
        assert "Wort" in changed(text, format, lambda _: "Wort")
        assert time.perf_counter() - start < 10


# Bytes


def test_a_catalog_stays_in_its_encoding():
    data = PO.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    file = parse_file(data, "po")
    assert file.encoding == "iso-8859-1" and file.join(file.texts) == data
    written = file.join(["Öffnen", *file.texts[1:]])
    assert written == data.replace(b'"Open"\nmsgstr ""', b'"Open"\nmsgstr "\xd6ffnen"')


def test_a_catalog_whose_encoding_has_no_room_becomes_utf_8():
    data = PO.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    file = parse_file(data, "po")
    with pytest.warns(UserWarning, match="becomes UTF-8: iso-8859-1 has no room"):
        written = file.join(["打开", *file.texts[1:]])
    assert written.decode() == PO.replace('"Open"\nmsgstr ""', '"Open"\nmsgstr "打开"')


def test_a_template_gets_its_charset_when_it_is_filled():
    data = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=CHARSET\\n"\n\n'
    data += b'msgid "Open"\nmsgstr ""\n'
    file = parse_file(data, "po")
    assert file.join(["Ouvrir"]) == data[:-3] + b'"Ouvrir"\n'
    assert (
        file.join(["Öffnen"])
        .decode()
        .startswith('msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"')
    )


def test_a_header_that_names_the_wrong_encoding_is_said_and_mended():
    data = PO.replace("UTF-8", "ISO-8859-1").encode()
    with pytest.warns(UserWarning, match="says that it is iso-8859-1, but it is UTF-8"):
        file = parse_file(data, "po")
    assert file.join(file.texts) == data
    assert file.join(["Öffnen", *file.texts[1:]]).decode() == PO.replace(
        '"Open"\nmsgstr ""', '"Open"\nmsgstr "Öffnen"'
    )


@pytest.mark.parametrize(
    ("data", "format", "message"),
    [
        ('msgid "ä"\nmsgstr ""'.encode("latin-1"), "po", "Line 1 is not valid UTF-8.*no other"),
        (PO.encode("latin-1"), "po", "Line 1 is not valid UTF-8, .*names its encoding 'utf-8'"),
        (PO.replace("UTF-8", "rot13").encode("latin-1"), "po", "its encoding 'rot13'"),
        (PO.replace("Ü", "U").encode("utf-16-le"), "po", "NUL characters"),
        ('["ä"]'.encode("latin-1"), "json", "Line 1 is not valid UTF-8"),
        (b"\xff\xfe[\0\xff", "json", "not valid utf-16-le"),
        (b"%PDF-1.7", "po", "This is a PDF, and not po. Save its text"),
        (b"\xde\x12\x04\x95", "po", "compiled catalog"),
        (b"PK\x03\x04", "html", "a zip archive"),
    ],
)
def test_bytes_that_cannot_be_read_are_refused(data, format, message):
    with pytest.raises(DataError, match=message):
        parse_file(data, format)


def test_properties_are_utf_8_or_latin_1():
    data = "a = Grüße\nb = x\n".encode("latin-1")
    file = parse_file(data, "properties")
    assert file.texts[0] == "Grüße" and file.join(file.texts) == data
    assert file.join(["é 打", "x"]) == b"a = \xe9 \\u6253\nb = x\n"
    assert parse_file("a = Grüße".encode(), "properties").join(["打"]) == "a = 打".encode()
    assert parse_file(b"a = b", "properties").join(["打"]) == b"a = \\u6253"


@pytest.mark.parametrize("mark", ["utf-16", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("format", ["po", "json", "xliff", "html", "markdown", "srt"])
def test_a_byte_order_mark_says_the_encoding(mark, format):
    texts = {**FILES, "html": "<p>é</p>", "markdown": "é", "srt": "00:01,0 --> 00:02,0\né"}
    data = texts[format].encode(mark)
    file = parse_file(data, format)
    assert file.texts and file.join(file.texts) == data
    written = file.join(["打" for _ in file.texts]).decode(mark)
    assert len(re.findall(r"打|\\u6253", written)) == len(file.texts)


def test_what_an_encoding_lacks_is_a_reference_in_xml_and_html():
    xliff = XLIFF1.replace("UTF-8", "us-ascii").encode()
    file = parse_file(xliff, "xliff")
    assert "<target>&#25171; é".encode("ascii", "xmlcharrefreplace") in file.join(
        ["打 é", *file.texts[1:]]
    )
    html = '<meta charset="iso-8859-1"><p>é</p>'.encode("latin-1")
    assert parse_file(html, "html").join(["ü 打"]) == html.replace(b"\xe9", b"\xfc &#25171;")


def test_other_kinds_of_files_are_refused_with_the_remedy():
    for name, remedy in [
        ("a.PDF", "pdftotext"),
        ("a.doc", "Save it as .docx"),
        ("a.rtf", "Save it as .docx"),
        ("a.xlsx", "one text on a line"),
        ("a.mo", "Give the .po file"),
    ]:
        with pytest.raises(DataError, match=remedy):
            format_of(name)
    assert [format_of(f"a.{e}") for e in ("po", "POT", "xlf", "xliff", "arb", "properties")] == [
        *("po", "po", "xliff", "xliff", "json", "properties"),
    ]


def test_retranslate_is_for_files_with_translations():
    assert set(BILINGUAL) == {"po", "xliff"}
    for call in (lambda: parse("{}", "json", True), lambda: parse_file(b"", "docx", True)):
        with pytest.raises(ValueError, match="retranslate is for po and xliff"):
            call()
