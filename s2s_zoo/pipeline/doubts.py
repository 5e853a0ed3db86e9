"""When what a model wrote deserves a second look."""

from __future__ import annotations

import re
from collections.abc import Iterator

from s2s_zoo.data.text.detection import written_in
from s2s_zoo.data.text.normal import shortened

WORD = re.compile(r"\w+")
WITHIN_WORD = re.compile(r"([^\W\d_]{1,8}?)\1{2,}")
LONGEST_UNIT = 12  # words
# How often a unit of so many words, or of letters within a word, may stand in a row.
OF_ONE, OF_MORE, OF_LETTERS, OF_ONE_LETTER = 3, 2, 3, 5


def doubt(
    source: str,
    text: str,
    score_per_token: float | None = None,
    at_limit: bool = False,
    threshold: float | None = None,
    target: str | None = None,
) -> str | None:
    """The warning that a translation deserves, or None.

    Args:
        source: str.
        text: str, what the model made of it.
        score_per_token: float, the log-probability of the text by its number of tokens with END,
            or None where it was not computed.
        at_limit: bool, whether it ended where it could not be longer, and not with END.
        threshold: float, the least score of a token that is trusted, or None for any; which one may
            be is what benchmarks/doubts.py says of a checkpoint.
        target: str, the language that the text should be in, or None where nobody says.
    """
    if not any(c.isalnum() for c in source):
        return None
    if not any(c.isalnum() for c in text):
        return _warning("wrote nothing", source)
    if target is not None and not written_in(text, target):
        return _warning(f"did not write letters of {target}", source)
    if loops(text, source):
        return _warning("repeats itself", source)
    if at_limit:
        return _warning("came to no end", source)
    if threshold is not None and score_per_token is not None and score_per_token < threshold:
        return _warning(f"is not sure ({score_per_token:.2f} per token)", source)
    return None


def loops(text: str, source: str = "") -> bool:
    """Whether words or parts of a word stand more often in a row than in any text.

    "Ha ha ha" and "very, very good" are no loops, nor is anything that stands up to twice as often
    in a row as something of the source does.
    """
    as_source = 2 * max((times for times, _ in _rows(source)), default=1)
    return any(times > max(usual, as_source) for times, usual in _rows(text))


def _rows(text: str) -> Iterator[tuple[int, int]]:
    """How often units stand in a row, and how often they may."""
    text = text.lower()
    for match in WITHIN_WORD.finditer(text):
        size = len(match.group(1))
        yield len(match.group()) // size, OF_ONE_LETTER if size == 1 else OF_LETTERS
    words = WORD.findall(text)
    for size in range(1, min(LONGEST_UNIT, len(words) // 2) + 1):
        row = longest = 0
        for word, other in zip(words, words[size:], strict=False):
            row = row + 1 if word == other else 0
            longest = max(longest, row)
        if longest >= size:
            yield longest // size + 1, OF_ONE if size == 1 else OF_MORE


def _warning(what: str, source: str) -> str:
    return f"The model {what}: {shortened(source)}. Check it."
