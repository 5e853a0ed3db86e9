"""Whole words and signs as units: those that are frequent in the training text."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NoReturn, Self

from s2s_zoo.data.model_file import ModelFile
from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.errors import CheckpointError, DataError

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")  # how PAD, START, END and UNK are shown
JOINER = "￭"  # where a sign touches the word before it or after it
UNIT = re.compile(r"<\w+>|\w+|[^\w\s]")


class WordTokenizer(ModelFile):
    """Words and signs; a sign keeps the information on which side it had no space.

    "A (small) test." is A, (￭, small, ￭), test, ￭. and becomes that text again. Letter case
    stays. Words that the vocabulary does not have are UNK, or ids of their own with a
    `CopyingProcessor`.

    Args:
        model: bytes, the words of the vocabulary in UTF-8, one a line, from id 4 on.

    Raises:
        CheckpointError: if the bytes are no such list.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__(model)
        words = self.lines()
        self._units = [*SPECIAL, *words]
        self._ids = {word: i for i, word in enumerate(words, len(SPECIAL))}
        if not words or "" in self._ids or len(self._ids) < len(words):
            raise CheckpointError(
                f"A list of words holds each once and no empty line. Received: {len(words)} lines, "
                f"{len(self._ids)} different. Download the file again."
            )

    @classmethod
    def train(cls, sentences: Iterable[str], vocabulary_size: int) -> Self:
        """Takes the most frequent words; of two as frequent the first in the alphabet.

        Args:
            sentences: iterable of str.
            vocabulary_size: int, the most ids, the four special ones counted.

        Raises:
            DataError: if there are no words.
        """
        counts = Counter(word for sentence in sentences for word in split(sentence))
        if not counts:
            raise DataError("A vocabulary cannot be learned from no words. Check the file.")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls("\n".join(ranked[: vocabulary_size - len(SPECIAL)]).encode())

    @property
    def vocabulary_size(self) -> int:
        return len(self._units)

    def id(self, word: str) -> int:
        """The id of a word, UNK where the vocabulary does not have it."""
        return self._ids.get(word, UNK)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the list of ids of each text, without START or END."""
        return [[self.id(word) for word in split(text)] for text in texts]

    def sample(self, texts: Iterable[str], alpha: float, seed: int | Sequence[int]) -> NoReturn:
        """Words have one segmentation: raises ValueError."""
        raise ValueError(
            f"Words cannot be segmented in several ways. Received: alpha={alpha}. "
            "Train without sampling, or with SentencePiece."
        )

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row of ids."""
        return [join(self.pieces(row)) for row in rows]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the unit behind each id."""
        return [self._units[int(token)] for token in ids]

    has_unknown = True

    def units(self, text: str) -> list[str]:
        """Returns the units of a text as it has them, also those without an id of their own."""
        return split(text)

    def assemble(self, units: Iterable[str]) -> str:
        """Returns the text of units."""
        return join(units)

    def as_tensorflow(self) -> NoReturn:
        """There is no tokenizer of words inside a graph: raises ValueError."""
        raise ValueError(
            "Streams are tokenized by tensorflow-text, which has no word vocabulary. "
            "Give a list or a file of pairs, or use SentencePiece."
        )


def split(text: str) -> list[str]:
    """Returns the units of a text: words, signs with their joiners, and tags such as <nl>."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace(JOINER, "■")
    found = list(UNIT.finditer(text))
    units = []
    for i, match in enumerate(found):
        unit = match.group()
        if not _is_word(unit):
            if i and found[i - 1].end() == match.start():
                unit = JOINER + unit
            following = found[i + 1] if i + 1 < len(found) else None
            if following and following.start() == match.end() and _is_word(following.group()):
                unit += JOINER
        units.append(unit)
    return units


def join(units: Iterable[str]) -> str:
    """Returns the text of units."""
    spaced = " ".join(units)
    return spaced.replace(f" {JOINER}", "").replace(f"{JOINER} ", "").replace(JOINER, "")


def _is_word(unit):
    return unit[0].isalnum() or unit[0] == "_"
