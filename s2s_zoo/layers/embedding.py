"""The token embedding."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.types import Shape, Tensor

_blend: ContextVar[tuple[Tensor, Tensor] | None] = ContextVar("blend", default=None)


@contextmanager
def blended(shares: Tensor, others: Tensor) -> Iterator[None]:
    """Within it embedded tokens are shares * E(tokens) + (1 - shares) * E(others).

    Args:
        shares: (B, S) floats.
        others: (B, S) int ids.
    """
    token = _blend.set((shares, others))
    try:
        yield
    finally:
        _blend.reset(token)


@keras.saving.register_keras_serializable("s2s_zoo")
class TokenEmbedding(ConfiguredLayer):
    """Maps token ids to vectors of unit variance; where tied, `output_logits` maps them back.

    The rows start from N(0, 1/E) and are multiplied by sqrt(E) on the way in (Vaswani et al.
    2017, 1706.03762, section 3.4), so one matrix serves both ends: unit variance as an input,
    logits of unit variance as an output.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        scaled: bool; without it the rows enter as they are, as in BART.

    Call arguments:
        tokens: (...,) int ids; those of V and beyond, words that a pointer copied, enter as UNK.

    Returns:
        (..., E) vectors.
    """

    def __init__(
        self, vocabulary_size: int, embedding_dim: int, scaled: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.scaled = scaled

    def build(self, tokens_shape: Shape | None = None) -> None:
        self.embeddings = self.add_weight(
            shape=(self.vocabulary_size, self.embedding_dim),
            initializer=initializer(
                keras.initializers.RandomNormal(stddev=self.embedding_dim**-0.5)
            ),
            name="embeddings",
        )

    def call(self, tokens: Tensor) -> Tensor:
        vectors = self._vectors(tokens)
        blend = _blend.get()
        if blend is None:
            return vectors
        shares, others = blend
        shares = ops.cast(ops.expand_dims(shares, -1), vectors.dtype)
        return shares * vectors + (1 - shares) * self._vectors(others)

    def _vectors(self, tokens):
        tokens = ops.where(ops.less(tokens, self.vocabulary_size), tokens, UNK)
        vectors = ops.cast(ops.take(self.embeddings, tokens, axis=0), self.compute_dtype)
        return vectors * self.embedding_dim**0.5 if self.scaled else vectors

    def compute_output_shape(self, tokens_shape: Shape) -> Shape:
        return (*tokens_shape, self.embedding_dim)
