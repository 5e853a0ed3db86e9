"""Matrices in one byte a weight, with a scale for each output channel.

    q = round(w / s),  s = max |w| / 127 over the weights of a channel,  w' = q s

so no weight moves by more than s / 2 (Jacob et al. 2018, 1712.05877, section 2.1, without a zero
point).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

LARGEST = 127
FEWEST = 4096  # weights of a tensor that is worth it
SCALE = ".scale"  # what the name of a scale ends in


def channel_axis(name: str, shape: Sequence[int]) -> int | None:
    """The axis of the output channels of a weight, or None where its numbers are kept as they are.

    Of an embedding that are the rows, each the output matrix of a token where it is tied; of a
    kernel the last axis, of a depthwise one the axis before it.
    """
    if len(shape) < 2 or np.prod(shape) < FEWEST:
        return None
    if name.endswith("/embeddings"):
        return 0
    return len(shape) - (1 if shape[-1] > 1 else 2)


def quantize(values: Any, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns an array in int8, and the scales (C,) float32 of its C channels along an axis."""
    values = np.asarray(values, "float32")
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    scales = np.abs(values).max(axis=others) / np.float32(LARGEST)
    divisors = np.where(scales > 0, scales, np.float32(1))
    return np.rint(values / _along(divisors, values.ndim, axis)).astype("int8"), scales


def dequantize(values: np.ndarray, scales: np.ndarray, axis: int) -> np.ndarray:
    """Returns in float32 what `quantize` gave."""
    return values.astype("float32") * _along(scales, values.ndim, axis)


def _along(scales, dimensions, axis):
    return scales.reshape([-1 if i == axis % dimensions else 1 for i in range(dimensions)])
