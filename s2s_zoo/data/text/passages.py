"""Long texts in passages that a model reads at once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

from s2s_zoo.data.text.documents import fitting, split
from s2s_zoo.data.text.formats.marked import TAG
from s2s_zoo.data.text.spans import find_spans

Size = Callable[[Sequence[str]], Sequence[int]]  # of each text the tokens of it, without END
BACKTICKS = re.compile(r"`+")


def sentences_of(text: str, language: str | None = None) -> list[str]:
    """The different sentences of a text, in order: one that comes again is there once."""
    return list(dict.fromkeys(split(text, language).sentences))


def passages(sentences: Sequence[str], size: Size, limit: int, count: int = 1) -> list[str]:
    """Joins sentences to passages of about the same length, as few as the limit lets there be.

    Args:
        sentences: list of str. One that is longer than the limit is parted.
        size: function of texts to the number of tokens of each.
        limit: int, tokens of a passage at most.
        count: int, passages at least, where there are as many sentences.
    """
    sizes = list(size(sentences))
    parts: list[tuple[str, int]] = []
    for sentence, length in zip(sentences, sizes, strict=True):
        if length <= limit:
            parts.append((sentence, length))
            continue
        pieces = [piece.strip() for piece in fitting(sentence, lambda x: size([x])[0] <= limit)]
        pieces = [piece for piece in pieces if piece]
        parts += zip(pieces, size(pieces), strict=True)
    total = sum(length for _, length in parts)
    number = max(count, -(-total // max(1, limit)))
    groups: list[list[str]] = []
    done = within = 0
    for i, (part, length) in enumerate(parts):
        left = number - len(groups)
        begins = done + length / 2 >= total * len(groups) / number
        needed = len(parts) - i <= left and bool(groups)  # else there are not enough for the rest
        if not groups or within + length > limit or begins or needed and left > 0:
            groups.append([])
            within = 0
        groups[-1].append(part)
        within += length
        done += length
    return [whole for group in groups for whole in _within(group, size, limit)]


def _within(group: Sequence[str], size: Size, limit: int) -> list[str]:
    """A group as one passage, or as several where joined it has more tokens than its parts."""
    whole = " ".join(group)
    if len(group) == 1 or size([whole])[0] <= limit:
        return [whole]
    middle = len(group) // 2
    return [*_within(group[:middle], size, limit), *_within(group[middle:], size, limit)]


def prose_of(file: Any) -> str:
    """What a person reads of a file: its paragraphs with a blank line between them.

    Args:
        file: what `parse` or `parse_file` gives.
    """
    return "\n\n".join(prose(block, file.markdown) for block in file.texts)


def prose(block: str, markdown: bool = False) -> str:
    """What a person reads of a block of a file: its text without the markup in it.

    Args:
        block: str, a text of a `Marked`.
        markdown: bool, whether the markup is Markdown's as well.
    """
    if markdown:
        marks = find_spans(block, kinds=("inline",), markdown=True)
        for mark in reversed(marks):
            kept = mark.text[1:] if mark.text.startswith("\\") else ""
            block = block[: mark.start] + kept + block[mark.end :]
        block = BACKTICKS.sub("", block)
    return html.unescape(TAG.sub("", block)).strip()
