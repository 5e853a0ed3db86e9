"""Subtitles, .srt and .vtt: what is said stays at its times."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from s2s_zoo.data.text.formats.marked import TAG, Block, Marked, inner, marked
from s2s_zoo.protocol.errors import DataError

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?")
SPEAKS = re.compile(r"\s*[-–—]\s*")


def parse_subtitles(text: str) -> Marked:
    """Finds what is said in a file of subtitles. Times, numbers, notes and styles stay.

    The lines of a time are one block, but for those that start with a dash, where another speaks.

    Args:
        text: str, the file.

    Raises:
        DataError: where there is no line of times at all.
    """
    blocks = list(_blocks(text))
    if not blocks and any(c.isalpha() for c in text) and not text.startswith("WEBVTT"):
        raise DataError(
            "A file of subtitles expected lines such as 00:00:01,000 --> 00:00:04,000. There is "
            "none. Give another format, or none for plain text."
        )
    return marked(text, blocks, _in_lines)


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    said = False
    start = end = 0
    for number, match in enumerate(LINE.finditer(text), 1):
        line = match.group().rstrip("\r\n")
        if "-->" in line:
            if not TIMES.fullmatch(line):
                warnings.warn(
                    f"Line {number} of the subtitles has no times such as 00:00:01,000 --> "
                    f"00:00:04,000 and stays as it is: {line[:60]!r}. Mend it.",
                    stacklevel=4,
                )
            yield from _block(text, start, end)
            said, start, end = True, match.end(), match.end()
        elif not line.strip():
            yield from _block(text, start, end)
            said, start = False, end
        elif said:
            if speaks := SPEAKS.match(line):
                yield from _block(text, start, end)
                start = match.start() + speaks.end()
            elif start == end:
                start = match.start()
            end = match.start() + len(line)
        if not said:
            start = end = match.end()
    yield from _block(text, start, end)


def _block(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    if start < end:
        left, right = inner(text[start:end])
        raw = text[start + left : start + right]
        yield start + left, start + right, re.sub(r"\s+", " ", raw)


def _in_lines(text: str, block: Block) -> str:
    """A translation in as many lines as its block had, of about one length."""
    ends = re.findall(r"\r\n|\r|\n", block.raw)
    for place in range(len(ends), 0, -1):
        spaces = [
            m.start() for m in re.finditer(" ", TAG.sub(lambda t: "\0" * len(t.group()), text))
        ]
        wanted = len(text) * place / (len(ends) + 1)
        before = [s for s in spaces if s < len(text)]
        if not before:
            break
        cut = min(before, key=lambda s: abs(s - wanted))
        text = f"{text[:cut]}{ends[place - 1]}{text[cut + 1 :]}"
    return text
