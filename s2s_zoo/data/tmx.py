"""Translation memories: TMX 1.4. Nothing that a file declares or refers to is looked up."""

from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from s2s_zoo.data.lines import opened
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

CHUNK = 1 << 16  # bytes
CODE = frozenset({"bpt", "ept", "it", "ph", "ut"})  # what is in them belongs to no text


def tmx_rows(path: StrPath) -> Iterator[dict[str, str]]:
    """Yields the texts of each unit by language: {"de-DE": …, "en": …}.

    Raises:
        DataError: for a file that is no XML, or declares entities; the message names the line.
    """
    units: list[dict[str, str]] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    _Reader(parser, units, path)
    with opened(path) as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                parser.Parse(chunk, not chunk)
            except (expat.ExpatError, LookupError, ValueError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"{path} is no XML that can be read: {error}. Export the memory again."
                ) from error
            yield from units
            units.clear()
            if not chunk:
                return


class _Reader:
    """Collects the texts of units as a parser comes by."""

    def __init__(self, parser: Any, units: list[dict[str, str]], path: StrPath) -> None:
        self.parser, self.units, self.path = parser, units, path
        self.unit: dict[str, str] = {}
        self.language = ""
        self.text: list[str] | None = None  # of the segment that is open
        self.code = 0  # how many elements of `CODE` are open
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.EntityDeclHandler = self.entity

    def entity(self, name: str, *_: Any) -> None:
        raise DataError(
            f"{self.path}, line {self.parser.CurrentLineNumber}: declares an entity, {name!r}, "
            "which no translation memory needs. It is not read."
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tu":
            self.unit = {}
        elif name == "tuv":
            self.language = attributes.get("xml:lang") or attributes.get("lang") or ""
        elif name == "seg":
            self.text = []
        self.code += name in CODE

    def end(self, name: str) -> None:
        self.code -= name in CODE
        if name == "seg" and self.text is not None:
            self.unit.setdefault(self.language, " ".join("".join(self.text).split()))
            self.text = None
        elif name == "tu":
            self.units.append(self.unit)

    def characters(self, text: str) -> None:
        if self.text is not None and not self.code:
            self.text.append(text)
