"""The bytes of a text as ids, as ByT5 has them (Xue et al. 2021, 2105.13626)."""

from collections.abc import Iterable

from s2s_zoo.checkpoints.pretrained.tokenizers import UNKNOWN, Added, PieceTokenizer

# They take the spaces beside them, as in transformers.
FIRST: dict[str, Added] = {
    piece: {"id": i, "special": True, "lstrip": True, "rstrip": True}
    for i, piece in enumerate(("<pad>", "</s>", UNKNOWN))
}


class ByteTokenizer(PieceTokenizer):
    """Each byte of a text in UTF-8 has an id, behind those of padding, end and unknown.

    Args:
        extra_ids: int, how many pieces come behind the bytes, <extra_id_0> first.
    """

    tidies = False

    def __init__(self, extra_ids: int) -> None:
        pieces = [*FIRST, *map(chr, range(256)), *(f"<extra_id_{i}>" for i in range(extra_ids))]
        special = [piece for piece in pieces if len(piece) > 1]
        vocabulary = {piece: i for i, piece in enumerate(pieces)}
        super().__init__(_Bytes, _Bytes, vocabulary, special)
        self.add({})

    def add(self, tokens: dict[str, Added]) -> None:
        super().add({**FIRST, **tokens})

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row; bytes that are no UTF-8 are left out."""
        texts = [[self.piece(token, target=True) for token in row] for row in rows]
        return [
            b"".join(
                bytes([ord(piece)]) if len(piece) == 1 else piece.encode()
                for piece in row
                if piece not in self.special
            ).decode("utf-8", errors="ignore")
            for row in texts
        ]


class _Bytes:
    """What cuts a text as a SentencePieceProcessor does, into characters that stand for bytes."""

    @staticmethod
    def encode(text, out_type=str):
        return [chr(byte) for byte in text.encode("utf-8")]
