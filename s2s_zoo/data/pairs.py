"""Reading sentences and sentence pairs from files.

Only a newline, or a carriage return before it, ends a line: `str.splitlines` also splits at
U+2028, form feeds and others, after which parallel files no longer match.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PairSource: TypeAlias = StrPath | Iterable[Any]  # what `read_pairs` accepts


def read_lines(file: StrPath | BinaryIO) -> Iterator[str]:
    """Yields the lines of a UTF-8 file, without their line ends.

    Args:
        file: a path, or a file opened in binary mode, such as `sys.stdin.buffer`.

    Raises:
        DataError: if the file cannot be read, or a line is no UTF-8 or holds a NUL byte; the
            message names the file and the line.
    """
    name = getattr(file, "name", file)
    try:
        with open(file, "rb") if isinstance(file, str | os.PathLike) else nullcontext(file) as raw:
            for number, line in enumerate(raw, 1):
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                yield _decode(line.removesuffix(b"\n").removesuffix(b"\r"), name, number)
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {error.strerror or error}. Check the name of the file."
        ) from error


def read_pairs(data: PairSource, swap: bool = False) -> list[tuple[str, str]]:
    """Reads (source, target) pairs, skipping those with a blank side.

    Args:
        data: an iterable of (source, target) strings; or the path of a TSV file with the source
            in the first column and the target in the second (further columns are ignored); or a
            tuple of two paths, line n of the one being the translation of line n of the other.
        swap: bool, exchange source and target.

    Returns:
        list of (source, target).

    Raises:
        DataError: if a file or a row cannot be used, parallel files differ in length, or no pair
            is left.
    """
    pairs, blank = [], 0
    for source, target in iterate_pairs(data, swap):
        if source and not source.isspace() and target and not target.isspace():
            pairs.append((source, target))
        else:
            blank += 1
    if not pairs:
        raise DataError(
            f"{_name(data)} holds no sentence pair ({blank} blank). "
            "Give at least one pair with text on both sides."
        )
    if blank:
        warnings.warn(
            f"Skipped {blank} of {blank + len(pairs)} pairs in {_name(data)}: "
            "the source or the target is blank.",
            stacklevel=2,
        )
    return pairs


def iterate_pairs(data: PairSource, swap: bool = False) -> Iterator[tuple[str, str]]:
    """Yields all pairs of what `read_pairs` reads, blank ones too, one at a time."""
    if isinstance(data, str | os.PathLike):
        rows = _tsv(data)
    elif _is_two_paths(data):
        rows = _parallel(*data)
    else:
        rows = _checked(data)
    for source, target in rows:
        yield (target, source) if swap else (source, target)


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


def _tsv(path):
    for number, line in enumerate(read_lines(path), 1):
        columns = line.split("\t")
        if len(columns) >= 2:
            yield columns[0], columns[1]
        elif line:
            raise DataError(
                f"{path}, line {number}: expected source, tab, target. Received: {line!r:.80}. "
                "Add the missing column or remove the line."
            )
        else:
            yield "", ""


def _parallel(source_path, target_path):
    counts = [0, 0]
    for pair in zip_longest(read_lines(source_path), read_lines(target_path)):
        for side, line in enumerate(pair):
            counts[side] += line is not None
        if counts[0] == counts[1]:
            yield pair
    if counts[0] != counts[1]:
        raise DataError(
            f"{source_path} has {counts[0]} lines and {target_path} has {counts[1]}. "
            "Parallel files need line n of the one to translate line n of the other."
        )


def _checked(data):
    for index, pair in enumerate(data):
        if (
            not isinstance(pair, tuple | list)
            or len(pair) != 2
            or not all(isinstance(text, str) for text in pair)
        ):
            raise DataError(
                f"Pair {index} of the list: expected (source, target), two strings. "
                f"Received: {pair!r:.80}. Two parallel files are given as a tuple of two paths."
            )
        yield tuple(pair)


def _is_two_paths(data):
    return (
        isinstance(data, tuple)
        and len(data) == 2
        and all(isinstance(path, str | os.PathLike) for path in data)
    )


def _name(data):
    if isinstance(data, str | os.PathLike):
        return str(Path(data))
    return " and ".join(map(str, data)) if _is_two_paths(data) else "the list"
