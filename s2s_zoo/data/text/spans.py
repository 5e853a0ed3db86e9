"""Finds what must not change: addresses, numbers, placeholders, markup, and words of the user."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s2s_zoo.data.text.patterns import CJK, LIGHT, MARKDOWN, SOLID, WORD

KINDS = ("keep", "term", "icu", *SOLID, *MARKDOWN, *LIGHT)
TRAILING = ".,;:!?'’*_…"
PAIRS = {")": "(", "]": "[", "}": "{"}
ICU = re.compile(
    r"\{\s*\w+\s*,\s*(?:plural|select|selectordinal|number|date|time|ordinal|choice)\b"
)
ICU_REACH = 2000  # characters that such a form may have
BRACE = re.compile("[{}]")
TOUCHING = re.compile(rf"{WORD}{{2}}")
TRIMMED = ("url", "domain", "mail")


def _joined(patterns: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{k}>{v})" for k, v in patterns.items()), re.DOTALL)


SOLID_PATTERN, LIGHT_PATTERN = _joined(SOLID), _joined(LIGHT)
MARKDOWN_PATTERN = _joined({"code": SOLID["code"], **MARKDOWN, **SOLID})


@dataclass(frozen=True)
class Span:
    """A part of a text that a translation has to hold.

    Attributes:
        start: int, where it begins in the text.
        end: int, where it ends.
        kind: str, one of `KINDS`.
        text: str, what stands there.
        target: str, what stands in the translation: the same, but for a term and for notation.
        forms: tuple of str, in which a translation holds it as well, such as "two" for 2.
    """

    start: int
    end: int
    kind: str
    text: str
    target: str
    forms: tuple[str, ...] = ()


def touch(text: str, other: str) -> bool:
    """Whether a letter or digit ends a text and begins another, in a script with spaces."""
    return TOUCHING.fullmatch(text[-1:] + other[:1]) is not None


def find_spans(
    text: str,
    keep: Iterable[str] = (),
    terms: Mapping[str, str] | None = None,
    kinds: Collection[str] = KINDS,
    markdown: bool = False,
) -> list[Span]:
    """Finds the spans of a text that must not change, in order; no two overlap.

    Words of the user go before everything but what holds them: `keep=["example"]` leaves
    "https://example.org" one span. Of words that overlap the longer one is taken.

    Args:
        text: str, any.
        keep: words or phrases that pass as they are; their letter case counts.
        terms: {word or phrase: its translation}.
        kinds: the kinds to look for.
        markdown: bool, look for the inline markup of Markdown too, kind "inline".

    Raises:
        ValueError: for an unknown kind, an empty word, or one that is both kept and a term.
    """
    users = _users(keep, terms or {})
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValueError(f"Expected kinds of {', '.join(KINDS)}. Received: {', '.join(unknown)}.")
    solid = [span for span in _solid(text, markdown) if span.kind in kinds]
    chosen = list(_of_user(text, users, solid))
    own = tuple(chosen)
    chosen += [span for span in solid if not _overlapping(own, span)]
    chosen.sort(key=lambda span: span.start)
    return sorted([*chosen, *_light(text, chosen, kinds)], key=lambda span: span.start)


def outside(text: str, places: Iterable[int], markdown: bool = False) -> list[int]:
    """Those places of a text at which no address, markup, code or placeholder is cut in two.

    Args:
        text: str.
        places: int, in order or not.
        markdown: bool, see to the inline markup of Markdown too.
    """
    spans = _solid(text, markdown)

    def cuts(place):
        after = bisect_right(spans, place, key=lambda span: span.end)
        return after < len(spans) and spans[after].start < place

    return [place for place in places if not cuts(place)]


def _users(keep: Iterable[str], terms: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """{word: (kind, translation)}."""
    if isinstance(keep, str):
        raise ValueError(
            f"keep expected a list of words. Received the str {keep!r}: write [{keep!r}]."
        )
    words = {word: ("keep", word) for word in keep}
    if both := sorted(set(words) & set(terms)):
        raise ValueError(f"{both[0]!r} stands in keep and in terms. Leave it out of one of them.")
    words.update({word: ("term", target) for word, target in terms.items()})
    if empty := [word for word in words if not word.strip()]:
        raise ValueError(f"keep and terms expected words. Received: {empty[0]!r}.")
    return words


def _solid(text: str, markdown: bool) -> list[Span]:
    """What holds others: addresses, markup, code, placeholders."""
    found = [
        Span(match.start(), end, "icu", text[match.start() : end], text[match.start() : end])
        for match in ICU.finditer(text)
        if (end := _closing_brace(text, match.start()))
    ]
    spans: list[Span] = []
    pattern = MARKDOWN_PATTERN if markdown else SOLID_PATTERN
    for span in sorted([*found, *_matches(pattern, text)], key=lambda s: (s.start, -s.end)):
        if not spans or span.start >= spans[-1].end:
            spans.append(span)
    return spans


def _closing_brace(text: str, start: int) -> int | None:
    depth = 0
    for match in BRACE.finditer(text, start, start + ICU_REACH):
        depth += 1 if match.group() == "{" else -1
        if not depth:
            return match.end()
    return None


def _matches(pattern: re.Pattern[str], text: str, start: int = 0, end: int | None = None) -> Any:
    place, end = start, len(text) if end is None else end
    while match := pattern.search(text, place, end):
        kind, found = str(match.lastgroup), match.group()
        if kind in TRIMMED:
            found = _trimmed(found)
        if found:
            yield Span(match.start(), match.start() + len(found), kind, found, found)
        place = max(match.start() + len(found), match.start() + 1)


def _trimmed(address: str) -> str:
    """An address without the marks of the sentence it stands in."""
    while address:
        last = address[-1]
        if last in PAIRS:
            if address.count(last) <= address.count(PAIRS[last]):
                break
        elif last not in TRAILING:
            break
        address = address[:-1]
    return address


def _of_user(text: str, users: dict[str, tuple[str, str]], solid: list[Span]) -> Iterator[Span]:
    if not users:
        return
    words = sorted(users, key=len, reverse=True)
    pattern = re.compile(
        "|".join(f"{_edge(w[0], '<')}{re.escape(w)}{_edge(w[-1], '')}" for w in words)
    )
    for match in pattern.finditer(text):
        kind, target = users[match.group()]
        span = Span(match.start(), match.end(), kind, match.group(), target)
        if all(_within(other, span) for other in _overlapping(solid, span)):
            yield span


def _edge(character: str, side: str) -> str:
    """A word of a script with spaces is not found within another."""
    return rf"(?{side}![^\W{CJK}])" if re.match(rf"[^\W{CJK}]", character) else ""


def _light(text: str, taken: list[Span], kinds: Collection[str]) -> Iterator[Span]:
    """What stands between spans that were found before: numbers, codes, names."""
    place = 0
    for span in [*taken, Span(len(text), len(text), "", "", "")]:
        for found in _matches(LIGHT_PATTERN, text, place, span.start):
            if found.kind in kinds:
                yield found
        place = span.end


def _overlapping(spans: Sequence[Span], one: Span) -> Sequence[Span]:
    """Those of spans in order, none of which overlap, that overlap one."""
    first = bisect_right(spans, one.start, key=lambda span: span.end)
    return spans[first : bisect_left(spans, one.end, key=lambda span: span.start)]


def _within(one: Span, other: Span) -> bool:
    return other.start <= one.start and one.end <= other.end
