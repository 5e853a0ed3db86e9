"""Byte pairs of lower-cased words (1508.07909), as the first Blenderbot cuts them."""

import re
from collections.abc import Iterable

from s2s_zoo.checkpoints.pretrained.tokenizers import UNKNOWN as UNKNOWN_HERE
from s2s_zoo.checkpoints.pretrained.tokenizers import PieceTokenizer
from s2s_zoo.protocol.errors import CheckpointError

SPECIAL = ("__null__", "__start__", "__end__", "__unk__")
UNKNOWN = SPECIAL[3]
END_OF_WORD, GOES_ON = "</w>", "@@"
LONGEST_WORD = 1024  # characters; a longer one is unknown, as cutting it takes their square
Merges = dict[tuple[str, str], int]


class WordPairTokenizer(PieceTokenizer):
    """Words and marks of lower-cased texts, each in pieces; all but its last end in "@@".

    Args:
        vocabulary: dict, piece to id.
        merges: dict, pairs of pieces to their rank, the first merged first.
    """

    def __init__(self, vocabulary: dict[str, int], merges: Merges) -> None:
        special = [piece for piece in SPECIAL if piece in vocabulary]
        words = _Words(merges)
        vocabulary = {UNKNOWN_HERE: vocabulary[UNKNOWN], **vocabulary}  # the last names the id
        super().__init__(words, words, vocabulary, special)

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row of ids, without the special tokens."""
        texts = [[self.piece(token, target=True) for token in row] for row in rows]
        texts = [[piece for piece in row if piece not in self.special] for row in texts]
        return [" ".join(row).replace(f"{GOES_ON} ", "").strip() for row in texts]


def read_merges(data: bytes) -> Merges:
    """Returns the pairs of a merges.txt.

    Raises:
        CheckpointError: for a file that is no text, or a line that is no pair.
    """
    try:
        pairs = [tuple(line.split()) for line in data.decode("utf-8").split("\n")[1:] if line]
    except UnicodeDecodeError as error:
        raise CheckpointError(f"merges.txt is no text: {error}. Download it again.") from error
    if odd := [pair for pair in pairs if len(pair) != 2]:
        raise CheckpointError(
            f"merges.txt expected two pieces in a line. Received: {' '.join(odd[0])!r:.60}. "
            "Download it again."
        )
    return {(one, other): i for i, (one, other) in enumerate(pairs)}


class _Words:
    """What cuts a text as a SentencePieceProcessor does."""

    def __init__(self, merges):
        self.merges = merges
        self.known = {}

    def encode(self, text, out_type=str):
        pieces = []
        for word in re.findall(r"\S+\n?", text):
            word = re.sub(r"([.,!?()])", r" \1", word)
            word = re.sub(r"(')", r" \1 ", word)
            word = re.sub(r"\s{2,}", " ", word).replace("\n", " __newln__")
            for part in filter(None, word.split(" ")):
                pieces += self.cut(part.lower())
        return pieces

    def cut(self, word):
        if word not in self.known:
            if len(self.known) > 1 << 16:
                self.known.clear()
            self.known[word] = self._cut(word)
        return self.known[word]

    def _cut(self, word):
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        parts = [*word[:-1], word[-1] + END_OF_WORD]
        while len(parts) > 1:
            ranks = {pair: self.merges.get(pair) for pair in zip(parts, parts[1:], strict=False)}
            ranks = {pair: rank for pair, rank in ranks.items() if rank is not None}
            if not ranks:
                break
            parts = _merged(parts, min(ranks, key=ranks.get))
        return [*(part + GOES_ON for part in parts[:-1]), parts[-1].removesuffix(END_OF_WORD)]


def _merged(parts, pair):
    found, i = [], 0
    while i < len(parts):
        joined = tuple(parts[i : i + 2]) == pair
        found.append("".join(pair) if joined else parts[i])
        i += 1 + joined
    return found
