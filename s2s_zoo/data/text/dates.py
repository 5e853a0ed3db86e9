"""Dates of Chinese and Japanese as other languages write them: 2024年3月12日 is 12 March 2024."""

from __future__ import annotations

import re
from collections.abc import Iterator

from s2s_zoo.data.text.spans import Span

YEAR, MONTH, DAY = (
    r"(?<!\d)(\d{4}) ?年 ?",
    r"(?<!\d)(1[0-2]|0?[1-9]) ?月",
    r"([12]\d|3[01]|0?[1-9])",
)
DATE = re.compile(
    rf"(?:{YEAR})?{MONTH} ?{DAY}(?: ?[日号號]?(?: ?[至到—–~～-] ?){DAY})? ?[日号號](?:起(?=[，,]))?"
    rf"|{YEAR}{MONTH}(?!份|\d| ?[\d一二三])"
)
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
DAYS = {"en": "{}", "de": "{}.", "fr": "{}"}
RANGES = {"en": "{} to {}", "de": "{} bis {}", "fr": "{} au {}"}


def date_spans(text: str, target: str) -> Iterator[Span]:
    """Yields the dates of a Chinese or Japanese text that another language writes otherwise.

    Args:
        text: str.
        target: str, the language to write them in; of one without months in `MONTHS` there are
            none.
    """
    if target not in MONTHS:
        return
    for match in DATE.finditer(text):
        forms = dates(match, target)
        yield Span(match.start(), match.end(), "date", match.group(), forms[0], forms[1:])


def dates(match: re.Match[str], target: str) -> tuple[str, ...]:
    """A date as a language writes it, the usual form first, and others that say the same."""
    year, month, first, last, other_year, other_month = match.groups()
    name = MONTHS[target].split()[int(month or other_month) - 1]
    if first is None:
        return (f"{name} {other_year}",)
    day = DAYS[target].format(_day(first, target))
    if last is not None:
        day = RANGES[target].format(day, DAYS[target].format(_day(last, target)))
    after = f" {year}" if year else ""
    forms = [f"{day} {name}{after}"]
    if target == "en":
        after = f", {year}" if year else ""
        forms += [
            f"{name} {day}{after}",
            f"{name} {day}{after[1:]}",
            f"{day} {name[:3]}{after[1:]}",
        ]
    return tuple(dict.fromkeys(forms))


def _day(day: str, target: str) -> str:
    return "1er" if target == "fr" and int(day) == 1 else str(int(day))
