"""Images of an HTML page that have no alternative text, and the page with it."""

from __future__ import annotations

import base64
import codecs
import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

from s2s_zoo.protocol.errors import DataError

UNREAD = ("textarea", "title", "xmp", "iframe", "noembed", "noframes")  # what looks like tags there
DECORATION = ("presentation", "none")  # roles of what means nothing
CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
HEAD = 1024  # bytes in which a page says its encoding
CANDIDATE = re.compile(r"[\s,]*(\S*[^\s,])(?:\s[^,]*)?")  # of a srcset: an address, its conditions
TAG = len("<img")


class Image(NamedTuple):
    """An image without alternative text.

    Attributes:
        place: int, where in the page it is to be written.
        source: str, where the image is, as the page says; "" where it does not.
    """

    place: int
    source: str


class Page:
    """An HTML page, well-formed or not.

    An image with an `alt` is left alone, also with an empty one: that says that it is decoration,
    as `aria-hidden` and the role "presentation" do.

    Args:
        data: bytes of the file.
        folder: where the addresses of its images begin.

    Attributes:
        images: list of Image.

    Raises:
        DataError: for a page in UTF-16 or UTF-32.
    """

    def __init__(self, data: bytes, folder: Path) -> None:
        self.text, self.encoding = _decoded(data)
        self.folder = folder
        found = _Images(self.text)
        self.images, self.base = found.images, found.base

    def source(self, image: Image, fetch: bool) -> str | Path | bytes:
        """What the captioner reads: a file, the bytes in the page, or with `fetch` an address.

        Raises:
            DataError: for an image that the page does not name, or that is elsewhere.
        """
        short = f"{image.source:.80}"
        try:
            address = urljoin(self.base, image.source)
            parts = urlsplit(address)
        except ValueError as error:
            raise DataError(f"{short} is no address: {error}. Mend it in the page.") from error
        if not image.source:
            raise DataError("An image of the page has no src. Give it one, or an alt of its own.")
        if parts.scheme == "data":
            return _within(address, short)
        if parts.netloc and parts.scheme in ("", "http", "https"):
            if fetch:
                return address if parts.scheme else f"https:{address}"
            raise DataError(f"{short} is elsewhere. Use --fetch, or save the page with its images.")
        path = unquote(parts.path)
        if parts.scheme not in ("", "file") or not path:
            raise DataError(f"{short} is no file. Expected a path, a data URL or an address.")
        # In a page a path that begins with / begins where the site does.
        return Path(path) if parts.scheme == "file" else self.folder / path.lstrip("/")

    def with_texts(self, texts: Mapping[int, str]) -> bytes:
        """The page with alternative texts by the `place` of their images; else the same bytes."""
        parts, done = [], 0
        for place in sorted(texts):
            said = f' alt="{html.escape(texts[place])}"'
            written = said.encode(self.encoding, "xmlcharrefreplace").decode(self.encoding)
            parts += [self.text[done:place], written]
            done = place
        return "".join([*parts, self.text[done:]]).encode(self.encoding)


class _Images(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.images, self.base, self.unread = [], "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if self.unread:
            return
        said = {name: (value or "").strip() for name, value in reversed(attrs)}  # the first counts
        if tag in UNREAD:
            self.unread = tag
        elif tag == "base" and not self.base:
            self.base = said.get("href", "")
        elif tag == "img" and "alt" not in said:
            hidden = said.get("aria-hidden") == "true" or said.get("role") in DECORATION
            if not hidden:
                line, column = self.getpos()
                place = self.lines[line - 1] + column + TAG
                self.images.append(Image(place, _source(said)))

    def handle_startendtag(self, tag, attrs):
        if tag not in UNREAD:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag == self.unread:
            self.unread = ""


def _source(said):
    """Where an image is: what is loaded later stands beside a data URL that holds its place."""
    found = [said.get("src", ""), *CANDIDATE.findall(said.get("srcset", "")), said.get("data-src")]
    found = [address for address in found if address]
    files = [address for address in found if not address.startswith("data:")]
    return (files or found or [""])[0]


def _decoded(data):
    """A page as text, in an encoding that gives the same bytes again."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise DataError("The page is in UTF-16 or UTF-32. Expected UTF-8: convert it first.")
    declared = CHARSET.search(data[:HEAD])
    for encoding in ("utf-8", declared.group(1).decode() if declared else "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
            if text.encode(encoding) == data:
                return text, encoding
        except (LookupError, UnicodeError):
            continue
    return data.decode("latin-1"), "latin-1"


def _within(address, short):
    """The bytes of a data URL (RFC 2397)."""
    head, comma, body = address.partition(",")
    if not comma:
        raise DataError(f"{short} is a data URL without data. Mend it in the page.")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote_to_bytes(body))
    except ValueError as error:
        raise DataError(f"{short} is a damaged data URL: {error}. Mend it in the page.") from error
