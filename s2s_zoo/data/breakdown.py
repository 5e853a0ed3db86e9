"""Where a system is good and where not: by length, by rare words, by what must come through."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

LENGTHS = (0, 10, 20, 30, 50)  # words of a reference, from where a group begins
COUNTS = (0, 1, 2, 5, 10, 100)  # how often a word is in the training data
WORD = re.compile(r"\w+(?:[-'’]\w+)*")
NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
NAME = re.compile(r"\b[^\W\d_]*[A-ZÀ-ÖØ-Þ][^\W_]*\b")


class Part(NamedTuple):
    """One line of a breakdown.

    Attributes:
        kind: "length", "words", "numbers" or "names".
        name: str, which of the kind, such as "11-20".
        number: int, how many sentences, words, numbers or names.
        value: float, in points: a metric of the sentences, or how many of the words, numbers or
            names of the references are in what was written; for words the F1.
        unit: str, what the value is.
    """

    kind: str
    name: str
    number: int
    value: float
    unit: str


def breakdown(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    score: Callable[[list[str], list[str]], float],
    unit: str,
    training: Iterable[str] = (),
) -> list[Part]:
    """Parts a test set, and what was written for it.

    Words of references are parted by how often they are in the training targets or, where there
    are none, in the references themselves. Numbers are those of the references; names are words
    with a capital that stand in a source and in its reference alike.

    Args:
        sources: list of str.
        hypotheses: list of str, what was written.
        references: list of str.
        score: function of hypotheses and references to points, for the groups of lengths.
        unit: str, what these points are.
        training: the targets that the system was trained on.

    Returns:
        list of Part, without those of which there is nothing.
    """
    parts = []
    lengths = [len(WORD.findall(text)) for text in references]
    for name, low, high in _groups(LENGTHS):
        mine = [i for i, length in enumerate(lengths) if low <= length < high]
        if mine:
            value = score([hypotheses[i] for i in mine], [references[i] for i in mine])
            parts.append(Part("length", name, len(mine), value, unit))
    parts += _by_count(hypotheses, references, list(training))
    numbers = [
        (_numbers(ref), _numbers(text)) for ref, text in zip(references, hypotheses, strict=True)
    ]
    parts += _kept("numbers", numbers)
    names = [
        (Counter(_names(source)) & Counter(_names(ref)), Counter(WORD.findall(text)))
        for source, text, ref in zip(sources, hypotheses, references, strict=True)
    ]
    return parts + _kept("names", names)


def _groups(begins):
    """The name, the beginning and the end of each group of numbers."""
    for low, high in pairwise((*begins, None)):
        if high is None:
            yield f"{low} and more", low, float("inf")
        else:
            yield (f"{low}" if high == low + 1 else f"{low}-{high - 1}"), low, high


def _by_count(hypotheses, references, training):
    counts = Counter(word for text in training or references for word in _words(text))
    least = 0 if training else 1
    parts = []
    for name, low, high in _groups(COUNTS[least:]):
        right = wanted = written = 0
        for text, reference in zip(hypotheses, references, strict=True):
            ours, theirs = (
                Counter(w for w in _words(x) if low <= counts[w] < high) for x in (text, reference)
            )
            right += (ours & theirs).total()
            written, wanted = written + ours.total(), wanted + theirs.total()
        if wanted:
            value = 200 * right / (written + wanted)
            parts.append(Part("words", f"seen {name}", wanted, value, "F1"))
    return parts


def _kept(kind: str, found: Iterable[tuple[Any, Any]]) -> list[Part]:
    right = wanted = 0
    for theirs, ours in found:
        right, wanted = right + (theirs & ours).total(), wanted + theirs.total()
    return [Part(kind, "kept", wanted, 100 * right / wanted, "%")] if wanted else []


def _words(text):
    return [word.lower() for word in WORD.findall(text)]


def _numbers(text):
    return Counter(NUMBER.findall(text))


def _names(text):
    return NAME.findall(text)
