"""Spans behind symbols that a model was trained to copy, and back.

A symbol is a template such as "⟦{}⟧" with a number in it. Text of the user that looks like one
is put behind a symbol itself, so none is ever taken for another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from s2s_zoo.data.text.spans import Span

TEMPLATE = "⟦{}⟧"


@dataclass(frozen=True)
class Restored:
    """A translation with its spans back in it, and what went wrong.

    Attributes:
        text: str, every known symbol replaced.
        lost: tuple of Span, whose symbols did not come.
        doubled: tuple of Span, whose symbols came more than once.
        strange: tuple of str, symbols that stand for nothing.
    """

    text: str
    lost: tuple[Span, ...] = ()
    doubled: tuple[Span, ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every span came exactly once."""
        return not (self.lost or self.doubled or self.strange)


@dataclass(frozen=True)
class Protected:
    """A text with symbols in place of spans.

    Attributes:
        text: str, what the model reads.
        spans: tuple of Span; symbol n, from 1 on, stands for the n-th.
        template: str with {} for the number.
    """

    text: str
    spans: tuple[Span, ...]
    template: str = TEMPLATE

    def restore(self, translation: str) -> Restored:
        """Puts the spans where their symbols stand, and checks that each came exactly once."""
        counts: Counter[int] = Counter()
        strange = []

        def back(match: re.Match[str]) -> str:
            number = int(match.group(1))
            if not 1 <= number <= len(self.spans):
                strange.append(match.group())
                return ""
            counts[number] += 1
            return self.spans[number - 1].target

        text = symbol_pattern(self.template).sub(back, translation)
        numbered = list(enumerate(self.spans, 1))
        return Restored(
            text,
            tuple(span for n, span in numbered if not counts[n]),
            tuple(span for n, span in numbered if counts[n] > 1),
            tuple(strange),
        )


def symbol_pattern(template: str) -> re.Pattern[str]:
    """The pattern of a symbol; white space within it, which a tokenizer may add, does not count.

    Raises:
        ValueError: for a template without exactly one {} between other characters.
    """
    before, *after = template.split("{}")
    if len(after) != 1 or not before.strip() or not after[0].strip():
        raise ValueError(
            f"A symbol is made of {{}} between other characters, as {TEMPLATE!r}. "
            f"Received: {template!r}."
        )
    return re.compile(rf"{re.escape(before)}\s*([0-9]{{1,4}})\s*{re.escape(after[0])}")


def protect(text: str, spans: Sequence[Span], template: str = TEMPLATE) -> Protected:
    """Puts spans of a text behind symbols.

    Args:
        text: str.
        spans: list of Span, in order and without overlaps, as `find_spans` gives them.
        template: str, what a symbol is made of.
    """
    pattern = symbol_pattern(template)
    parts: list[str] = []
    kept: list[Span] = []
    place = 0

    def hide(span: Span) -> None:
        kept.append(span)
        parts.append(template.format(len(kept)))

    for span in [*spans, Span(len(text), len(text), "", "", "")]:
        for match in pattern.finditer(text, place, span.start):
            parts.append(text[place : match.start()])
            hide(Span(*match.span(), "symbol", match.group(), match.group()))
            place = match.end()
        parts.append(text[place : span.start])
        if span.kind:
            hide(span)
        place = span.end
    return Protected("".join(parts), tuple(kept), template)
