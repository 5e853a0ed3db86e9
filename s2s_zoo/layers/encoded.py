"""What a decoder is given: the output of an encoder, or a memory and its mask alone."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.sequences import mean_of_real
from s2s_zoo.protocol import ConvEncoderOutput, EncoderOutput, TextEncoderOutput
from s2s_zoo.protocol.types import Shape, Tensor

# By their number of fields: what Keras reads from a file are plain tuples and lists.
OUTPUTS = {3: EncoderOutput, 4: TextEncoderOutput, 5: ConvEncoderOutput}


def encoder_output(encoded: Any, mask: Tensor | None = None) -> Any:
    """The output of an encoder, whatever a decoder was given.

    Args:
        encoded: an EncoderOutput or its kin, the same as a plain tuple, or a memory (B, S, D),
            whose summary is then the mean of what is real.
        mask: (B, S) bool, of a memory alone; None where all of it is real.

    Raises:
        ValueError: for something else, a mask beside an encoder's output, and a mask that is not
            bool or of another shape.
    """
    check_encoded(encoded, "A decoder")
    if isinstance(encoded, tuple | list):
        if mask is not None:
            raise ValueError(
                "A decoder expected a mask beside a memory only: the output of an encoder has its "
                f"own. Received: both. Leave mask out, or give {type(encoded).__name__}.memory."
            )
        return encoded if hasattr(encoded, "memory") else OUTPUTS[len(encoded)](*encoded)
    if mask is None:
        mask = ops.ones_like(encoded[:, :, 0], dtype="bool")
    check_mask(mask, encoded, "A decoder")
    return EncoderOutput(encoded, mask, mean_of_real(encoded, mask))


def encoded_shapes(encoded_shape: Any) -> EncoderOutput:
    """The shapes of memory, mask and state, of the shape or the shapes of what is given."""
    if hasattr(encoded_shape, "memory"):
        return EncoderOutput(*encoded_shape[:3])
    if isinstance(encoded_shape[-1], int):
        batch, _, width = encoded_shape
        return EncoderOutput(tuple(encoded_shape), tuple(encoded_shape[:2]), (batch, width))
    return EncoderOutput(*map(tuple, encoded_shape[:3]))


def check_encoded(encoded: Any, owner: str) -> None:
    """Raises ValueError for what is neither an encoder's output nor a memory of floats (B, S, D).

    Args:
        encoded: what a layer was given.
        owner: str, who expected it.
    """
    if isinstance(encoded, tuple | list) and len(encoded) in OUTPUTS:
        return
    dtype, shape = _kind(encoded)
    if len(shape) != 3 or "float" not in dtype:
        raise ValueError(
            f"{owner} expected what an encoder gives, or a memory of floats (B, S, D) and its "
            f"mask. Received: {dtype} {shape}. Its state alone is not enough, and ids need an "
            "encoder or an embedding."
        )


def check_mask(mask: Tensor, memory: Tensor | None, owner: str, rows: int | None = None) -> None:
    """Raises ValueError for a mask that is not bool (N, S), or not of this memory.

    Args:
        mask: the mask; of one row where it is the same for all.
        memory: (N, S, D), or None where S is not known.
        owner: str, who expected it.
        rows: int, N, or None where it is not known.
    """
    shape = (rows, None) if memory is None else tuple(memory.shape[:2])
    dtype, found = _kind(mask)
    fits = len(found) == 2 and not differ(found[1], shape[1])
    if dtype != "bool" or not fits or (found[0] != 1 and differ(found[0], shape[0])):
        keys = " Keys are given by name: keys=keys." if len(found) == 3 else ""
        raise ValueError(
            f"{owner} expected a bool mask (N, S) of {shape}, True where the memory is real. "
            f"Received: a mask of {dtype} {found}. Make it of the ids, source != 0, "
            f"or with keras.ops.cast(mask, 'bool').{keys}"
        )


def check_ids(ids: Tensor, owner: str, letters: str) -> None:
    """Raises ValueError for what is no integer tensor of rank 2.

    Args:
        ids: the tensor.
        owner: str, who expected ids.
        letters: str, their shape for the error, such as "(B, S)".
    """
    dtype, shape = _kind(ids)
    if len(shape) != 2 or "int" not in dtype:
        raise ValueError(
            f"{owner} expected ids {letters} of an integer dtype. Received: {dtype} {shape}. In a "
            'functional model they come from keras.Input((None,), dtype="int32").'
        )


def _kind(x):
    """The dtype and the shape of a tensor; of anything else its type and ()."""
    dtype = getattr(x, "dtype", None)
    name = type(x).__name__ if dtype is None else keras.backend.standardize_dtype(dtype)
    return name, tuple(getattr(x, "shape", ()))


def differ(size: Any, other: Any) -> bool:
    """Whether two sizes are known and not the same."""
    return isinstance(size, int) and isinstance(other, int) and size != other


def shape_of(x: Any) -> Shape | None:
    """The shape of a tensor for an error; None of None."""
    return None if x is None else tuple(x.shape)
