"""Files of text as bytes: which encoding they have, and how a translation is written in it."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from s2s_zoo.data.text.formats.marked import Marked
from s2s_zoo.data.text.formats.properties import as_ascii
from s2s_zoo.protocol.errors import DataError

MARKS = {  # the longer ones first
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
CHARSET = r"\"Content-Type:[^\"]*?charset=(?P<name>[\w.:-]+)"
XML = rb"^\s*<\?xml[^>]*?\sencoding\s*=\s*[\"'](?P<name>[\w.:-]+)"
DECLARED = {
    "po": re.compile(CHARSET.encode(), re.IGNORECASE),
    "xliff": re.compile(XML),
    "html": re.compile(
        rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?(?P<name>[\w.:-]+)"
    ),
}
REACH = 1 << 16  # bytes in which an encoding is declared
KNOWN = re.compile(
    r"(?:us-)?ascii|utf-?8|(?:iso-?)?8859-?\d{1,2}|iso-8859-\d{1,2}|latin-?\d|(?:windows-|cp)\d{3,4}"
    r"|koi8-[rut]|euc-(?:jp|kr)|gb(?:2312|k|18030)|big5(?:-?hkscs)?|shift[_-]jis|johab|tis-620"
)
OTHERS = {b"%PDF-": "a PDF", b"{\\rtf": "RTF", b"\xd0\xcf\x11\xe0": "an old Office file"}
OTHERS |= {b"PK\x03\x04": "a zip archive", b"\xde\x12\x04\x95": "a compiled catalog, .mo"}
OTHERS |= {b"\x95\x04\x12\xde": "a compiled catalog, .mo", b"\x1f\x8b": "packed by gzip"}


@dataclass(frozen=True)
class Encoded:
    """A file of text, in bytes; with its own texts it is what it was, to the byte.

    Attributes:
        file: its `Marked`.
        format: str.
        encoding: str, that of the bytes.
    """

    file: Marked
    format: str
    encoding: str

    @property
    def texts(self) -> list[str]:
        return self.file.texts

    @property
    def markdown(self) -> bool:
        return self.file.markdown

    def join(self, texts: Sequence[str], doubtful: Collection[int] = ()) -> bytes:
        """Puts texts where those of the file stood, in its encoding.

        What the encoding does not have is written as the format allows; a catalog of gettext
        becomes UTF-8, with a warning.

        Args:
            texts: list of str, as many as the file has.
            doubtful: the numbers, from 0, of texts that a person should look at: the flag "fuzzy"
                of a catalog and a state of XLIFF 1.2 say so.

        Raises:
            ValueError: for another number of texts.
            DataError: where neither the encoding nor the format has a way to write a character.
        """
        text = self.file.join(texts, doubtful)
        if self.format == "po" and list(texts) != self.texts:
            return self._catalog(text)
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as error:
            if self.format == "properties":
                return as_ascii(text, self.encoding).encode(self.encoding)
            if self.format in DECLARED:
                return text.encode(self.encoding, "xmlcharrefreplace")
            raise DataError(
                f"A translation has {error.object[error.start]!r}, which {self.encoding} does not "
                "have. Convert the file to UTF-8."
            ) from error

    def _catalog(self, text: str) -> bytes:
        """A catalog whose header says what its encoding is."""
        try:
            data, encoding = text.encode(self.encoding), self.encoding
        except UnicodeEncodeError:
            warnings.warn(
                f"The catalog becomes UTF-8: {self.encoding} has no room for its translation.",
                stacklevel=3,
            )
            data, encoding = text.encode(), "utf-8"
        said = re.search(CHARSET, text, re.IGNORECASE)
        if not said or data.isascii() or _is(said["name"], encoding):
            return data
        start, end = said.span("name")
        return f"{text[:start]}{encoding.upper()}{text[end:]}".encode(encoding)


def decode(data: bytes, format: str | None = None) -> tuple[str, str]:
    """Reads the bytes of a file of text.

    A byte order mark comes first, then UTF-8, then what the file says of itself, and for
    .properties ISO-8859-1.

    Args:
        data: bytes.
        format: str, a key of `FORMATS`; None for plain text.

    Returns:
        text, which holds the byte order mark, and the name of the encoding.

    Raises:
        DataError: where that does not read it, and for files of other kinds, such as PDF.
    """
    for start, kind in OTHERS.items():
        if data.startswith(start):
            raise DataError(
                f"This is {kind}, and not {format or 'plain text'}. Save its text in one of the "
                "formats that are read, such as .docx, .odt, .html or .txt."
            )
    text, encoding = _decoded(data, format)
    if "\0" in text:
        raise DataError("The file holds NUL characters. If it is UTF-16, save it as UTF-8.")
    return text, encoding


def _decoded(data: bytes, format: str | None) -> tuple[str, str]:
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return _exactly(data, encoding), encoding
    found = DECLARED[format].search(data[:REACH]) if format in DECLARED else None
    said = found["name"].decode("ascii", "replace").lower() if found else ""
    known = KNOWN.fullmatch(said) is not None and not _is(said, "utf-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if format == "properties":
            return data.decode("latin-1"), "latin-1"
        if known:
            return _exactly(data, said), said
        raise DataError(
            f"Line {data[: error.start].count(10) + 1} is not valid UTF-8, and the file names "
            f"{f'its encoding {said!r}' if said else 'no other encoding'}. Convert it to UTF-8."
        ) from error
    if known and not data.isascii():
        warnings.warn(
            f"The file says that it is {said}, but it is UTF-8, and read so.", stacklevel=4
        )
        return text, "utf-8"
    return text, said if known else "utf-8"


def _exactly(data: bytes, encoding: str) -> str:
    """The text of bytes that are the same when it is encoded again."""
    try:
        text = data.decode(encoding)
        same = text.encode(encoding) == data
    except (LookupError, UnicodeError) as error:
        raise DataError(
            f"The file is not valid {encoding}, as it says: {error}. Convert it to UTF-8."
        ) from error
    if not same:
        raise DataError(f"The file cannot be kept in {encoding}. Convert it to UTF-8.")
    return text


def _is(one: str, other: str) -> bool:
    """Whether two names mean one encoding."""
    try:
        return codecs.lookup(one).name == codecs.lookup(other).name
    except LookupError:
        return False
