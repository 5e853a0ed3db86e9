"""Heads: one projection for all of them, cut into parts and put together again."""

import keras
from keras import ops

from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol.types import Tensor


def head_depth(needs: str, width: int, heads: int, head_dim: int | None = None) -> int:
    """Returns d, the width of a head: `head_dim`, or where it is None `width` / `heads`.

    Args:
        needs: str, who needs what, for the error: "SomeAttention needs a width".

    Raises:
        ValueError: if the heads do not divide the width.
    """
    if head_dim is None and width % heads:
        raise ValueError(
            f"{needs} that its heads divide. Received: width {width}, heads={heads}. "
            "Change one of them, or give head_dim."
        )
    return head_dim or width // heads


def projection(units: int, width: int, bias: bool, name: str) -> keras.layers.Dense:
    """A built Dense layer from `width` to `units`."""
    start = initializer("glorot_uniform")
    layer = keras.layers.Dense(units, use_bias=bias, kernel_initializer=start, name=name)
    layer.build((None, None, width))
    return layer


def split_heads(x: Tensor, heads: int, depth: int) -> Tensor:
    """(N, T, H d) to (N, H, T, d); (N, H d), one position, to (N, H, 1, d)."""
    if len(x.shape) == 2:
        return ops.reshape(x, (-1, heads, 1, depth))
    x = ops.reshape(x, (*ops.shape(x)[:2], heads, depth))
    return ops.transpose(x, (0, 2, 1, 3))


def join_heads(x: Tensor, heads: int, depth: int, single: bool = False) -> Tensor:
    """(N, H, T, d) to (N, T, H d); of a single position to (N, H d)."""
    if single:
        return ops.reshape(x, (-1, heads * depth))
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (*ops.shape(x)[:2], heads * depth))
