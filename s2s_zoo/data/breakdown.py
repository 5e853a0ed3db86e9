"""Where a system is good and where not: by length, by rare words, by what must come through."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from s2s_zoo.data.text.invented import NUMBER, invented, words_of
from s2s_zoo.data.text.normal import normalize as normal_form
from s2s_zoo.data.text.patterns import CJK, SOLID
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import SUMMARIZATION
from s2s_zoo.training.metrics import corpus_score

Counted: TypeAlias = Counter[str]

LENGTHS = (0, 10, 20, 30, 50, 100, 200, 500, 1000)  # words, from where a group begins
COUNTS = (0, 1, 2, 5, 10, 100)  # how often a word is in the training data
# What a few texts of a task are scored by: BLEU says nothing of them.
METRICS = {
    "translation": "chrf",
    "text2text": "chrf",
    "summarization": "rouge2",
    "question_answering": "answer_f1",
    "transcription": "wer",
}
ONE = re.compile(rf"[^\W{CJK}]+(?:[-'’][^\W{CJK}]+)*|(?=[{CJK}])\w")
HAS_DIGIT = re.compile(r"\d")
CODES = ("icu", *SOLID, "option", "identifier", "mention", "hashtag")


class Part(NamedTuple):
    """One line of a breakdown.

    Attributes:
        kind: "length", "words", "numbers", "names", "codes" or "invented".
        name: str, which of the kind, such as "10-19".
        number: int, how many texts, words, numbers, names or codes.
        value: float, in points: a metric of the texts, how many of the numbers, names or codes of
            the references were written, or of how many texts it is so; for words the F1.
        unit: str, what the value is.
    """

    kind: str
    name: str
    number: int
    value: float
    unit: str


def breakdown(
    hypotheses: Sequence[str],
    references: Sequence[str],
    sources: Sequence[str] | None = None,
    task: str = "translation",
    training: Iterable[str] = (),
    lowercase: bool = False,
    normalize: str | None = None,
) -> list[Part]:
    """Parts a test set, and what was written for it.

    - "length": texts by the words of their source, where sources are no texts of their reference;
      the value is one of `METRICS`. A character of Chinese, Japanese or Korean is a word.
    - "words": words of references by how often they are in the training targets or, where there
      are none, in the references themselves; the value is the F1 of those that were written.
    - "numbers", "names", "codes": how many of those of the references were written. A name is a
      word with a capital that no text here has without one and that, where sources are texts,
      stands in the source too. Codes are addresses, placeholders, markup and the like, as
      `s2s_zoo.data.text.spans` finds them.
    - "invented", for summaries: how many of them say no number and no name that their source does
      not, as `s2s_zoo.data.text.invented` finds them.

    Args:
        hypotheses: list of str, what was written.
        references: list of str, one for each.
        sources: list of str; None where they are no texts.
        task: str, of `METRICS`.
        training: targets that the system was trained on.
        lowercase: bool, score without case.
        normalize: as for `corpus_score`.

    Returns:
        list of Part, without those of which there is nothing.

    Raises:
        DataError: for another task.
        ValueError: for lists of different lengths.
    """
    check_task(task)
    lengths = [len(texts) for texts in (hypotheses, references, sources) if texts is not None]
    if len({*lengths}) > 1:
        raise ValueError(
            "breakdown expected as many hypotheses as references and sources. "
            f"Received: {', '.join(map(str, lengths))}."
        )

    def score(rows: list[int]) -> float:
        texts, right = ([side[i] for i in rows] for side in (hypotheses, references))
        return corpus_score(METRICS[task], texts, right, lowercase, normalize).value

    parts = []
    long = [len(ONE.findall(text)) for text in (references if sources is None else sources)]
    for name, low, high in _groups(LENGTHS):
        if rows := [i for i, length in enumerate(long) if low <= length < high]:
            parts.append(Part("length", name, len(rows), score(rows), METRICS[task]))
    parts += _by_count(hypotheses, references, training)
    parts += _kept("numbers", map(_numbers, references), map(_numbers, hypotheses))
    parts += _kept("names", _names(references, sources), map(_folded, hypotheses))
    parts += _kept("codes", map(_codes, references), map(_codes, hypotheses))
    if task == SUMMARIZATION.name and sources is not None:
        true = [not invented(*pair) for pair in zip(hypotheses, sources, strict=True)]
        parts.append(Part("invented", "nothing", len(true), 100 * sum(true) / len(true), "%"))
    return parts


def check_task(task: str) -> None:
    """Raises DataError for a task whose answers are not parted."""
    if task not in METRICS:
        raise DataError(
            "A breakdown expected a task with texts that have one reference each: "
            f"{', '.join(METRICS)}. Received: {task}. Leave it out."
        )


def _groups(begins: Sequence[int]) -> Iterator[tuple[str, int, float]]:
    """The name, the beginning and the end of each group of numbers."""
    for low, high in pairwise(begins):
        yield (f"{low}" if high == low + 1 else f"{low}-{high - 1}"), low, high
    yield f"{begins[-1]} and more", begins[-1], float("inf")


def _by_count(hypotheses, references, training):
    trained = Counter(word for text in training for word in _words(text))
    counts = trained or Counter(word for text in references for word in _words(text))
    parts = []
    for name, low, high in _groups(COUNTS if trained else COUNTS[1:]):
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


def _kept(kind: str, wanted: Iterable[Counted], written: Iterable[Counted]) -> list[Part]:
    right = number = 0
    for theirs, ours in zip(wanted, written, strict=True):
        right, number = right + (theirs & ours).total(), number + theirs.total()
    return [Part(kind, "kept", number, 100 * right / number, "%")] if number else []


def _words(text: str) -> list[str]:
    return [word.lower() for word in ONE.findall(text)]


def _numbers(text: str) -> Counted:
    return Counter(NUMBER.findall(normal_form(text).casefold()))


def _codes(text: str) -> Counted:
    return Counter(span.text for span in find_spans(text, kinds=CODES))


def _folded(text: str) -> Counted:
    return Counter(word.casefold() for word in words_of(normal_form(text)))


def _names(references: Sequence[str], sources: Sequence[str] | None) -> Iterator[Counted]:
    """The names of each reference, of those that stand in its source where that is text."""
    words = [words_of(normal_form(text)) for text in references]
    read = None if sources is None else [words_of(normal_form(text)) for text in sources]
    small = {word for some in (*words, *(read or ())) for word in some if word.islower()}
    for row, said in enumerate(words):
        found = Counter(
            word.casefold()
            for word in said
            if word != word.lower() and word.casefold() not in small and not HAS_DIGIT.search(word)
        )
        yield found if read is None else found & Counter(word.casefold() for word in read[row])
