"""What a model reads and writes, and the text a person does."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.data.pairs import PairSource
from s2s_zoo.data.stored import WORDS, describe_tokenizer
from s2s_zoo.data.targets import Sampling, Targets, check_length, encode, require_text
from s2s_zoo.data.text.known_words import KnownWords
from s2s_zoo.data.text.normal import normalize as normal_form
from s2s_zoo.data.text.symbols import Symbols, protect_pair
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from s2s_zoo.data.batching import TokenBatches


class TextProcessor(Targets):
    """Text to ids and back, with one tokenizer or two.

    Args:
        source_tokenizer: a tokenizer of the table `TOKENIZERS`.
        target_tokenizer: another one, or the same.
        max_source_length: int, the longest source in tokens, END counted.
        max_target_length: int, the longest target in tokens, END counted.
        normalize: bool, bring texts to one of the forms that say the same before they become ids:
            see `s2s_zoo.data.text.normal`.
        symbols: dict with "template" and "limit", the symbols that the model learned or is to
            learn to copy: see `s2s_zoo.data.text.symbols.Symbols`. None where there are none.
        known_words: `s2s_zoo.data.text.known_words.KnownWords`, the words that the model learned
            to write, so that a translation tells of one that it made up. None tells of none.

    Raises:
        ValueError: for a value outside its range.
    """

    TYPE = "text"
    reads = "text"
    KEYS: tuple[str, ...] = (
        *("type", "source_tokenizer", "target_tokenizer"),
        *("max_source_length", "max_target_length"),
    )
    OPTIONAL: tuple[str, ...] = ("normalize", "symbols", WORDS)

    def __init__(
        self,
        source_tokenizer: Any,
        target_tokenizer: Any,
        max_source_length: int = 256,
        max_target_length: int = 256,
        normalize: bool = False,
        symbols: Config | None = None,
        known_words: KnownWords | None = None,
    ) -> None:
        check_length("max_source_length", max_source_length)
        super().__init__(target_tokenizer, max_target_length)
        self.source_tokenizer = source_tokenizer
        self.max_source_length = max_source_length
        self.normalize = normalize
        self.symbols = None if symbols is None else Symbols.from_config(symbols)
        self.known_words = known_words

    @property
    def prepares(self) -> bool:
        return self.normalize or self.symbols is not None

    @property
    def format_version(self) -> int:
        return 2 if self.prepares or self.known_words is not None else 1

    @property
    def tokenizers(self) -> dict[str, Any]:
        return {"source": self.source_tokenizer, "target": self.target_tokenizer}

    def collect(self, sources: Any) -> tuple[Iterable[str], bool]:
        """Returns the sources of a call one by one, and whether it was a single one."""
        if isinstance(sources, str):
            return [sources], True
        binary = isinstance(sources, bytes | dict | io.RawIOBase | io.BufferedIOBase)
        if binary or not hasattr(sources, "__iter__"):
            require_text(sources)
        return sources, False

    def is_blank(self, source: str) -> bool:
        """Whether there is nothing in a source to write about."""
        require_text(source)
        return not source or source.isspace()

    def source_pieces(self, row: Iterable[int], source: str) -> list[str]:
        """The unit behind each id of a source."""
        return self.source_tokenizer.pieces(row)

    def held_out(
        self, pairs: Iterable[tuple[str, str]], folder: StrPath | None = None
    ) -> tuple[list[str], list[str]]:
        """Returns the sources and the targets of pairs; text is in no folder."""
        sources, targets = zip(*pairs, strict=True)
        return list(sources), list(targets)

    def training_batches(self, pairs: PairSource, **options: Any) -> TokenBatches:
        """See `TokenBatches`."""
        from s2s_zoo.data.batching import TokenBatches

        return TokenBatches(self, pairs, **options)

    def encode_source(
        self, texts: Sequence[str], truncate: bool = True, sampling: Sampling | None = None
    ) -> list[np.ndarray]:
        """Turns sources into ids.

        Args:
            texts: list of str, any.
            truncate: bool, cut a long text at `max_source_length`, with a warning.
            sampling: (alpha, seed) of the tokenizer's `sample`, to draw a segmentation; None
                gives the usual one.

        Returns:
            list of int32 arrays, each ending in END.
        """
        limit = self.max_source_length if truncate else None
        texts = self._normal(texts)
        return encode(self.source_tokenizer, texts, limit, "source", sampling)

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Sampling | None = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        return super().encode_target(self._normal(texts), truncate, sampling, sources)

    def protected(
        self, sources: Sequence[str], targets: Sequence[str]
    ) -> tuple[Sequence[str], Sequence[str]]:
        if self.symbols is None or not len(sources):
            return sources, targets
        pairs = zip(sources, targets, strict=True)
        both = [protect_pair(source, target, self.symbols) for source, target in pairs]
        sources, targets = zip(*both, strict=True)
        return sources, targets

    def as_read(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[Any, Any]:
        """The texts of pairs as they become ids: with their symbols, in their normal form."""
        protected = self.protected(sources, targets)
        return self._normal(protected[0]), self._normal(protected[1])

    def _normal(self, texts: Sequence[str]) -> Sequence[str]:
        return [normal_form(text) for text in texts] if self.normalize else texts

    def get_config(self) -> Config:
        """Plain JSON: what `processor.json` holds."""
        shared = self.source_tokenizer.sha256 == self.target_tokenizer.sha256
        names = ("tokenizer.model",) * 2 if shared else ("source.model", "target.model")
        return {
            "type": self.TYPE,
            "source_tokenizer": describe_tokenizer(self.source_tokenizer, names[0]),
            "target_tokenizer": describe_tokenizer(self.target_tokenizer, names[1]),
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
            **({"normalize": True} if self.normalize else {}),
            **({"symbols": self.symbols.get_config()} if self.symbols else {}),
            **self._words_config(),
        }

    def _words_config(self) -> Config:
        words = self.known_words
        return {} if words is None else {WORDS: describe_tokenizer(words, "words.txt")}
