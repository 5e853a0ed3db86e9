"""The words that a model was taught to write, and those that it makes up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Self

from s2s_zoo.data.model_file import ModelFile
from s2s_zoo.data.text.patterns import LETTER
from s2s_zoo.protocol.errors import CheckpointError, DataError

WORD = re.compile(rf"{LETTER}+")
NAME = re.compile(rf"(?<!{LETTER}){LETTER}+(?:[-'’]{LETTER}+)*")
SHORTEST, LONGEST = 4, 64  # letters of a word that is looked at; a part of one has as many at least
ALIKE = 0.55  # of the letters of a made-up word and of the word that it stands for


class KnownWords(ModelFile):
    """The words of the texts that a model learned to write.

    A model that writes words in pieces may put together one that nobody knows: "whitegerber" for
    the name Weißgerber. Such a word stands neither here nor in the source. Compounds of words that
    are known are no such words, nor is what has fewer than four letters or a script without spaces.

    Args:
        model: bytes, the words in small letters, in UTF-8, one a line.

    Raises:
        CheckpointError: if the bytes are no such list.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__(model)
        self._words = frozenset(self.lines())
        if "" in self._words:
            raise CheckpointError("A list of words holds no empty line. Download the file again.")

    @classmethod
    def collect(cls, texts: Iterable[str], least: int = 2) -> Self:
        """Takes the words that stand in `least` texts or more.

        Raises:
            DataError: if there are none.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update({word.casefold() for word in WORD.findall(text)})
        if not (known := sorted(word for word in counts if counts[word] >= least)):
            raise DataError(f"No word stands in {least} of the texts. Check the file.")
        return cls("\n".join(known).encode())

    @property
    def vocabulary_size(self) -> int:
        return len(self._words)

    def made_up(self, text: str, source: str) -> list[str]:
        """The words of a text that neither stand here nor in its source, each once, in order."""
        copied = {word.casefold() for word in WORD.findall(source)}
        return [
            word
            for word in dict.fromkeys(WORD.findall(text))
            if len(word) >= SHORTEST and not self._is_known(word.casefold(), copied)
        ]

    def _is_known(self, word: str, copied: set[str]) -> bool:
        stems = {word, word.removesuffix("s")}
        return not stems.isdisjoint(copied) or self._has(word) or self._is_compound(word)

    def _is_compound(self, word: str) -> bool:
        """Whether a word is made of known ones, as "timeformat" is."""
        cuts = range(SHORTEST, len(word) - SHORTEST + 1) if len(word) <= LONGEST else ()
        return any(
            self._has(word[:end]) and (self._has(word[end:]) or self._is_compound(word[end:]))
            for end in cuts
        )

    def _has(self, word: str) -> bool:
        return word in self._words or word.removesuffix("s") in self._words


def alike(word: str, source: str) -> tuple[int, int] | None:
    """Where the word of a source stands that a made-up word is most like, if it has a capital.

    One that has none is no name, and nothing is that shares few of the letters.
    """
    words = list(NAME.finditer(source))
    ratios = [max(_alike(word, part) for part in WORD.findall(match.group())) for match in words]
    if not words or max(ratios) < ALIKE:
        return None
    best = words[ratios.index(max(ratios))]
    return best.span() if best.group()[0].isupper() else None


def _alike(word: str, other: str) -> float:
    return SequenceMatcher(None, word.casefold(), other.casefold(), autojunk=False).ratio()
