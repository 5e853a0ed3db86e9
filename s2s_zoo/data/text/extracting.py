"""The sentence of a text that says most of it, as a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from s2s_zoo.data.text.normal import normalize

WORD = re.compile(r"\w[\w'-]*")
GREETING = re.compile(
    r"(?:(?:dear|hi|hello|hey|good (?:morning|afternoon|evening)|liebe[rs]?|hallo|sehr geehrte[rs]?"
    r"|guten (?:tag|morgen|abend)|bonjour|bonsoir|salut|chère?s?|madame|monsieur)\b"
    r"[^,.!:;?]{0,40}[,!:]\s*)+",
    re.IGNORECASE,
)
REFERRING = re.compile(
    r"(?:it|its|they|their|this|these|that|those|he|she|but|and|also|then|so|there|otherwise|however"
    r"|er|sie|es|dies\w*|aber|und|dann|il|elle|ils|elles|ce|cela|mais|et)\b",
    re.IGNORECASE,
)
# Where a sentence may end for a line: before what adds a reason, a time or a remark.
REMARKS = (
    r"\s*(?=[;；])",
    r"(?=,\s+(?:and|but|so|as|because|since|which|who|where|while|until|if|when|without|among|though"
    r"|although|und|aber|denn|weil|da|so|während|die|der|das|et|mais|car|qui|où)\b)",
    r"(?=\s+(?:because|while|since|although|though|until|so that|in order|weil|damit|während"
    r"|parce)\b)",
    r"\s*(?=:\s)",
)
SHORT, LINE, LONGEST = 5, 15, 24  # words: of what says little, is not cut, is cut anywhere
FEWEST = 4  # words that a cut leaves
OF_ORDER = 0.6  # what a sentence loses for each before it: the best of .12 to 1 on held-out lines
LOSES = {"referring": 0.7, "short": 0.5, "question": 0.7}


def extract(sentences: Sequence[str], most: int = LINE) -> str:
    """The sentence that has the words which come again in a text, or stand early in it, as a line.

    Words count by the sentences that have them, in the way of Luhn (1958), long ones alone, and a
    sentence by their sum over the root of its words; later ones, short ones, questions and those
    that refer to what was said less.
    A greeting and the full stop are left out, and of a long line what comes after a clause: the
    rest stands so in the text.

    Args:
        sentences: list of str, of a text, in order.
        most: int, words from which a line is cut, where it has a clause that can go.
    """
    bodies = [_without_greeting(normalize(sentence)) for sentence in sentences]
    counts = Counter(word for body in bodies for word in _content(body))
    place = max(
        range(len(bodies)), key=lambda i: (_weight(bodies[i], counts) / (1 + OF_ORDER * i), -i)
    )
    return _line(bodies[place] or normalize(sentences[place]), most)


def _without_greeting(sentence: str) -> str:
    """A sentence without the greeting before it; what is first then has a capital."""
    body = GREETING.sub("", sentence, count=1)
    first = body[:1].upper()
    return first + body[1:] if body != sentence and len(first) == 1 else body


def _content(text: str) -> set[str]:
    """The long words of a text, and its numbers."""
    words = WORD.findall(text.lower())
    return {word for word in words if len(word) > 3 or any(c.isdigit() for c in word)}


def _weight(body: str, counts: Counter[str]) -> float:
    """How much a sentence says of its text."""
    words, content = WORD.findall(body), _content(body)
    if not content:
        return 0.0
    weight = sum(counts[word] for word in content) / len(words) ** 0.5
    weight *= LOSES["short"] if len(words) < SHORT else 1
    weight *= LOSES["question"] if body.endswith(("?", "？")) else 1
    return weight * (LOSES["referring"] if REFERRING.match(body) else 1)


def _line(body: str, most: int) -> str:
    """A sentence as a line: without its full stop, and without a remark where it is long."""
    for pattern in REMARKS:
        if len(body.split()) <= most:
            break
        cuts = [m.start() for m in re.finditer(pattern, body)]
        fitting = [x for x in cuts if FEWEST <= len(body[:x].split()) <= most]
        if fitting:
            body = body[: fitting[-1]]
    words = body.split()
    if len(words) > LONGEST:
        return " ".join(words[:LONGEST]) + " …"
    return body.strip().rstrip(".。;:,")
