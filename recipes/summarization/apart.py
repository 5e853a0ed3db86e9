"""Which pairs are kept apart from training, and which of the others say the same as these.

A package family is what packages of one source share in name (`libfoo-dev`, `python3-foo`,
`foo-doc`); it is kept apart as a whole. Other names may still stand for the same text: a pair whose
line or one of whose paragraphs is also in a pair that is kept apart is left out of training. Only
paragraphs of very many packages, such as what the Haskell Platform is, may be on both sides.
"""

import re
from collections import Counter
from typing import NamedTuple

SHORTEST = 50  # letters and digits of a paragraph that tells texts apart
BOILERPLATE = 40  # texts that have a paragraph which tells nothing of any of them
MOST_OF_FAMILY = 150  # pairs of a family in training; of 1,900 crates of Rust each says little
DIGITS = re.compile(r"\d+")
SIGNS = re.compile(r"[\W_]+")


class Pair(NamedTuple):
    """A text and the line that somebody wrote for it.

    Attributes:
        paragraphs: tuple of str, of the text.
        line: str.
        origin: str, which data it is of.
        group: str, what is kept apart or not as a whole: a family, a page.
        part: str, "train", "valid" or "test".
    """

    paragraphs: tuple[str, ...]
    line: str
    origin: str
    group: str
    part: str


def masked(text):
    """A text without what differs between near twins: letter case, signs and digits."""
    return SIGNS.sub(" ", DIGITS.sub("0", text.casefold())).strip()


def kept_apart(pairs):
    """The pairs of each part, none in training that says what one of the others says.

    Args:
        pairs: list of Pair.

    Returns:
        dict of "train", "valid" and "test" to lists of Pair, without doubles.
    """
    telling = [{m for p in pair.paragraphs if len(m := masked(p)) >= SHORTEST} for pair in pairs]
    common = Counter(paragraph for paragraphs in telling for paragraph in paragraphs)
    own = [{m for m in paragraphs if common[m] <= BOILERPLATE} for paragraphs in telling]
    parts = {"test": [], "valid": [], "train": []}
    said, lines, seen, members = set(), set(), set(), Counter()
    for name, kept in parts.items():
        chosen = [(pair, mine) for pair, mine in zip(pairs, own, strict=True) if pair.part == name]
        for pair, mine in chosen:
            line, text = masked(pair.line), masked(" ".join(pair.paragraphs))
            if line in lines or mine & said or (line, text) in seen:
                continue
            seen.add((line, text))
            members[pair.group] += 1
            if name != "train" or members[pair.group] <= MOST_OF_FAMILY:
                kept.append(pair)
        if name != "train":  # the pairs of one part may be alike, as those of a family are
            said.update(m for _, mine in chosen for m in mine)
            lines.update(masked(pair.line) for pair, _ in chosen)
    return parts
