"""Self-attention of blocks to the blocks beside them and to two of all (Zaheer et al. 2020)."""

import math
from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.window import FAR, scores_of, to_all
from s2s_zoo.layers.blocks import around, cut, joined
from s2s_zoo.layers.heads import head_depth, join_heads, projection, split_heads
from s2s_zoo.protocol.types import Shape, Tensor


class BlockSparseAttention(keras.layers.Layer):
    """A block attends to itself, to those beside it, to the first and to the last (2007.14062).

    The first and the last block of a source attend to all of it. A source of at most 5 + 2 R
    blocks attends to all of itself, as there the sparse attention would be none.

    Published models were trained with R blocks more for each, drawn at random; where they answer,
    the first stands for each of these (as in transformers), so that its scores count 1 + R times.
    Here it does while training too. A head compares about S (5 block) pairs instead of S^2.

    Args:
        heads: int, H.
        head_dim: int, d; the input width divided by `heads` where None.
        bias: bool, biases in the projections.
        scaled: bool, divide the scores by sqrt(d).
        block: int, positions of a block.
        random: int, R.

    Call arguments:
        x: (N, S, E).
        mask: (N, S) bool, True where the position is real; padding is behind the last.

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
        block: int = 64,
        random: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        if block < 1 or random < 0:
            raise ValueError(
                "BlockSparseAttention expected a block of at least one position, and random of at "
                f"least 0. Received: block={block}, random={random}."
            )
        self.heads, self.head_dim = heads, head_dim
        self.bias, self.scaled = bias, scaled
        self.block, self.random = block, random
        self.whole = (5 + 2 * random) * block  # up to how many positions all attend to all

    def build(self, shape: Shape, memory_shape: Shape | None = None) -> None:
        width = shape[-1]
        needs = "BlockSparseAttention needs a width"
        self.depth = head_depth(needs, width, self.heads, self.head_dim)
        inner = self.heads * self.depth
        self.projections = [
            projection(inner, width, self.bias, name) for name in ("query", "key", "value")
        ]
        self.output_projection = projection(width, inner, self.bias, "output")
        self.built = True

    def call(self, x: Tensor, mask: Tensor) -> Tensor:
        queries, keys, values = (
            split_heads(project(x), self.heads, self.depth) for project in self.projections
        )
        queries = queries * self.depth**-0.5 if self.scaled else queries
        rows, length = ops.shape(mask)
        few = min(self.whole, length) if isinstance(length, int) else self.whole
        context = to_all(queries[:, :, :few], keys[:, :, :few], values[:, :, :few], mask[:, :few])
        if not isinstance(length, int) or length > self.whole:
            room = length - ops.shape(context)[2]
            context = ops.pad(context, [[0, 0], [0, 0], [0, room], [0, 0]])
            count = ops.sum(ops.cast(mask, "int32"), axis=1)
            short = ops.reshape(count <= self.whole, (rows, 1, 1, 1))
            context = ops.where(short, context, self._sparse(queries, keys, values, mask, count))
        return self.output_projection(join_heads(context, self.heads, self.depth))

    def _sparse(self, queries, keys, values, mask, real):
        """The context (N, H, S, d) of sources of `real` (N,) positions, more than 5 blocks."""
        size = self.block
        rows, length = ops.shape(mask)
        count = (length + size - 1) // size
        last = ops.expand_dims((real + size - 1) // size - 1, 1)  # (N, 1), the last block of a row
        places = ops.expand_dims(ops.arange(length, dtype="int32") // size, 0)  # their blocks
        beside = ops.logical_and(mask, ops.logical_and(places > 0, places != last))
        beside = ops.cast(ops.reshape(beside, (rows, 1, length, 1)), "int32")
        beside = ops.swapaxes(around(cut(beside, size, count)), -1, -2) > 0
        cells = ops.cast(ops.reshape(mask, (rows, 1, length, 1)), values.dtype)
        cells, asked, known, held = (
            cut(part, size, count) for part in (cells, queries, keys, values)
        )
        is_last = ops.arange(count, dtype="int32") == last  # (N, count)
        chosen = ops.reshape(ops.cast(is_last, values.dtype), (rows, 1, count, 1, 1))

        def ends(blocks):
            """The first and the last block of each row, (N, H, 1, size, F) each."""
            return blocks[:, :, :1], ops.sum(blocks * chosen, axis=2, keepdims=True)

        first_keys, last_keys = ends(known)
        first_values, last_values = ends(held)
        _, real_last = ends(cells)
        scores = [  # (N, H, count, size, size), with 3 size in the middle
            scores_of(asked, first_keys) + math.log(1 + self.random),
            ops.where(beside, scores_of(asked, around(known)), FAR),
            ops.where(ops.swapaxes(real_last, -1, -2) > 0, scores_of(asked, last_keys), FAR),
        ]
        weights = ops.cast(ops.softmax(ops.concatenate(scores, axis=-1)), values.dtype)
        context = ops.matmul(weights[..., :size], first_values)
        context = context + ops.matmul(weights[..., size : 4 * size], around(held))
        context = context + ops.matmul(weights[..., 4 * size :], last_values)
        for asking, here in zip(
            ends(asked), (ops.arange(count, dtype="int32")[None] == 0, is_last), strict=True
        ):
            whole = to_all(asking[:, :, 0], keys, values, mask)
            here = ops.reshape(here, (-1, 1, count, 1, 1))
            context = ops.where(here, ops.expand_dims(whole, 2), context)
        return joined(context, length)
