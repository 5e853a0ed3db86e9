"""Which answers are right, and how nearly, as SQuAD counts (Rajpurkar et al. 2016, 1606.05250)."""

import functools
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = r"\b(a|an|the)\b"
SIGNATURE = "nrefs:1|case:lc|norm:squad"


def answers_of_each(kind: str, hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    """The score of each answer, from 0 to 1: the F1 of its words, or whether it is the same.

    Case, punctuation, English articles and white space do not count.
    """
    pairs = zip(map(_words, hypotheses), map(_words, references), strict=True)
    if kind == "exact_match":
        return [float(said == right) for said, right in pairs]
    return [_f1(said, right) for said, right in pairs]


def _f1(said, right):
    if not said or not right:
        return float(said == right)
    same = sum((Counter(said) & Counter(right)).values())
    return 2 * same / (len(said) + len(right))


def _words(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(ARTICLES, " ", text).split()


def _mean(kind, hypotheses, references, lowercase):
    scores = answers_of_each(kind, hypotheses, references)
    return 100 * sum(scores) / len(scores), SIGNATURE


ANSWER_METRICS: dict[str, Callable[..., tuple[float, str]]] = {
    kind: functools.partial(_mean, kind) for kind in ("answer_f1", "exact_match")
}
