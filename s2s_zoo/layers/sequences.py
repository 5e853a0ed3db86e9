"""Padding neither counts nor leaks."""

from keras import ops


def zero_padding(x, mask):
    """Sets (B, S, D) to zero where the mask (B, S) is False."""
    return x * ops.expand_dims(ops.cast(mask, x.dtype), -1)


def mean_of_real(x, mask):
    """The mean (B, D) of (B, S, D) over the positions where the mask (B, S) is True, or zeros."""
    count = ops.sum(ops.cast(mask, x.dtype), axis=1, keepdims=True)
    return ops.sum(zero_padding(x, mask), axis=1) / ops.maximum(count, 1)
