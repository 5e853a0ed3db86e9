"""A tensor that is still in its file."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from s2s_zoo.protocol.safetensors_file import numpy_dtype
from s2s_zoo.protocol.types import Shape

AGAIN = "Download the checkpoint again."


class Tensor(NamedTuple):
    """A tensor that is still in its file.

    Attributes:
        shape: tuple of int.
        dtype: str, that of the file, such as "float32".
        read: function without arguments to the array.
    """

    shape: Shape
    dtype: str
    read: Callable[[], np.ndarray]


Tensors: TypeAlias = dict[str, Tensor]


def reshaped(tensor: Tensor, shape: Shape) -> Tensor:
    """A tensor with the same numbers in another shape."""
    return Tensor(shape, tensor.dtype, lambda: tensor.read().reshape(shape))


def rows(tensor: Tensor, i: int, count: int) -> Tensor:
    """Part i of `count` of the first axis."""
    height = tensor.shape[0] // count
    shape = (height, *tensor.shape[1:])
    return Tensor(shape, tensor.dtype, lambda: tensor.read()[i * height : (i + 1) * height])


def patches(tensor: Tensor) -> Tensor:
    """The kernel of a convolution: the loader turns all axes round, height and width back again."""
    shape = (*tensor.shape[:2], tensor.shape[3], tensor.shape[2])
    return Tensor(shape, tensor.dtype, lambda: tensor.read().swapaxes(2, 3))


def zeros(shape: Shape) -> Tensor:
    """A tensor of zeros, which no file has."""
    return Tensor(shape, "float32", lambda: np.zeros(shape, "float32"))


def with_zero_biases(tensors: Tensors, projections: str) -> Tensors:
    """The tensors, and a bias of zeros for each projection that has none.

    Args:
        tensors: dict from the names of a checkpoint.
        projections: pattern of the names of the weights that it is about, up to "weight".
    """
    found = {}
    for name, tensor in tensors.items():
        found[name] = tensor
        bias = name.removesuffix("weight") + "bias"
        if bias not in tensors and re.search(projections, name):
            found[bias] = zeros(tensor.shape[:1])
    return found


def tensor_at(
    path: Path, offset: int, dtype: str, shape: Iterable[int], strides: Sequence[int] | None = None
) -> Tensor:
    """A tensor that lies in a file as its numbers, `strides` counted in numbers."""
    kind, shape = numpy_dtype(dtype), tuple(shape)

    def read():
        if strides is None:
            # Not mapped: pages of the file would stay in memory beside the model.
            return np.fromfile(path, kind, math.prod(shape), offset=offset).reshape(shape)
        last = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        numbers = np.memmap(path, kind, "r", offset, (last + 1,))
        steps = [step * kind.itemsize for step in strides]
        return np.lib.stride_tricks.as_strided(numbers, shape, steps, writeable=False)

    return Tensor(shape, dtype, read)
