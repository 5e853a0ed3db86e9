import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.text.formats.office import parse_docx_xml, parse_odt_xml
from s2s_zoo.data.text.formats.packed import parse_packed
from s2s_zoo.protocol.errors import DataError

DOCX = (
    '<?xml version="1.0"?><w:document><w:body><w:p><w:pPr><w:pStyle w:val="a"/></w:pPr>'
    "<w:r><w:rPr><w:lang/></w:rPr><w:t>Gu</w:t></w:r><w:proofErr/>"
    '<w:r w:rsidR="1"><w:rPr><w:lang/></w:rPr><w:t xml:space="preserve">ten </w:t></w:r>'
    "<w:r><w:rPr><w:b/></w:rPr><w:t>Tag</w:t></w:r>"
    "<w:r><w:rPr><w:lang/></w:rPr><w:t>, Müller &amp; Co!</w:t></w:r></w:p>"
    "<w:p><w:r><w:tab/><w:t>Nach dem Tab</w:t></w:r></w:p><w:p/></w:body></w:document>"
)
ODT = (
    '<?xml version="1.0"?><office:document-content><office:body><text:h>Über uns</text:h>'
    '<text:p text:style-name="P1">Guten <text:span text:style-name="T1">Tag</text:span>!'
    "<text:line-break/>Neue Zeile<text:note><text:note-body><text:p>Fußnote</text:p>"
    "</text:note-body></text:note> geht weiter</text:p><text:p/>"
    "<text:tracked-changes><text:p>alt</text:p></text:tracked-changes></office:body>"
    "</office:document-content>"
)
XHTML = (
    '<?xml version="1.0"?><!DOCTYPE html><html><body><p>Ein &nbsp;<i>Buch</i>.</p></body></html>'
)
FILES = {
    "docx": {"word/document.xml": DOCX, "word/styles.xml": "<w:t>nicht</w:t>"},
    "odt": {"mimetype": "application/vnd.oasis", "content.xml": ODT, "meta.xml": "<a>nicht</a>"},
    "epub": {"mimetype": "application/epub+zip", "OEBPS/a.xhtml": XHTML, "b.css": "p {}"},
}


def archive(files, compression=zipfile.ZIP_DEFLATED):
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", compression) as file:
        for name, text in files.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else compression
            file.writestr(name, text, stored)
    return output.getvalue()


@pytest.mark.parametrize(
    ("format", "texts"),
    [
        ("docx", ["Guten <g1>Tag</g1>, Müller & Co!", "Nach dem Tab"]),
        (
            "odt",
            [
                "Über uns",
                'Guten <text:span text:style-name="T1">Tag</text:span>!',
                *("Neue Zeile", "Fußnote", "geht weiter"),
            ],
        ),
        ("epub", ["Ein \u00a0<i>Buch</i>."]),
    ],
)
def test_the_text_of_a_document_is_found_and_the_rest_stays(format, texts):
    data = archive(FILES[format])
    document = parse_packed(data, format)
    assert document.texts == texts
    assert document.join(texts) == data
    changed = document.join([f"{text} < &" for text in texts])
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(io.BytesIO(changed)) as new:
        assert new.namelist() == old.namelist()
        for name, text in FILES[format].items():
            assert (new.read(name).decode() == text) == (name not in document.files)
        assert [m.compress_type for m in new.infolist()] == [
            m.compress_type for m in old.infolist()
        ]
    assert parse_packed(changed, format).texts == [f"{text} &lt; &" for text in texts]


def test_a_translation_has_the_format_of_its_runs_where_they_moved_to():
    file = parse_docx_xml(DOCX)
    written = file.join(["<g1>Day</g1>, good & <b>", "After the tab"])
    assert (
        '<w:r><w:rPr><w:b/></w:rPr><w:t xml:space="preserve">Day</w:t></w:r>'
        '<w:r><w:rPr><w:lang/></w:rPr><w:t xml:space="preserve">, good &amp; &lt;b></w:t></w:r>'
        "</w:p>"
    ) in written
    assert "<w:r><w:tab/><w:t>After the tab</w:t></w:r>" in written


def test_what_xml_does_not_know_is_escaped():
    odt = parse_odt_xml('<text:p>Hi <text:a xlink:href="a?b&amp;c">you</text:a> all</text:p>')
    [link] = odt.texts
    written = odt.join([link.replace("Hi", "Salut&nbsp;\0&#8203;&#0;")])
    assert written == (
        "<text:p>Salut&amp;nbsp;&#8203;&amp;#0; "
        '<text:a xlink:href="a?b&amp;c">you</text:a> all</text:p>'
    )
    docx = parse_docx_xml("<w:r><w:t>Hi</w:t></w:r>")
    assert ">A&amp;nbsp;B</w:t>" in docx.join(["A&nbsp;\x1fB"])


PIECES = st.lists(
    st.sampled_from(
        [
            DOCX,
            ODT,
            "<w:r>",
            "<w:t>",
            "a b",
            "</w:t>",
            "</w:r>",
            "<text:p>",
            "</text:p>",
            "<",
            "&lt;",
        ]
        + [
            "<w:r><w:t>x</w:t></w:r>",
            "<text:span>",
            "</text:span>",
            "<!--",
            "<text:p/>",
            "<w:rPr/>",
        ]
    )
).map("".join)


@given(st.one_of(PIECES, st.text()))
def test_a_part_joined_with_its_own_texts_is_the_part(text):
    for parse in (parse_docx_xml, parse_odt_xml):
        file = parse(text)
        assert file.join(file.texts) == text


def declared(data, size):
    """The archive with another size of its first member in its directory."""
    place = data.index(b"PK\x01\x02")
    return data[: place + 24] + size.to_bytes(4, "little") + data[place + 28 :]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"content.xml": "<text:p>" + "0" * (2 << 20) + "</text:p>"}, "as no document does"),
        (
            {"content.xml": '<!DOCTYPE a [<!ENTITY x "y">]><text:p>&x;</text:p>'},
            "declares entities",
        ),
        ({"content.xml": '<!DOCTYPE a SYSTEM "b" [ ]><text:p/>'}, "declares entities"),
        ({"content.xml": b"<text:p>\xff</text:p>"}, "not valid UTF-8"),
        ({"other.xml": "<a/>"}, "There is no text in this .odt"),
        ({str(i): "" for i in range(10_001)}, "10001 members"),
    ],
)
def test_a_document_that_is_none_is_refused(files, message):
    with pytest.raises(DataError, match=message):
        parse_packed(archive(files), "odt")


def test_a_damaged_archive_is_refused():
    data = archive(FILES["odt"])
    for broken in (b"", b"PK", data[:-30], declared(data, 1 << 31), data[: len(data) // 2]):
        with pytest.raises(DataError):
            parse_packed(broken, "odt")
    encrypted = data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    with pytest.raises(DataError, match="encrypted"):
        parse_packed(encrypted, "odt")
    with pytest.raises(ValueError, match="Received: format='pdf'"):
        parse_packed(data, "pdf")
    with pytest.raises(ValueError, match="Received: 0 texts"):
        parse_packed(data, "odt").join([])


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_byte_that_is_wrong_raises_nothing_but_a_data_error(place, byte):
    data = bytearray(archive(FILES["docx"]))
    data[place % len(data)] = byte
    try:
        document = parse_packed(bytes(data), "docx")
        document.join(["x" for _ in document.texts])
    except DataError:
        pass
