"""Documents that are archives: .docx, .odt, .epub. Nothing is written to disk or looked up."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from s2s_zoo.data.text.formats.hypertext import parse_html
from s2s_zoo.data.text.formats.marked import Marked
from s2s_zoo.data.text.formats.office import parse_docx_xml, parse_odt_xml
from s2s_zoo.protocol.errors import DataError

PARTS: dict[str, tuple[str, Callable[[str], Marked]]] = {
    "docx": (
        r"word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml",
        parse_docx_xml,
    ),
    "odt": (r"content\.xml", parse_odt_xml),
    "epub": (r".+\.(?:x?html?)", parse_html),
}
MAX_MEMBERS = 10_000
MAX_BYTES = 256 << 20  # of all members together, unpacked
MAX_RATIO = 200  # of a member of more than a megabyte
ENTITIES = re.compile(r"<!ENTITY|<!DOCTYPE[^>\[]*\[", re.IGNORECASE)


@dataclass(frozen=True)
class Packed:
    """An archive whose text can be put in anew; with its own texts it is what it was, to the byte.

    Attributes:
        data: bytes, the archive.
        files: {name of a member: its `Marked`}.
    """

    data: bytes
    files: dict[str, Marked]

    markdown = False

    @property
    def texts(self) -> list[str]:
        return [text for file in self.files.values() for text in file.texts]

    def join(self, texts: Sequence[str], doubtful: Collection[int] = ()) -> bytes:
        """Returns the archive with texts where its own stood; other members are as they were.

        Args:
            texts: list of str, as many as the document has.
            doubtful: of no use here: these formats have no mark for what should be looked at.

        Raises:
            ValueError: for another number of texts.
        """
        if len(texts) != len(self.texts):
            raise ValueError(
                f"The document has {len(self.texts)} blocks. Received: {len(texts)} texts. "
                "Give one for each, in their order."
            )
        if list(texts) == self.texts:
            return self.data
        changed, place = {}, 0
        for name, file in self.files.items():
            changed[name] = file.join(texts[place : place + len(file.blocks)])
            place += len(file.blocks)
        return self._with(changed)

    def _with(self, changed: dict[str, str]) -> bytes:
        output = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.data)) as old, zipfile.ZipFile(output, "w") as new:
            for member in old.infolist():
                text = changed.get(member.filename)
                content = old.read(member) if text is None else text.encode("utf-8")
                new.writestr(member, content, member.compress_type)
        return output.getvalue()


def parse_packed(data: bytes, format: str) -> Packed:
    """Finds the text of a .docx, .odt or .epub file.

    Args:
        data: bytes, the file.
        format: str, "docx", "odt" or "epub".

    Raises:
        DataError: for what is no such archive, is encrypted or damaged, unpacks to more than a
            document has, or declares entities.
        ValueError: for an unknown format.
    """
    if format not in PARTS:
        raise ValueError(f"Expected one of {', '.join(PARTS)}. Received: format={format!r}.")
    pattern, parse = PARTS[format]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive)
            names = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
            texts = {name: _text(archive, name) for name in names}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise DataError(
            f"This is no .{format} file that can be read: {error}. Save it again."
        ) from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "lzma"):
            raise DataError(f"The .{format} file is damaged: {error}. Save it again.") from error
        raise
    if not names:
        raise DataError(f"There is no text in this .{format} file. Check its format.")
    return Packed(data, {name: parse(text) for name, text in texts.items()})


def _check(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or size > MAX_BYTES:
        raise DataError(
            f"The archive has {len(members)} members of {size} bytes. At most {MAX_MEMBERS} of "
            f"{MAX_BYTES} bytes are read. Part the document."
        )
    names = set()
    for member in members:
        if member.file_size > 1 << 20 and member.file_size > MAX_RATIO * max(
            1, member.compress_size
        ):
            raise DataError(
                f"{member.filename[:80]!r} unpacks to {member.file_size} bytes from "
                f"{member.compress_size}, as no document does. It is not read."
            )
        if member.flag_bits & 1:
            raise DataError("The document is encrypted. Save it without a password.")
        if member.filename in names:
            raise DataError(f"{member.filename[:80]!r} is in the archive twice. Save it again.")
        names.add(member.filename)
    if damaged := archive.testzip():
        raise DataError(f"{damaged[:80]!r} in the archive is damaged. Save the document again.")


def _text(archive: zipfile.ZipFile, name: str) -> str:
    size = archive.getinfo(name).file_size
    with archive.open(name) as file:
        content = file.read(size + 1)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name[:80]!r} is not valid UTF-8. Save the document again.") from error
    if ENTITIES.search(text):
        raise DataError(f"{name[:80]!r} declares entities, which are never looked up. Remove them.")
    return text
