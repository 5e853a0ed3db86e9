"""Self-attention in a window, and of a few positions to all (Beltagy, Peters & Cohan 2020)."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.blocks import around, cut, in_blocks, joined
from s2s_zoo.layers.heads import head_depth, join_heads, projection, split_heads
from s2s_zoo.protocol.types import Shape, Tensor

FAR = -1e9  # the score of what is not seen


class WindowAttention(keras.layers.Layer):
    """Every position attends to those around it, the first ones to all (2004.05150, section 3.1).

        P_i = {j : |i - j| <= size / 2} and the first G;   P_i = all, for i among the first G

    The first G have projections of their own where they look at all; where they are looked at they
    are positions like the others. A head compares about S (3 size / 2 + G) pairs instead of S^2.

    Args:
        heads: int, H.
        head_dim: int, d; the input width divided by `heads` where None.
        bias: bool, biases in the projections.
        scaled: bool, divide the scores by sqrt(d).
        size: int, even: half of it on either side.
        first: int, G.

    Call arguments:
        x: (N, S, E).
        mask: (N, S) bool, True where the position is real.
        bias: function of positions (T,) and (S,) to (H, T, S), added to the scores, or None.
        summary_bias: not read.

    Returns:
        (N, S, E).

    Raises:
        ValueError: for a number out of its range; at build time, if the heads do not divide E.
    """

    def __init__(
        self,
        heads: int,
        head_dim: int | None = None,
        bias: bool = True,
        scaled: bool = True,
        size: int = 512,
        first: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        if size < 2 or size % 2 or first < 0:
            raise ValueError(
                "WindowAttention expected an even size of at least 2, and first of at least 0. "
                f"Received: size={size}, first={first}."
            )
        self.heads, self.head_dim = heads, head_dim
        self.bias, self.scaled = bias, scaled
        self.size, self.first = size, first

    def build(self, shape: Shape, memory_shape: Shape | None = None) -> None:
        width = shape[-1]
        self.depth = head_depth("WindowAttention needs a width", width, self.heads, self.head_dim)
        inner = self.heads * self.depth

        def three(end):
            names = (f"{use}{end}" for use in ("query", "key", "value"))
            return [projection(inner, width, self.bias, name) for name in names]

        self.projections = three("")
        self.global_projections = three("_global") if self.first else []
        self.output_projection = projection(width, inner, self.bias, "output")
        self.built = True

    def call(
        self,
        x: Tensor,
        mask: Tensor,
        bias: Callable[[Tensor, Tensor], Tensor | None] | None = None,
        summary_bias: Any = None,
    ) -> Tensor:
        context = self._around(x, mask, bias, summary_bias)
        if self.first:
            whole = self._everywhere(x, mask)
            context = ops.concatenate([whole, context[:, :, self.first :]], axis=2)
        return self.output_projection(join_heads(context, self.heads, self.depth))

    def _around(self, x, mask, bias, summary_bias):
        """The context (N, H, S, d) of every position in its window and of what all see."""
        queries, keys, values = (self._split(project, x) for project in self.projections)
        queries = self._scaled(queries)
        rows, length = ops.shape(mask)
        reach = self.size // 2
        size, count = in_blocks(length, reach)
        # What all see is not seen once more in a window.
        seen = ops.logical_and(mask, ops.arange(length, dtype="int32") >= self.first)
        seen = ops.cast(ops.reshape(seen, (rows, 1, length, 1)), "int32")
        seen = ops.swapaxes(around(cut(seen, size, count)), -1, -2) > 0  # (N, 1, count, 1, 3 size)
        here, there = ops.arange(size, dtype="int32"), ops.arange(3 * size, dtype="int32") - size
        near = ops.abs(ops.expand_dims(there, 0) - ops.expand_dims(here, 1)) <= reach
        queries = cut(queries, size, count)
        # (N, H, count, size, d) by (N, H, count, d, 3 size) to (N, H, count, size, 3 size)
        scores = scores_of(queries, around(cut(keys, size, count)))
        biased = None if bias is None else bias(here, there)  # (H, size, 3 size)
        if biased is not None:
            scores = scores + ops.cast(ops.expand_dims(biased, 1), "float32")
        scores = ops.where(ops.logical_and(seen, near), scores, FAR)
        near_values = around(cut(values, size, count))
        others = self._seen_by_all(x, keys, values, mask, summary_bias)
        if others is None:
            weights = ops.cast(ops.softmax(scores), values.dtype)
            return joined(ops.matmul(weights, near_values), length)
        keys, values, added = others
        far = scores_of(queries, ops.expand_dims(keys, 2))  # (N, H, count, size, G)
        added = added if len(added.shape) == 5 else cut(added, size, count)
        far = far + ops.cast(added, "float32")
        weights = ops.softmax(ops.concatenate([far, scores], axis=-1))
        weights, most = ops.cast(weights, values.dtype), ops.shape(far)[-1]
        context = ops.matmul(weights[..., :most], ops.expand_dims(values, 2))
        return joined(context + ops.matmul(weights[..., most:], near_values), length)

    def _seen_by_all(self, x, keys, values, mask, summary_bias):
        """Keys and values (N, H, G, d), and what is added to the scores, of the first positions."""
        if not self.first:
            return None
        real = ops.reshape(mask[:, : self.first], (ops.shape(mask)[0], 1, 1, 1, -1))
        return keys[:, :, : self.first], values[:, :, : self.first], ops.where(real, 0.0, FAR)

    def _everywhere(self, x, mask):
        """The context (N, H, G, d) of the first positions, which look at all."""
        query, key, value = self.global_projections
        queries = self._scaled(self._split(query, x[:, : self.first]))
        keys, values = self._split(key, x), self._split(value, x)
        return to_all(queries, keys, values, mask)

    def _split(self, project, x):
        return split_heads(project(x), self.heads, self.depth)

    def _scaled(self, queries):
        return queries * self.depth**-0.5 if self.scaled else queries


def scores_of(queries: Tensor, keys: Tensor) -> Tensor:
    """(..., T, d) by (..., S, d) to the products (..., T, S) in float32."""
    return ops.cast(ops.matmul(queries, ops.swapaxes(keys, -1, -2)), "float32")


def to_all(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """The context (N, H, T, d) of queries that look at all of (N, H, S, d) that is real, (N, S)."""
    scores = ops.where(mask[:, None, None], scores_of(queries, keys), FAR)
    return ops.matmul(ops.cast(ops.softmax(scores), values.dtype), values)
