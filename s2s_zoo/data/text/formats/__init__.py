"""Files in which text stands between what is none: pages, subtitles, documents, catalogs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from s2s_zoo.data.text.formats.encoded import Encoded, decode
from s2s_zoo.data.text.formats.hypertext import parse_html
from s2s_zoo.data.text.formats.json_strings import parse_json
from s2s_zoo.data.text.formats.markdown import parse_markdown
from s2s_zoo.data.text.formats.marked import Marked, parse_text
from s2s_zoo.data.text.formats.packed import PARTS, Packed, parse_packed
from s2s_zoo.data.text.formats.po import parse_po
from s2s_zoo.data.text.formats.properties import parse_properties
from s2s_zoo.data.text.formats.subtitles import parse_subtitles
from s2s_zoo.data.text.formats.xliff import parse_xliff
from s2s_zoo.protocol.errors import DataError

FORMATS: dict[str, Callable[[str], Marked]] = {
    "html": parse_html,
    "json": parse_json,
    "markdown": parse_markdown,
    "po": parse_po,
    "properties": parse_properties,
    "srt": parse_subtitles,
    "text": parse_text,
    "vtt": parse_subtitles,
    "xliff": parse_xliff,
}
BILINGUAL = {"po": parse_po, "xliff": parse_xliff}  # source and translation in one file
ENDINGS = {
    "arb": "json",
    "htm": "html",
    "md": "markdown",
    "pot": "po",
    "xhtml": "html",
    "xlf": "xliff",
}
DOCUMENT = "Save it as .docx, .odt or .html"
TABLE = "Save the column with the text as .txt, one text on a line"
REFUSED = {
    "pdf": "Open what it was made of, or convert it: pdftotext gives .txt, pandoc and Word .docx",
    "mo": "Give the .po file that it was compiled from",
    **dict.fromkeys(("doc", "rtf", "pages", "wpd", "fodt"), DOCUMENT),
    **dict.fromkeys(("ppt", "pptx", "odp", "key"), "Save its outline as .txt or .docx"),
    **dict.fromkeys(("xls", "xlsx", "ods"), TABLE),
}

__all__ = [
    "BILINGUAL",
    "FORMATS",
    "PARTS",
    "Encoded",
    "Marked",
    "Packed",
    "decode",
    "format_of",
    "parse",
    "parse_file",
    "parse_packed",
]


def format_of(name: str) -> str | None:
    """The format that the ending of a file's name stands for, or None.

    Raises:
        DataError: for a kind of file that is known and not read, such as PDF.
    """
    ending = name.rpartition(".")[2].casefold()
    if ending in REFUSED:
        raise DataError(f".{ending} files are not read. {REFUSED[ending]}.")
    return ENDINGS.get(ending, ending if ending in (*FORMATS, *PARTS) else None)


def parse(text: str, format: str, retranslate: bool = False) -> Marked:
    """Parts the text of a file into blocks to translate and what stands around them.

    Args:
        text: str, the whole file.
        format: str, a key of `FORMATS`.
        retranslate: bool, for one of `BILINGUAL`: translate also what has a translation.

    Raises:
        DataError: for a file that is none of the format.
        ValueError: for an unknown format, or `retranslate` with one that has no translations.
    """
    if format not in FORMATS:
        raise ValueError(f"Expected one of {', '.join(FORMATS)}. Received: format={format!r}.")
    _check(format, retranslate)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    file = BILINGUAL[format](text, retranslate=True) if retranslate else FORMATS[format](text)
    return replace(file, gaps=(mark + file.gaps[0], *file.gaps[1:]))


def parse_file(data: bytes, format: str, retranslate: bool = False) -> Encoded | Packed:
    """Parts the bytes of a file; what `join` of the answer returns are the bytes of one.

    Args:
        data: bytes, the whole file.
        format: str, a key of `FORMATS` or `PARTS`.
        retranslate: bool, as in `parse`.

    Raises:
        DataError: for a file that is none of the format, or whose encoding cannot be read.
        ValueError: as in `parse`.
    """
    if format not in (*FORMATS, *PARTS):
        known = ", ".join([*FORMATS, *PARTS])
        raise ValueError(f"Expected one of {known}. Received: format={format!r}.")
    _check(format, retranslate)
    if format in PARTS:
        return parse_packed(data, format)
    text, encoding = decode(data, format)
    return Encoded(parse(text, format, retranslate), format, encoding)


def _check(format: str, retranslate: bool) -> None:
    if retranslate and format not in BILINGUAL:
        raise ValueError(
            f"retranslate is for {' and '.join(BILINGUAL)}, where translations stand beside their "
            f"sources. Received: format={format!r}."
        )
