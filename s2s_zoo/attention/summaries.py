"""Self-attention in a window, and to summaries of all blocks (Guo et al. 2021)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.window import FAR, WindowAttention
from s2s_zoo.protocol.types import Shape


class SummaryAttention(WindowAttention):
    """Every position attends to those around it, and to a summary of each block (2112.07916, 3.1).

        g_b = norm(sum of the x_i of block b);   P_i = {j : |i - j| <= size / 2} and all g

    Transient global attention: the summaries are made anew in every layer, and keys and values of
    them by the same matrices. Positions behind the last whole block count to that one; a source
    that is shorter than a block has no summary. A head compares about S (3 size / 2 + S / block)
    pairs instead of S^2.

    Args:
        block: int, positions of a summary.
        epsilon: float, of the normalization.
        The others: as of a `WindowAttention`, without `first`.

    Call arguments:
        x, mask, bias: as of a `WindowAttention`.
        summary_bias: function of distances in blocks (...) to (..., H), or None.
    """

    def __init__(
        self,
        heads: int,
        head_dim: int | None = None,
        bias: bool = True,
        scaled: bool = True,
        size: int = 254,
        block: int = 16,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(heads, head_dim, bias, scaled, size=size, first=0, **kwargs)
        if block < 1:
            raise ValueError(
                "SummaryAttention expected blocks of at least one position. Received: "
                f"block={block}."
            )
        self.block = block
        self.summary_norm = keras.layers.RMSNormalization(epsilon=epsilon, name="summary_norm")

    def build(self, shape: Shape, memory_shape: Shape | None = None) -> None:
        self.summary_norm.build(shape)
        super().build(shape, memory_shape)

    def _seen_by_all(self, x, keys, values, mask, summary_bias):
        """Keys and values (N, H, G, d), and what is added to the scores, of the summaries."""
        rows, length = ops.shape(mask)
        count = length // self.block
        real = x * ops.cast(ops.expand_dims(mask, -1), x.dtype)
        rest = ops.sum(real[:, count * self.block :], axis=1, keepdims=True)
        real = ops.reshape(real[:, : count * self.block], (rows, count, self.block, x.shape[-1]))
        sums = ops.concatenate([ops.sum(real, axis=2), rest], axis=1)  # (N, G + 1, E)
        # How many blocks of a row are whole; what is behind them counts to the last.
        whole = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True) // self.block  # (N, 1)
        places = ops.expand_dims(ops.arange(count, dtype="int32"), 0)
        last = ops.cast(ops.expand_dims(places == whole - 1, -1), x.dtype)
        summaries = self.summary_norm(sums[:, :-1] + last * sums[:, 1:])
        _, key, value = self.projections
        added = ops.where(places < whole, 0.0, FAR)  # (N, G)
        added = ops.reshape(added, (rows, 1, 1, count))
        if summary_bias is None:
            added = ops.expand_dims(added, 2)
        else:
            own = ops.minimum(ops.arange(length, dtype="int32") // self.block, whole - 1)  # (N, S)
            distance = ops.expand_dims(places, 1) - ops.expand_dims(own, 2)  # (N, S, G)
            far = ops.cast(summary_bias(distance), "float32")
            added = added + ops.transpose(far, (0, 3, 1, 2))
        return self._split(key, summaries), self._split(value, summaries), added
