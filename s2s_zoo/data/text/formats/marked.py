"""A file as blocks of text and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

CODE = ("code", "kbd", "samp", "var", "pre", "script", "style", "textarea", "math", "svg")
TAG = re.compile(
    r"</?([A-Za-z][\w:.-]*)(?:\s(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)?/?>"
    r"|<\d[\d:.]*>|\{\\[^{}\n]*\}"
)
CODE_ELEMENT = re.compile(rf"<({'|'.join(CODE)})\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A paragraph, a heading, a cell, or what is said at a time.

    Attributes:
        raw: str, as it stands in the file.
        text: str, what a person reads, inline markup in place.
    """

    raw: str
    text: str


@dataclass(frozen=True)
class Marked:
    """A file: joined with its own texts it is what it was, to the byte.

    Attributes:
        gaps: tuple of str, what stands before each block, and after the last one.
        blocks: tuple of Block.
        write: from a text and the block it takes the place of to what stands in the file.
        markdown: bool, the inline markup is Markdown's.
    """

    gaps: tuple[str, ...]
    blocks: tuple[Block, ...]
    write: Callable[[str, Block], str] = lambda text, block: text
    markdown: bool = False

    @property
    def texts(self) -> list[str]:
        return [block.text for block in self.blocks]

    def join(self, texts: Sequence[str]) -> str:
        """Puts texts where those of the file stood; one that did not change stays as it was.

        Raises:
            ValueError: for another number of texts.
        """
        if len(texts) != len(self.blocks):
            raise ValueError(
                f"The file has {len(self.blocks)} blocks. Received: {len(texts)} texts. "
                "Give one for each, in their order."
            )
        parts = []
        for gap, block, text in zip(self.gaps, self.blocks, texts, strict=False):
            parts += [gap, block.raw if text == block.text else self.write(text, block)]
        return "".join([*parts, self.gaps[-1]])


def marked(
    file: str,
    blocks: Iterable[tuple[int, int, str]],
    write: Callable[[str, Block], str] | None = None,
    markdown: bool = False,
) -> Marked:
    """Makes a `Marked` of the start, the end and the text of each block that has words."""
    gaps, kept, place = [], [], 0
    for start, end, text in blocks:
        if any(c.isalnum() for c in TAG.sub("", CODE_ELEMENT.sub("", text))):
            gaps.append(file[place:start])
            kept.append(Block(file[start:end], text))
            place = end
    options = {} if write is None else {"write": write}
    return Marked((*gaps, file[place:]), tuple(kept), markdown=markdown, **options)


def inner(raw: str) -> tuple[int, int]:
    """Where the text of a block begins and ends: spaces and tags around it left out."""
    tags = [m for m in TAG.finditer(raw) if (m.group(1) or "").casefold() not in CODE]
    start, end = 0, len(raw)
    for tag in tags:
        if raw[start : tag.start()].strip():
            break
        start = tag.end()
    for tag in reversed(tags):
        if tag.start() < start or raw[tag.end() : end].strip():
            break
        end = tag.start()
    body = raw[start:end]
    return start + len(body) - len(body.lstrip()), start + len(body.rstrip())
