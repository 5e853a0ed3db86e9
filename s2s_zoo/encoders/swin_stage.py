"""The blocks of one width of a Swin, whose windows shift (Liu et al. 2021)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.attention.multi_head import MultiHeadAttention
from s2s_zoo.attention.transformer import Activation, FeedForward, TransformerBlock
from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol.types import Shape, Tensor


class SwinStage(keras.layers.Layer):
    """The blocks of one width, and the merging of their patches: (B, h, w, C) to the next.

    Args:
        grid: (h, w).
        width: int, C.
        merges: bool, whether (B, h / 2, w / 2, 2 C) is returned, halves rounded up.
        The others: see `SwinEncoder`.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        layers: int,
        heads: int,
        window: int,
        hidden_ratio: float,
        activation: Activation,
        epsilon: float,
        dropout: float,
        merges: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width, self.window = width, window
        # In windows as large as the stage nothing is apart.
        self.shift = window // 2 if min(grid) > window else 0
        self.grid = grid
        self.padded = tuple(-(-side // window) * window for side in grid)
        self.regions = _regions(self.padded, window, self.shift)

        def normalize(name):
            return keras.layers.LayerNormalization(epsilon=epsilon, name=name)

        self.blocks = [
            TransformerBlock(
                [MultiHeadAttention(heads, name="self_attention")],
                FeedForward(
                    int(hidden_ratio * width), width, activation, False, True, name="feed_forward"
                ),
                normalize,
                True,
                dropout,
                WindowBias(heads, window, name="relative_bias"),
                name=f"layer_{i}",
            )
            for i in range(layers)
        ]
        self.merge_norm: Any = None
        self.reduction: Any = None
        if merges:
            self.merge_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="merge_norm")
            self.reduction = keras.layers.Dense(
                2 * width,
                use_bias=False,
                kernel_initializer=initializer("glorot_uniform"),
                name="reduction",
            )

    def build(self, shape: Shape | None = None) -> None:
        for block in self.blocks:
            block.build((None, None, self.width), (None, None, self.width))
        if self.reduction is not None:
            self.merge_norm.build((None, None, None, 4 * self.width))
            self.reduction.build((None, None, None, 4 * self.width))
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        for i, block in enumerate(self.blocks):
            x, _ = block.run(x, self._within(block, self.shift * (i % 2)), training=training)
        if self.reduction is None:
            return x
        rows, columns = self.grid
        x = ops.pad(x, [[0, 0], [0, rows % 2], [0, columns % 2], [0, 0]])
        four = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
        return self.reduction(self.merge_norm(ops.concatenate(four, axis=-1)))

    def _within(self, block, shift):
        """A function of the attention of a block and its input to its output, of one shape."""
        bias, mask, size = block.relative_bias.values(), None, self.window**2
        (rows, columns), (high, wide) = self.grid, self.padded
        if shift:
            mask = ops.convert_to_tensor(self.regions)
            mask = ops.expand_dims(mask, 2) == ops.expand_dims(mask, 1)  # (windows, M^2, M^2)

        def attend(attention, h):
            h = ops.pad(h, [[0, 0], [0, high - rows], [0, wide - columns], [0, 0]])
            h = ops.roll(h, (-shift, -shift), axis=(1, 2)) if shift else h
            windows = ops.reshape(_cut(h, self.window, high, wide), (-1, size, self.width))
            seen = mask
            if seen is not None:
                times = ops.shape(h)[0]
                seen = ops.tile(ops.expand_dims(seen, 1), (times, 1, 1, 1))
            h, _ = attention(windows, windows, mask=seen, bias=bias)
            h = _joined(h, self.window, high, wide)
            h = ops.roll(h, (shift, shift), axis=(1, 2)) if shift else h
            return h[:, :rows, :columns]

        return attend


class WindowBias(keras.layers.Layer):
    """A learned bias for every head and distance within a window, (H, M^2, M^2)."""

    def __init__(self, heads: int, window: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.window = heads, window

    def build(self, shape: Shape | None = None) -> None:
        self.embeddings = self.add_weight(
            shape=((2 * self.window - 1) ** 2, self.heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="embeddings",
        )
        self.built = True

    def values(self) -> Tensor:
        place = np.stack(np.divmod(np.arange(self.window**2), self.window))
        down, right = place[:, :, None] - place[:, None, :] + self.window - 1
        distances = (down * (2 * self.window - 1) + right).astype("int32")
        found = ops.take(self.embeddings, ops.convert_to_tensor(distances), axis=0)
        return ops.transpose(found, (2, 0, 1))


def _cut(x, window, high, wide):
    """(B, h, w, C) to windows (B, h / M, w / M, M, M, C)."""
    width = x.shape[-1]
    x = ops.reshape(x, (-1, high // window, window, wide // window, window, width))
    return ops.transpose(x, (0, 1, 3, 2, 4, 5))


def _joined(windows, window, high, wide):
    """Windows (B n, M^2, C) to (B, h, w, C)."""
    width = windows.shape[-1]
    x = ops.reshape(windows, (-1, high // window, wide // window, window, window, width))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, high, wide, width))


def _regions(padded, window, shift):
    """(windows, M^2) int: what of a shifted window belongs together, as it did before."""
    ids = [(np.arange(n) >= n - window) * 1 + (np.arange(n) >= n - shift) for n in padded]
    ids = ids[0][:, None] * 3 + ids[1]
    high, wide = padded
    ids = ids.reshape(high // window, window, wide // window, window).transpose(0, 2, 1, 3)
    return ids.reshape(-1, window**2).astype("int32")
