"""A file as blocks of text and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
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
        mark: from a joined file and the places of blocks that a person should look at to a file
            that says so, where the format can.
    """

    gaps: tuple[str, ...]
    blocks: tuple[Block, ...]
    write: Callable[[str, Block], str] = lambda text, block: text
    markdown: bool = False
    mark: Callable[[str, list[int]], str] = lambda file, places: file

    @property
    def texts(self) -> list[str]:
        return [block.text for block in self.blocks]

    def join(self, texts: Sequence[str], doubtful: Collection[int] = ()) -> str:
        """Puts texts where those of the file stood; one that did not change stays as it was.

        Args:
            texts: list of str, as many as the file has.
            doubtful: the numbers, from 0, of texts that a person should look at.

        Raises:
            ValueError: for another number of texts.
        """
        if len(texts) != len(self.blocks):
            raise ValueError(
                f"The file has {len(self.blocks)} blocks. Received: {len(texts)} texts. "
                "Give one for each, in their order."
            )
        parts, places, length = [], [], 0
        for i, (gap, block, text) in enumerate(zip(self.gaps, self.blocks, texts, strict=False)):
            written = block.raw if text == block.text else self.write(text, block)
            if i in doubtful and text != block.text:
                places.append(length + len(gap))
            parts += [gap, written]
            length += len(gap) + len(written)
        file = "".join([*parts, self.gaps[-1]])
        return self.mark(file, places) if places else file


def parse_text(text: str) -> Marked:
    """A plain text, which is one block."""
    return marked(text, [(0, len(text), text)], lambda words, block: edged(words, block.text))


def edged(text: str, like: str) -> str:
    """A text between the white space that another one, which has words, has at its ends."""
    body = like.strip()
    start = like.index(body)
    return f"{like[:start]}{text.strip()}{like[start + len(body) :]}"


def first_line_end(file: str) -> str:
    """How the lines of a file end, by its first one."""
    found = re.search(r"\r\n|\r|\n", file)
    return found.group() if found else "\n"


def line_of(file: str, place: int) -> int:
    """The number of the line of a place in a file, from 1."""
    return len(re.findall(r"\r\n|\r|\n", file[:place])) + 1


def marked(
    file: str,
    blocks: Iterable[tuple[int, int, str]],
    write: Callable[[str, Block], str] = lambda text, block: text,
    markdown: bool = False,
) -> Marked:
    """Makes a `Marked` of the start, the end and the text of each block that has words."""
    gaps, kept, place = [], [], 0
    for start, end, text in blocks:
        if any(c.isalnum() for c in TAG.sub("", CODE_ELEMENT.sub("", text))):
            gaps.append(file[place:start])
            kept.append(Block(file[start:end], text))
            place = end
    return Marked((*gaps, file[place:]), tuple(kept), write, markdown)


def inner(raw: str) -> tuple[int, int]:
    """Where the text of a block begins and ends: spaces around it left out, and tags around all."""
    tags = list(TAG.finditer(raw))
    partner = _partners(tags)
    first, last, start, end = 0, len(tags) - 1, 0, len(raw)
    while first <= last:
        at_start = not raw[start : tags[first].start()].strip() and _is_left_out(tags[first])
        at_end = not raw[tags[last].end() : end].strip() and _is_left_out(tags[last])
        if at_start and (first not in partner or at_end and partner[first] == last):
            start = tags[first].end()
            if first in partner:
                end, last = tags[last].start(), last - 1
            first += 1
        elif at_end and last not in partner:
            end, last = tags[last].start(), last - 1
        else:
            break
    body = raw[start:end]
    return start + len(body) - len(body.lstrip()), start + len(body.rstrip())


def _is_left_out(tag: re.Match[str]) -> bool:
    return (tag.group(1) or "").casefold() not in CODE


def _partners(tags: list[re.Match[str]]) -> dict[int, int]:
    """{tag: its end, and the other way round} of those that nest."""
    found, stack = {}, []
    for k, tag in enumerate(tags):
        name = (tag.group(1) or "").casefold()
        if not tag.group().startswith("</"):
            stack.append((name, k))
            continue
        while stack:
            opener, place = stack.pop()
            if opener == name:
                found[place], found[k] = k, place
                break
    return found
