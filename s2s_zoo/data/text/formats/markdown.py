"""Markdown: paragraphs, headings, items and cells, as markdown-it finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from s2s_zoo.data.text.formats.hypertext import parse_html
from s2s_zoo.data.text.formats.marked import Marked, marked
from s2s_zoo.protocol.errors import S2SZooError

if TYPE_CHECKING:
    from markdown_it.token import Token

FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\r?\n.*?\n\1[ \t]*(?:\r?\n|$)", re.DOTALL)
HARD_BREAK = re.compile(r"(?:  +|\\)$")
TASK = re.compile(r"\[[ xX]\]\s+")
DEFINITION = re.compile(r"\[[^\]]+\]:\s")


def parse_markdown(text: str) -> Marked:
    """Finds the text of a Markdown file.

    Code, tables' rules, link targets, front matter and the signs of lists, headings and quotes
    stay; HTML within it is read as HTML.

    Args:
        text: str, the file.

    Raises:
        S2SZooError: where markdown-it-py is not installed.
    """
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise S2SZooError("Markdown needs markdown-it-py: pip install markdown-it-py") from error
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    lines = [match.span() for match in re.finditer(r"[^\n]*(?:\n|$)", text[start:])]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(text[start:].replace("\r\n", " \n").replace("\r", " "))
    found = ((start + a, start + b, block) for a, b, block in _blocks(text[start:], lines, tokens))
    return marked(text, found, markdown=True)


def _blocks(
    text: str, lines: list[tuple[int, int]], tokens: list[Token]
) -> Iterator[tuple[int, int, str]]:
    place = 0  # in the line of a table, after the cell before
    for token in tokens:
        if token.map is None:
            continue
        first, last = token.map
        if token.type == "html_block":
            begin, end = lines[first][0], lines[last - 1][1]
            yield from _html(text[begin:end], begin)
        elif token.type == "inline" and token.content.strip():
            place = max(place, lines[first][0])
            for start, end, block in _paragraph(text, lines, token, place):
                place = end
                yield start, end, block


def _html(text: str, begin: int) -> Iterator[tuple[int, int, str]]:
    place = begin
    file = parse_html(text)
    for gap, block in zip(file.gaps, file.blocks, strict=False):
        place += len(gap)
        yield place, place + len(block.raw), block.text
        place += len(block.raw)


def _paragraph(
    text: str, lines: list[tuple[int, int]], token: Token, place: int
) -> Iterator[tuple[int, int, str]]:
    """Yields the parts of a paragraph between hard line breaks."""
    run: list[tuple[int, int]] = []
    first = token.map[0] if token.map else 0
    for k, content in enumerate(token.content.split("\n")):
        begin, end = lines[first + k] if first + k < len(lines) else (place, len(text))
        words = content.strip().rstrip("\\") if HARD_BREAK.search(content) else content.strip()
        start = text.find(words, max(begin, place), end)
        if start < 0 or not words:
            continue
        run.append((start, start + len(words)))
        place = start + len(words)
        if HARD_BREAK.search(text[place:end].rstrip("\r\n")):
            yield from _joined(text, run)
            run = []
    yield from _joined(text, run)


def _joined(text: str, run: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    if not run:
        return
    start, end = run[0][0], run[-1][1]
    words = " ".join(text[a:b] for a, b in run)
    if task := TASK.match(words):
        start, words = start + task.end(), words[task.end() :]
    yield start, end, words
