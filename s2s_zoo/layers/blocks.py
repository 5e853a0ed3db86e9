"""Sequences in blocks, each of which sees itself and the two beside it, in linear time."""

from keras import ops

from s2s_zoo.protocol.types import Tensor


def in_blocks(length: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Returns the size of a block, and how many hold `length` positions.

    A sequence that is shorter than a block is one of its own length, whatever was wanted.
    """
    if isinstance(length, int):
        size = max(1, min(wanted, length))
    else:
        size = ops.maximum(1, ops.minimum(wanted, length))
    return size, (length + size - 1) // size


def cut(x: Tensor, size: Tensor, count: Tensor) -> Tensor:
    """(N, H, S, F) to blocks (N, H, count, size, F), zeros behind the last position."""
    rows, heads, length, width = ops.shape(x)
    x = ops.pad(x, [[0, 0], [0, 0], [0, count * size - length], [0, 0]])
    return ops.reshape(x, (rows, heads, count, size, width))


def around(blocks: Tensor) -> Tensor:
    """(N, H, count, size, F) to (N, H, count, 3 size, F), with the blocks on both sides."""
    edge = ops.zeros_like(blocks[:, :, :1])
    before = ops.concatenate([edge, blocks[:, :, :-1]], axis=2)
    after = ops.concatenate([blocks[:, :, 1:], edge], axis=2)
    return ops.concatenate([before, blocks, after], axis=3)


def joined(blocks: Tensor, length: Tensor) -> Tensor:
    """(N, H, count, size, F) to (N, H, S, F), S the first `length` positions."""
    rows, heads, count, size, width = ops.shape(blocks)
    return ops.reshape(blocks, (rows, heads, count * size, width))[:, :, :length]
