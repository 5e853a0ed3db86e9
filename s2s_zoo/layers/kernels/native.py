"""What TensorFlow does better when asked in its own words; elsewhere it is plain Keras."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from s2s_zoo.protocol.types import Shape, Tensor

plain = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_operations(wanted: bool = True) -> Iterator[None]:
    """Graphs made inside are of plain operations, for formats that know no others."""
    token = plain.set(wanted)
    try:
        yield
    finally:
        plain.reset(token)


def empty(shape: Shape, dtype: str | None = None) -> Tensor:
    """An initializer that sets nothing: memory that is not written takes no room yet."""
    if keras.backend.backend() != "tensorflow":
        return keras.ops.empty(shape, dtype)
    import tensorflow as tf

    return tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False)


def tensor(value: np.ndarray, dtype: str) -> Tensor:
    """Returns what a weight of `dtype` can be assigned to hold an array, copied once.

    TensorFlow copies an array twice on its way in; memory on its boundary of 64 bytes it takes
    as it is.
    """
    value = value.astype(dtype) if dtype == "bfloat16" else value
    if keras.backend.backend() != "tensorflow" or dtype not in ("float16", "float32"):
        return value
    import tensorflow as tf

    memory = np.empty(value.size * np.dtype(dtype).itemsize + 64, "uint8")
    start = -memory.ctypes.data % 64
    taken = memory[start : start + len(memory) - 64].view(dtype).reshape(value.shape)
    taken[...] = value
    return tf.experimental.dlpack.from_dlpack(taken.__dlpack__())


def times_transposed(x: Tensor, y: Tensor) -> Tensor:
    """Returns x y^T of (..., N, D) and (..., M, D), both of the same rank: (..., N, M).

    Of a product with `ops.transpose` TensorFlow makes one operation in float32 only; in bfloat16 it
    writes the transposed matrix out first.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.matmul(x, y, transpose_b=True)
    return keras.ops.matmul(x, keras.ops.swapaxes(y, -1, -2))


def written_at(cache: Tensor, index: Tensor, value: Tensor) -> Tensor:
    """Returns cache (B, H, T, D) with value (B, H, 1, D) at position `index` of T."""
    if not plain.get():
        return ops.slice_update(cache, (0, 0, index, 0), value)
    here = ops.equal(ops.arange(cache.shape[2], dtype="int32"), index)
    return ops.where(ops.reshape(here, (1, 1, -1, 1)), value, cache)
