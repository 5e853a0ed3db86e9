"""Attention by location (Luong, Pham & Manning 2015)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import alignment_function, weighted_sum
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LocationAttention(AttentionLayer):
    """Weights positions by the decoder state alone, whatever the source says there.

        e_ts = (W q_t)_s                             (1508.04025, equation 8, "location")

    W has a row for each of `max_source_length` positions. Those behind the end of a source do not
    count, so its weights still sum to 1.

    Args:
        max_source_length: int, the longest source in positions, END counted.
        alignment: from scores to weights: "softmax", "sparsemax", "entmax" or
            {"name": "top_k", "k": 5}; see `s2s_zoo.attention.alignment`.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real.
        keys: what `project` made of `value`, or None.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for a `max_source_length` below 1, and for a longer source in a call.
    """

    def __init__(
        self, max_source_length: int, alignment: str | Config = "softmax", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if max_source_length < 1:
            raise ValueError(
                "LocationAttention expected a max_source_length of at least 1. "
                f"Received: max_source_length={max_source_length}."
            )
        self.max_source_length = max_source_length
        self.alignment = alignment
        self.align = alignment_function(alignment)
        self.projection = keras.layers.Dense(max_source_length, use_bias=False, name="location")

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.projection.build(query_shape)

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return [value_shape]

    def project(self, memory: Tensor) -> Tensor:
        """Returns the memory (B, S, D): only its length is read."""
        return memory

    def scores(self, query: Tensor, keys: Nest) -> Tensor:
        """Returns (N, [T,] S), what `call` turns into weights."""
        length = keys.shape[1]
        if not isinstance(length, int) or _made_up(keys):
            return ops.take(self.projection(query), ops.arange(ops.shape(keys)[1]), axis=-1)
        if length > self.max_source_length:
            raise ValueError(
                f"LocationAttention(max_source_length={self.max_source_length}) has no weights "
                f"for longer sources. Received: {length} positions. Cut the sources there (the "
                "processor's max_source_length does), or train with a greater one."
            )
        return self.projection(query)[..., :length]

    def call(
        self,
        query: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        value_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        weights = self.align(self.scores(query, keys), mask)
        return weighted_sum(weights, value), weights


def _made_up(x):
    """Whether the sizes of a tensor are none of a text: torch stands so for those not known yet."""
    return getattr(getattr(x, "device", None), "type", None) == "meta"
