"""Sequences: padding, which neither counts nor leaks, rows, and a step function over time."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.kernels import loop
from s2s_zoo.protocol.types import Nest, Tensor


def zero_padding(x: Tensor, mask: Tensor) -> Tensor:
    """Sets (B, S, D) to zero where the mask (B, S) is False."""
    return x * ops.expand_dims(ops.cast(mask, x.dtype), -1)


def carried_mask(x: Tensor) -> Tensor | None:
    """The mask that Keras carries along with a tensor, or None."""
    return getattr(x, "_keras_mask", None)


def mean_of_real(x: Tensor, mask: Tensor) -> Tensor:
    """The mean (B, D) of (B, S, D) over the positions where the mask (B, S) is True, or zeros."""
    count = ops.sum(ops.cast(mask, x.dtype), axis=1, keepdims=True)
    return ops.sum(zero_padding(x, mask), axis=1) / ops.maximum(count, 1)


def repeat_rows(nest: Nest, copies: int) -> Nest:
    """Repeats every row of every tensor: (B, ...) to (B * copies, ...), copies side by side."""
    if copies == 1:
        return nest
    return keras.tree.map_structure(lambda x: ops.repeat(x, copies, axis=0), nest)


def unrolled_scan(step: Callable[[Nest, Tensor, Any], Nest], carry: Nest, inputs: Tensor) -> Nest:
    """Runs `carry = step(carry, x, time)` over time and stacks the carries.

    TensorFlow's XLA has no gradient for `ops.scan`, so a static length is unrolled there.

    Args:
        step: function of a carry (any nest), x (B, E) and the time, returning the next carry.
        carry: nest of tensors.
        inputs: (B, T, E).

    Returns:
        nest like `carry`, each tensor with a time axis: (B, T, ...).
    """
    length = inputs.shape[1]
    if keras.backend.backend() == "tensorflow" and length is not None:
        carries = []
        with loop.loop():
            for time, x in enumerate(ops.unstack(inputs, axis=1)):
                carry = step(carry, x, time)
                carries.append(carry)
        return keras.tree.map_structure(lambda *steps: ops.stack(steps, axis=1), *carries)

    def emit(carry, x):
        carry, time = carry
        carry = step(carry, x, time), time + 1
        return carry, carry

    start = ops.zeros((), dtype="int32")
    _, (stacked, _) = ops.scan(emit, (carry, start), ops.swapaxes(inputs, 0, 1))
    return keras.tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), stacked)


def unrolled_loop(step: Callable[[Nest, Tensor, Any], Nest], carry: Nest, inputs: Tensor) -> Nest:
    """Runs `carry = step(carry, x, time)` as `unrolled_scan` and returns the last carry alone."""
    length = inputs.shape[1]
    if keras.backend.backend() == "tensorflow" and length is not None:
        with loop.loop():
            for time, x in enumerate(ops.unstack(inputs, axis=1)):
                carry = step(carry, x, time)
        return carry
    return ops.fori_loop(
        0, ops.shape(inputs)[1], lambda time, carry: step(carry, inputs[:, time], time), carry
    )
