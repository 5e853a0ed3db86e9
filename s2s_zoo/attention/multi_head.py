"""Multi-head attention (Vaswani et al. 2017)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import alignment_function
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.layers.heads import (
    head_depth,
    join_heads,
    projection,
    split_heads,
)
from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class MultiHeadAttention(AttentionLayer):
    """Attends with several heads at once (1706.03762, section 3.2.2).

        head_i = softmax(Q W_i^Q (K W_i^K)^T / sqrt(d)) V W_i^V;   out = [head_1 ; ... ; head_H] W^O

    Args:
        heads: int, H.
        head_dim: int, d; the query width divided by `heads` where None.
        output_dim: int, the width of the context; the memory's where None.
        bias: bool, biases in the four projections.
        scaled: bool, divide the scores by sqrt(d); T5 does not (1910.10683, footnote 3).
        alignment: from scores to weights: "softmax", "sparsemax", "entmax" or
            {"name": "top_k", "k": 5}; see `s2s_zoo.attention.alignment`.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory; not read where `keys` are given, and may then be None.
        mask: (N, S) bool, True where the position is real; or (1 or N, 1 or H, T, S).
        keys: the keys and values of the heads, what `project` made of `value`, or None.
        bias: (H, T, S), added to the scores before the softmax, or None.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S), the mean over the heads.

    Raises:
        ValueError: for fewer than one head, and at build time if the heads do not divide the
            query width.
    """

    def __init__(
        self,
        heads: int = 8,
        head_dim: int | None = None,
        output_dim: int | None = None,
        bias: bool = True,
        scaled: bool = True,
        alignment: str | Config = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if heads < 1:
            raise ValueError(
                f"MultiHeadAttention expected at least one head. Received: heads={heads}."
            )
        self.heads = heads
        self.head_dim = head_dim
        self.output_dim = output_dim
        self.bias = bias
        self.scaled = scaled
        self.alignment = alignment
        self.align = alignment_function(alignment)

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        query_dim, memory_dim = query_shape[-1], value_shape[-1]
        needs = "MultiHeadAttention needs a query width"
        self.depth = head_depth(needs, query_dim, self.heads, self.head_dim)
        inner = self.heads * self.depth
        self.query_projection = projection(inner, query_dim, self.bias, "query")
        self.key_projection = projection(inner, memory_dim, self.bias, "key")
        self.value_projection = projection(inner, memory_dim, self.bias, "value")
        output_dim = self.output_dim or memory_dim
        self.output_projection = projection(output_dim, inner, self.bias, "output")

    def compute_output_shape(self, query_shape: Shape, value_shape: Shape) -> tuple[Shape, Shape]:
        context, weights = super().compute_output_shape(query_shape, value_shape)
        return (*context[:-1], self.output_dim or context[-1]), weights

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        rows, length, _ = value_shape
        return [(rows, self.heads, length, self.depth)] * 2

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the keys and values (B, H, S, d) of a memory (B, S, D), needed once a source.

        A memory (B, D) is one position.
        """
        self.check_built()
        return self._split(self.key_projection(memory)), self._split(self.value_projection(memory))

    def call(
        self,
        query: Tensor,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        bias: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        (keys, values), mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        single = len(query.shape) == 2
        weights = self.weights_of(query, keys, mask, bias)
        context = ops.matmul(ops.cast(weights, values.dtype), values)
        context = self.output_projection(join_heads(context, self.heads, self.depth, single))
        weights = ops.mean(weights, axis=1)
        return context, ops.squeeze(weights, 1) if single else weights

    def weights_of(
        self, query: Tensor, keys: Tensor, mask: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Returns the weights (N, H, T, S) of each head; of a query (N, U) T is 1.

        Args:
            query, bias: as of a call.
            keys: (N, H, S, d), the first of what `project` made.
            mask: (1 or N, 1 or H, 1 or T, S) bool.
        """
        query = self._split(self.query_projection(query))
        if self.scaled:
            query = query * self.depth**-0.5
        scores = times_transposed(query, keys)
        if bias is not None:
            scores = ops.cast(scores, "float32") + ops.cast(bias, "float32")
        return self.align(scores, mask)

    def _split(self, x):
        return split_heads(x, self.heads, self.depth)
