"""Spans behind symbols that a model was trained to copy, and back.

A symbol is a template such as "⟦{}⟧" with a number in it. Text of the user that looks like one
is put behind a symbol itself, so none is ever taken for another.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from s2s_zoo.data.text.spans import KINDS, Span, find_spans, touch
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Config

TEMPLATE = "⟦{}⟧"
WRITTEN = ("number", "time")  # what models write themselves, in the notation of their language


@dataclass(frozen=True)
class Symbols:
    """What a model was trained to copy.

    Attributes:
        template: str with {} for the number, from 1 on.
        limit: int, how many there are.
        kinds: tuple of str, the kinds of spans behind them, those first that come first here.
    """

    template: str = TEMPLATE
    limit: int = 12
    kinds: tuple[str, ...] = KINDS

    def get_config(self) -> Config:
        """Plain JSON: what a processor says of its symbols."""
        return {"template": self.template, "limit": self.limit}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Reads what `get_config` gives.

        Raises:
            ValueError: for another key, a template without a number, or a limit below 1.
        """
        check_keys(config, ("template", "limit"), "symbols")
        found = cls(**config)
        symbol_pattern(found.template)
        if not isinstance(found.limit, int) or found.limit < 1:
            raise ValueError(f"symbols expected a limit of at least 1. Received: {found.limit!r}.")
        return found

    def but_written(self) -> Self:
        """These, for everything but what a model writes itself."""
        kinds = tuple(kind for kind in self.kinds if kind not in WRITTEN)
        return dataclasses.replace(self, kinds=kinds)


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
        others: tuple of Span, those that stay in the text, as there are no symbols for them.
        template: str with {} for the number.
    """

    text: str
    spans: tuple[Span, ...]
    others: tuple[Span, ...] = ()
    template: str = TEMPLATE

    def restore(self, translation: str) -> Restored:
        """Puts the spans where their symbols stand, and checks that each came exactly once.

        A span that touched no letter of the source touches none of the translation.
        """
        counts: Counter[int] = Counter()
        strange = []

        def back(match: re.Match[str]) -> str:
            number = int(match.group(1))
            if not 1 <= number <= len(self.spans):
                strange.append(match.group())
                return ""
            counts[number] += 1
            return self._apart(number, translation[: match.start()], translation[match.end() :])

        text = symbol_pattern(self.template).sub(back, translation)
        numbered = list(enumerate(self.spans, 1))
        return Restored(
            text,
            tuple(span for n, span in numbered if not counts[n]),
            tuple(span for n, span in numbered if counts[n] > 1),
            tuple(strange),
        )

    def _apart(self, number: int, before: str, after: str) -> str:
        """A span with a space where it would run together with what is before or after it."""
        span = self.spans[number - 1]
        first, _, last = self.text.partition(self.template.format(number))
        left = touch(before, span.target) and not touch(first, span.text)
        right = touch(span.target, after) and not touch(span.text, last)
        return f"{' ' * left}{span.target}{' ' * right}"


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


def protect(text: str, spans: Sequence[Span], symbols: Symbols | None = None) -> Protected:
    """Puts spans of a text behind symbols, as many as there are symbols.

    Args:
        text: str.
        spans: list of Span, in order and without overlaps, as `find_spans` gives them.
        symbols: Symbols; None for those with the usual template.
    """
    symbols = symbols or Symbols()
    spans, forced = _taken_in(text, spans, symbol_pattern(symbols.template))
    places = {span.start for span in forced}
    ranked = sorted(
        (span for span in spans if span.kind in symbols.kinds and span.start not in places),
        key=lambda span: symbols.kinds.index(span.kind),
    )
    hidden = [*forced, *ranked[: max(0, symbols.limit - len(forced))]]
    hidden.sort(key=lambda span: span.start)
    places = {span.start for span in hidden}
    parts, place = [], 0
    for number, span in enumerate(hidden, 1):
        parts += [text[place : span.start], symbols.template.format(number)]
        place = span.end
    return Protected(
        "".join([*parts, text[place:]]),
        tuple(hidden),
        tuple(span for span in spans if span.start not in places),
        symbols.template,
    )


def protect_pair(source: str, target: str, symbols: Symbols) -> tuple[str, str]:
    """Puts what both sides of a pair write alike, once each, behind the same symbols.

    A pair that has symbols already stays as it is: it was made with them.

    Args:
        source: str.
        target: str, its translation.
        symbols: Symbols; numbers and times stay, which are written otherwise elsewhere.
    """
    pattern = symbol_pattern(symbols.template)
    if pattern.search(source) or pattern.search(target):
        return source, target
    spans = [
        span for span in find_spans(source) if source.count(span.text) == target.count(span.text)
    ]
    single = [span for span in spans if source.count(span.text) == 1]
    protected = protect(source, single, symbols.but_written())
    for number, span in enumerate(protected.spans, 1):
        target = target.replace(span.text, symbols.template.format(number))
    return protected.text, target


def _taken_in(
    text: str, spans: Sequence[Span], pattern: re.Pattern[str]
) -> tuple[list[Span], list[Span]]:
    """The spans with what looks like a symbol among them, and those that hold such."""
    alike = [Span(*m.span(), "symbol", m.group(), m.group()) for m in pattern.finditer(text)]
    taken: list[Span] = []
    forced: list[Span] = []
    for group in _touching(sorted([*spans, *alike], key=lambda span: (span.start, -span.end))):
        first, end = group[0], max(span.end for span in group)
        if any(span.kind == "symbol" for span in group):
            if first.end < end:
                whole = text[first.start : end]
                first = Span(first.start, end, "symbol", whole, whole)
            forced.append(first)
        taken.append(first)
    return taken, forced


def _touching(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Yields the runs of sorted spans that overlap."""
    group: list[Span] = []
    end = 0
    for span in spans:
        if group and span.start >= end:
            yield group
            group = []
        group.append(span)
        end = max(end, span.end) if len(group) > 1 else span.end
    if group:
        yield group
