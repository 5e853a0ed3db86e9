"""Which numbers and names of a summary do not stand in its source."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources

from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.numbers import SPELLED

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
NUMBER = re.compile(
    r"(?:(?<![^\s(\[])[+−±-])?(?:(?<=\d[.,:/-])|(?<![^\W_]))"
    r"[^\W\d_]*\d[^\W_]*(?:[.,:/-](?=\d)[^\W_]+)*"
)
SIGN = re.compile(r"[$€£¥₹%‰°]")
COUNTS = dict(zip(SPELLED["en"].split()[2:], map(str, range(2, 13)), strict=True))  # two to twelve
ENDS = ("", "s", "es", "d", "ed", "ing")
SHORTEST_STEM, LONGEST_END = 4, 3  # letters that words of one stem share, and that may differ


def invented(summary: str, source: str) -> list[str]:
    """Returns what a summary says of numbers and names that its source does not, in order.

    A number stands in the source where it stands there as a whole, with its sign: 5 is not in 15,
    nor in 5.2 or -5. A name is a word with a capital letter, and stands in the source in any letter
    case. Words of every text ("Library", "Towards") are no names, nor are those of which the source
    has the stem in small letters ("Parsing" of "parse").

    Args:
        summary, source: str, any; names are found in scripts with capitals, counts such as "two"
            in English.
    """
    summary = normalize(summary)
    numbers, signs, words, small = _said(source)
    loud = summary.isupper()
    found = [
        (match.start(), match.group())
        for match in NUMBER.finditer(summary)
        if match.group().casefold() not in numbers
    ]
    found += [(m.start(), m.group()) for m in SIGN.finditer(summary) if m.group() not in signs]
    for match in WORD.finditer(summary):
        word = match.group().removesuffix("'s").removesuffix("'S")
        if any(c.isdigit() for c in word):
            continue
        if word.casefold() in COUNTS:
            if word.casefold() not in words and COUNTS[word.casefold()] not in numbers:
                found.append((match.start(), word))
        elif not word.islower() and not _stands(word, words, small, loud):
            found.append((match.start(), word))
    return [text for _, text in sorted(found)]


@lru_cache(maxsize=64)
def _said(source: str) -> tuple[set[str], set[str], set[str], set[str]]:
    """The numbers, the signs, the words, and those in small letters, of a source."""
    source = normalize(source)
    words = words_of(source)
    return (
        {number.casefold() for number in NUMBER.findall(source)},
        set(SIGN.findall(source)),
        {word.casefold() for word in words},
        {word for word in words if word.islower()},
    )


def words_of(text: str) -> list[str]:
    """The words of a text in its normal form, of scripts with spaces, without a genitive's 's."""
    return [word.removesuffix("'s") for word in WORD.findall(text)]


def _stands(word: str, words: set[str], small: set[str], loud: bool) -> bool:
    """Whether a word with a capital is in a source, or is none that has to be."""
    folded = word.casefold()
    if word.lower() == word.upper() or folded in words or folded.removesuffix("s") in words:
        return True
    if not (loud or word.istitle()):
        return False
    if any(folded.removesuffix(end) in ordinary_words() for end in ENDS):
        return True
    shared = max(SHORTEST_STEM, len(folded) - LONGEST_END)
    return any(other.startswith(folded[:shared]) for other in small)


@cache
def ordinary_words() -> frozenset[str]:
    """Words in small letters that stand in titles and lines of any text."""
    file = resources.files("s2s_zoo.data.text").joinpath("ordinary_words.txt")
    return frozenset(file.read_text(encoding="utf-8").split())
