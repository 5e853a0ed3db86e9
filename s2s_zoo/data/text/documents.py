"""Texts of several sentences: parted, and put together again with the layout they had.

What stands between sentences (white space, blank lines, bullets, rules of dashes) is kept to the
byte, so a document joined with its own sentences is the text it was made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from s2s_zoo.data.text.sentences import CJK, sentence_starts
from s2s_zoo.data.text.spans import outside

LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]*(?:\r\n|[\r\n\v\f\x85\u2028\u2029]|$)")
BULLET = re.compile(
    r"[^\S\r\n]*(?:(?:[-–—*+•‣▪▫◦·●○■□➢➤✓✔→]+|>+|\([a-zA-Z\d]{1,3}\)|[a-zA-Z\d]{1,3}\))(?=\s))"
    r"[^\S\r\n]*|[^\S\r\n]*"
)
NUMBER = re.compile(r"[^\S\r\n]*(\d{1,3})\.[^\S\r\n]+")
IS_CJK = re.compile(f"[{CJK}\\u3000-\\u303f\\uff00-\\uffef]")
FULL = 40  # a line that was broken because it was full is at least so long
CLAUSES = (r"(?<=[;；])", r"(?<=[:：])", r"(?<=[,，、])", r"(?<=\s)", r"")


@dataclass(frozen=True)
class Document:
    """A text as sentences and what stands around them.

    Attributes:
        gaps: tuple of str, what stands before each sentence, and after the last one.
        sentences: tuple of str, n, without white space at their ends.
    """

    gaps: tuple[str, ...]
    sentences: tuple[str, ...]

    def join(self, sentences: Sequence[str]) -> str:
        """Puts sentences where those of the document stood.

        Where sentences of Chinese or Japanese touched, those of another script get a space, and
        the other way round.

        Args:
            sentences: list of str, as many as the document has.

        Raises:
            ValueError: for another number of sentences.
        """
        if len(sentences) != len(self.sentences):
            raise ValueError(
                f"The document has {len(self.sentences)} sentences. Received: {len(sentences)}. "
                "Give one for each, in their order."
            )
        parts = [self.gaps[0]]
        for i, sentence in enumerate(sentences):
            if i:
                parts.append(self._gap(i, sentences))
            parts.append(sentence)
        return "".join([*parts, self.gaps[-1]]) if sentences else self.gaps[0]

    def begin(self, sentences: Sequence[str]) -> str:
        """What `join` begins with, for the first few sentences."""
        rest = Document((*self.gaps[: len(sentences)], ""), self.sentences[: len(sentences)])
        return rest.join(sentences)

    def _gap(self, i: int, sentences: Sequence[str]) -> str:
        gap = self.gaps[i]
        if gap not in ("", " "):
            return gap
        was, now = _touch(self.sentences, i), _touch(sentences, i)
        if was == now:
            return gap
        return "" if now else " "


def _touch(sentences: Sequence[str], i: int) -> bool:
    """Whether two sentences need no space between them, for their script."""
    return bool(IS_CJK.match(sentences[i - 1][-1:]) or IS_CJK.match(sentences[i][:1]))


def split(text: str, language: str | None = None, markdown: bool = False) -> Document:
    """Parts a text into sentences and what stands between them.

    A line break ends a sentence unless the line is full, that is, was broken because the next word
    had no room in it. What has neither letters nor digits is layout. No sentence ends within a tag,
    an address or code.

    Args:
        text: str, any.
        language: str such as "de"; general rules hold where there are none of its own.
        markdown: bool, nor within the inline markup of Markdown.
    """
    cuts = [
        cut
        for paragraph in _paragraphs(text)
        for cut in _spans(text, *paragraph, language, markdown)
    ]
    gaps, sentences, end = [], [], 0
    for start, stop in cuts:
        gaps.append(text[end:start])
        sentences.append(text[start:stop])
        end = stop
    return Document((*gaps, text[end:]), tuple(sentences))


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each run of lines that belong together, bullets left out."""
    lines = [match.span() for match in LINE.finditer(text) if match.end() > match.start()]
    listed = _listed_numbers(text, lines)
    start = width = 0
    for k, (begin, end) in enumerate(lines):
        line = text[begin:end].rstrip()
        marker = NUMBER.match(text, begin, end) if k in listed else BULLET.match(text, begin, end)
        after = marker.end() if marker else begin
        marked = bool(marker and marker.group().strip())
        if k == 0 or marked or not _goes_on(text, lines[k - 1], line, width):
            if k:
                yield start, begin
            start, width = after, 0
        width = max(width, len(line))
    if lines:
        yield start, len(text)


def _goes_on(text: str, before: tuple[int, int], line: str, width: int) -> bool:
    """Whether a line goes on the one before, which was full: its first word had no room there."""
    last = text[slice(*before)].rstrip()
    words = line.split(None, 1)
    if not words or not last or width < FULL:
        return False
    return len(last) + 1 + len(words[0]) > width


def _listed_numbers(text: str, lines: Sequence[tuple[int, int]]) -> set[int]:
    """The lines that start with a number of a list: one that another line goes on from."""
    numbers = {
        k: int(match.group(1))
        for k, (begin, end) in enumerate(lines)
        if (match := NUMBER.match(text, begin, end))
    }
    present = set(numbers.values())
    return {k for k, n in numbers.items() if n + 1 in present or n - 1 in present}


def _spans(
    text: str, start: int, end: int, language: str | None, markdown: bool
) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each sentence of a paragraph, white space left out."""
    paragraph = text[start:end]
    if not paragraph.strip():
        return
    starts = sentence_starts(paragraph, language)
    cuts = [0, *(outside(paragraph, starts, markdown) if starts else ()), len(paragraph)]
    for a, b in zip(cuts, cuts[1:], strict=False):
        sentence = paragraph[a:b]
        if any(c.isalnum() for c in sentence):
            left = len(sentence) - len(sentence.lstrip())
            yield start + a + left, start + a + len(sentence.rstrip())


def fitting(text: str, fits: Callable[[str], bool], markdown: bool = False) -> list[str]:
    """Parts a sentence that is too long at clauses, else between words, else anywhere.

    Args:
        text: str.
        fits: whether a text is short enough for the model.
        markdown: bool, as for `split`.

    Returns:
        list of str that join to the sentence.
    """
    if len(text) < 2 or fits(text):
        return [text]
    cut = _clause_end(text, markdown) or len(text) // 2
    return [*fitting(text[:cut], fits, markdown), *fitting(text[cut:], fits, markdown)]


def _clause_end(text: str, markdown: bool) -> int | None:
    """Where the clause, or else the word, that is nearest to the middle ends."""
    for pattern in CLAUSES:
        places = [m.end() for m in re.finditer(pattern, text) if 0 < m.end() < len(text)]
        near = [place for place in places if len(text) / 5 <= place <= len(text) * 4 / 5]
        if near := outside(text, near, markdown):
            return min(near, key=lambda place: abs(place - len(text) / 2))
    return None
