"""Words that only their source knows, as ids that a pointer can copy."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from s2s_zoo.data.processor import TextProcessor
from s2s_zoo.data.targets import Sampling, encode
from s2s_zoo.data.words import join, split
from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.types import Config


class CopyingProcessor(TextProcessor):
    """Text to ids and back for a pointer: in each source, id V + k is its k-th unknown word.

    Words count in the order of the source, up to `extra_ids` different ones and as far as
    `max_source_length` reaches; further ones are UNK, and so is what a target has and neither
    the vocabulary nor its source does (See et al. 2017, 1704.04368, section 2.2).

    Args:
        source_tokenizer: a `WordTokenizer`.
        target_tokenizer: the same.
        max_source_length: int, the longest source in tokens, END counted.
        max_target_length: int, the longest target in tokens, END counted.
        extra_ids: int, X, that of the pointer.

    Raises:
        ValueError: for a tokenizer of subwords, which know every word, or a value outside its
            range.
    """

    TYPE = "copying"
    KEYS = (*TextProcessor.KEYS, "extra_ids")
    OPTIONAL = ()

    def __init__(
        self,
        source_tokenizer: Any,
        target_tokenizer: Any,
        max_source_length: int = 256,
        max_target_length: int = 256,
        extra_ids: int = 64,
    ) -> None:
        super().__init__(source_tokenizer, target_tokenizer, max_source_length, max_target_length)
        sides = source_tokenizer, target_tokenizer
        if not all(hasattr(side, "id") for side in sides) or len({x.sha256 for x in sides}) > 1:
            raise ValueError(
                "CopyingProcessor expected one WordTokenizer for both sides. Received: "
                f"{type(source_tokenizer).__name__}, {type(target_tokenizer).__name__}. Subwords "
                "need no ids for unknown words: use TextProcessor, and no extra_ids."
            )
        if not isinstance(extra_ids, int) or extra_ids < 1:
            raise ValueError(
                f"CopyingProcessor expected extra_ids >= 1. Received: extra_ids={extra_ids!r}."
            )
        self.extra_ids = extra_ids

    def encode_source(
        self, texts: Sequence[str], truncate: bool = True, sampling: Sampling | None = None
    ) -> list[np.ndarray]:
        limit = self.max_source_length if truncate else None
        return encode(_Extended(self, texts), texts, limit, "source", sampling)

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Sampling | None = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        limit = self.max_target_length if truncate else None
        return encode(_Extended(self, sources), texts, limit, "target", sampling)

    def unknown(self, source: str) -> list[str]:
        """Returns the words of a source that have ids of their own, in their order."""
        different = dict.fromkeys(split(source)[: self.max_source_length - 1])
        words = [word for word in different if self.source_tokenizer.id(word) == UNK]
        return words[: self.extra_ids]

    def source_pieces(self, row: Iterable[int], source: str) -> list[str]:
        size, unknown = self.source_tokenizer.vocabulary_size, self.unknown(source)
        units = []
        for token in map(int, row):
            if token < size:
                units += self.source_tokenizer.pieces([token])
            else:  # an id that this source does not have says nothing
                units += unknown[token - size : token - size + 1] or [""]
        return units

    target_pieces = source_pieces

    def _texts(self, rows, sources):
        copies = len(rows) // len(sources)
        sources = np.repeat(np.array(sources, object), copies)
        return [
            join(filter(None, self.target_pieces(row, source)))
            for row, source in zip(rows, sources, strict=True)
        ]

    def get_config(self) -> Config:
        return {**super().get_config(), "extra_ids": self.extra_ids}


class _Extended:
    """The tokenizer of a processor with the ids of the sources that texts belong to."""

    def __init__(self, processor, sources):
        self.processor = processor
        self.sources = sources

    def encode(self, texts):
        tokenizer = self.processor.source_tokenizer
        sources = [""] * len(texts) if self.sources is None else self.sources
        rows = []
        for text, source in zip(texts, sources, strict=True):
            unknown = self.processor.unknown(source)
            own = {word: tokenizer.vocabulary_size + k for k, word in enumerate(unknown)}
            rows.append([own.get(word, tokenizer.id(word)) for word in split(text)])
        return rows

    def sample(self, texts, alpha, seed):
        return self.processor.source_tokenizer.sample(texts, alpha, seed)
