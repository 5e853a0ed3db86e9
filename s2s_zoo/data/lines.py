"""Lines of files, packed or not.

Only a newline, or a carriage return before it, ends a line: `str.splitlines` also splits at
U+2028, form feeds and others, after which parallel files no longer match.
"""

import bz2
import codecs
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PACKED: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)


def kind_of(path: StrPath) -> tuple[str, str]:
    """How a file is packed, and what it is: (".gz", ".csv") of "x.csv.gz", "" where not packed."""
    name = Path(path).name.lower()
    packing = Path(name).suffix if Path(name).suffix in PACKED else ""
    return packing, Path(name.removesuffix(packing)).suffix


@contextmanager
def opened(path: StrPath) -> Iterator[BinaryIO]:
    """A file to read bytes from, unpacked on the way.

    Raises:
        DataError: for a file that cannot be read or is damaged, also later in the block.
    """
    try:
        with PACKED.get(kind_of(path)[0], open)(path, "rb") as file:
            yield file
    except DAMAGED as error:
        raise DataError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}. "
            "Get the file again, or check its name."
        ) from error


def read_lines(file: StrPath | BinaryIO) -> Iterator[str]:
    """Yields the lines of a UTF-8 file, without their line ends.

    Args:
        file: a path, of a file that may be packed (.gz, .bz2, .xz), or a file opened in binary
            mode, such as `sys.stdin.buffer`.

    Raises:
        DataError: if the file cannot be read, or a line is no UTF-8 or holds a NUL byte; the
            message names the file and the line.
    """
    if isinstance(file, str | os.PathLike):
        with opened(file) as raw:
            yield from _lines(raw, file)
    else:
        yield from _lines(file, getattr(file, "name", file))


def _lines(raw, name):
    for number, line in enumerate(raw, 1):
        if number == 1:
            if line.startswith(UTF_16):
                raise DataError(f"{name} is UTF-16, not UTF-8. Convert it: `iconv -f UTF-16`.")
            line = line.removeprefix(BYTE_ORDER_MARK)
        yield _decode(line.removesuffix(b"\n").removesuffix(b"\r"), name, number)


def _decode(line, name, number):
    if b"\0" in line:
        raise DataError(
            f"{name}, line {number}: a NUL byte. The file is not plain text, or was damaged; "
            "remove the byte or save the file as UTF-8."
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}, line {number}: not valid UTF-8 at byte {error.start + 1}. "
            "Convert the file, for example with `iconv -f LATIN1 -t UTF-8`."
        ) from error
