"""Numbers in the notation of the target language: 1.234,56 in German, 1,234.56 in English."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from s2s_zoo.data.text.dates import date_spans
from s2s_zoo.data.text.spans import Span

COMMA = frozenset(
    "de fr es it pt nl pl cs sk sl hr sr bg ro hu el tr ru uk sv da nb nn no fi et lv lt id vi "
    "ca gl eu is".split()
)
SPACED = frozenset("fr pl cs sk bg hu ru uk sv nb nn no fi et lv lt".split())
SPELLED = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve",
    "de": "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
    "zh": "零 一 二 三 四 五 六 七 八 九 十 十一 十二",
}
NUMERAL = re.compile(r"\d(?:[\d.,'’\u00a0\u202f ]*\d)?")
HOURS = re.compile(r"(\d\d?)[ \u00a0\u202f]?(?:h[ \u00a0\u202f]?|\.)(\d\d)")
NAMED = re.compile(r"[A-Z][\w+-]*\s$")


def in_notation(text: str, spans: Sequence[Span], source: str, target: str) -> list[Span]:
    """Gives spans of kind "number" and "time" the notation of the target language.

    Only separators change: no group is made or undone, no digit is another. Small numbers also
    have their word among `forms`. Dates of Chinese and Japanese become spans of their own.

    Args:
        text: str, in which the spans stand.
        spans: list of Span.
        source: str, language such as "de".
        target: str, language.
    """
    source, target = source.split("-")[0], target.split("-")[0]
    found = [_converted(text, span, source, target) for span in spans]
    return _with_dates(found, text, target) if source in ("zh", "ja") else found


def _with_dates(spans: Sequence[Span], text: str, target: str) -> list[Span]:
    """Spans with the dates of a text in place of the numbers in them."""
    held = [span for span in spans if span.kind not in ("number", "date")]
    dates = [
        date
        for date in date_spans(text, target)
        if not any(span.start < date.end and date.start < span.end for span in held)
    ]
    others = [
        span
        for span in spans
        if not any(date.start < span.end and span.start < date.end for date in dates)
    ]
    return sorted([*others, *dates], key=lambda span: span.start)


def _converted(text: str, span: Span, source: str, target: str) -> Span:
    if span.kind == "time" and target != "fr":
        return _replaced(span, HOURS.sub(r"\1:\2", span.target))
    if span.kind != "number":
        return span
    named = source not in COMMA and NAMED.search(text[: span.start])
    if named and span.text.replace(".", "").isdigit() and "." in span.text:
        return span  # Python 3.11
    return _replaced(
        span,
        NUMERAL.sub(lambda match: convert(match.group(), source, target), span.target),
        _spelled(span.text, target),
    )


def _replaced(span: Span, target: str, forms: tuple[str, ...] = ()) -> Span:
    more = () if target == span.target else (span.text,)
    return dataclasses.replace(span, target=target, forms=(*span.forms, *more, *forms))


def _spelled(number: str, language: str) -> tuple[str, ...]:
    words = SPELLED.get(language, "").split()
    return (words[int(number)],) if number.isdecimal() and int(number) < len(words) else ()


def convert(number: str, source: str, target: str) -> str:
    """A numeral such as 1.234,56 as the target language writes it; one of neither form as it is."""
    group, point = (
        (r"[.'’\u00a0\u202f ]", ",") if source in COMMA else (r"[,'’\u00a0\u202f]", r"\.")
    )
    match = re.fullmatch(rf"(\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{point}(\d+))?", number)
    if not match or source == target:
        return number
    whole, decimals = match.groups()
    separator = "," if target not in COMMA else "\u202f" if target in SPACED else "."
    whole = re.sub(r"\D", separator, whole)
    return whole + (f"{',' if target in COMMA else '.'}{decimals}" if decimals else "")
