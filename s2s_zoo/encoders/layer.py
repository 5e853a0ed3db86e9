"""What every encoder is as a Keras layer: what it reads, and the shapes of what it gives."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.attention.transformer import TransformerStack
from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.encoded import check_ids, differ
from s2s_zoo.protocol import PAD, EncoderOutput, TextEncoderOutput
from s2s_zoo.protocol.types import Shape, Tensor


def pre_norm_stack(embedding_dim: int, **options: Any) -> TransformerStack:
    """The stack of encoders of images and sound, whose blocks begin with a normalization.

    Args:
        embedding_dim: int.
        **options: of a `TransformerStack`; where it is not said, epsilon is 1e-5.
    """
    usual: dict[str, Any] = {
        "head_dim": None,
        "gated": False,
        "norm": "pre",
        "normalization": "layer",
        "epsilon": 1e-5,
        "embedding_norm": False,
        "relative_positions": None,
        "scale_scores": True,
        "bias": True,
    }
    return TransformerStack(False, embedding_dim, **{**usual, **options}, name="stack")


def output_spec(shapes: Any, dtype: str, **others: str) -> Any:
    """What an encoder gives, as Keras describes tensors.

    Args:
        shapes: a named tuple of shapes.
        dtype: str, of all but the mask.
        **others: those of other entries.
    """
    dtypes = {"mask": "bool", **others}
    described = {
        name: keras.KerasTensor(shape, dtypes.get(name, dtype))
        for name, shape in shapes._asdict().items()
    }
    return type(shapes)(**described)


def check_rows(source: Tensor, width: int, name: str, expected: str, remedy: str) -> None:
    """Raises ValueError unless a source has floats (B, T, width): what was expected, and received.

    Args:
        source: a tensor.
        width: int, the numbers of each position.
        name: str, of the encoder.
        expected: str, what it reads.
        remedy: str, what makes that.
    """
    shape = tuple(source.shape)
    dtype = keras.backend.standardize_dtype(source.dtype)
    if len(shape) != 3 or differ(shape[2], width) or "float" not in dtype:
        raise ValueError(f"{name} expected {expected}. Received: {dtype} {shape}. {remedy}.")


class TextEncoder(ConfiguredLayer):
    """Reads ids (B, S), PAD on the right, and marks its memory with their mask for other layers.

    A subclass has `memory_dim` and `state_dim`, and `call` begins with `mask_of`.
    """

    memory_dim: int
    state_dim: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"name": "encoder", **kwargs})
        self.supports_masking = True

    @property
    def source_shape(self) -> Shape:
        return (None, None)

    def mask_of(self, source: Tensor) -> Tensor:
        """The mask (B, S) of a source, True where it is not PAD.

        Raises:
            ValueError: for a source that is no ids.
        """
        check_ids(source, type(self).__name__, "(B, S)")
        return ops.not_equal(source, PAD)

    def compute_mask(self, source: Tensor, previous_mask: Tensor | None = None) -> list[Any]:
        return [self.mask_of(source)]

    def compute_output_shape(self, source_shape: Shape) -> Any:
        batch, length = source_shape
        return TextEncoderOutput(
            (batch, length, self.memory_dim), (batch, length), (batch, self.state_dim), source_shape
        )

    def compute_output_spec(self, source: Tensor, training: bool = False) -> Any:
        check_ids(source, type(self).__name__, "(B, S)")
        shapes = self.compute_output_shape(source.shape)
        return output_spec(shapes, self.compute_dtype, tokens=source.dtype)


class ImageEncoder(ConfiguredLayer):
    """Reads images (B, H, W, 3); its memory are the regions, and all of them are real.

    A subclass has `size`, `memory_dim`, `state_dim`, `regions` and `grid`.
    """

    size: tuple[int, ...]
    memory_dim: int
    state_dim: int
    regions: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"name": "encoder", **kwargs})

    @property
    def source_shape(self) -> Shape:
        return (None, *self.size, 3)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), rows and columns of the regions."""
        raise NotImplementedError

    def maps(self, alignment: np.ndarray) -> np.ndarray:
        """Where a decoder looked, (T, h, w), of the weights (T, S) it gave to the regions."""
        # A Transformer has a token before those of the regions.
        return alignment[:, -math.prod(self.grid) :].reshape(-1, *self.grid)

    def compute_output_shape(self, source_shape: Shape) -> Any:
        batch = source_shape[0]
        memory = (batch, self.regions, self.memory_dim)
        return EncoderOutput(memory, memory[:2], (batch, self.state_dim))

    def compute_output_spec(self, source: Tensor, training: bool = False) -> Any:
        return output_spec(self.compute_output_shape(source.shape), self.compute_dtype)


class AudioEncoder(ConfiguredLayer):
    """Reads features of sound (B, T, M), frames of zeros on the right, and marks its memory.

    A frame is padding where all of its features are 0. A subclass has `mels`, `memory_dim`,
    `state_dim` and `halvings`, and `call` begins with `mask_of`.
    """

    mels: int
    memory_dim: int
    state_dim: int
    halvings: int  # how often the time becomes half of what it was
    longest: int | None = None  # frames that are read at most

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"name": "encoder", **kwargs})
        self.supports_masking = True

    @property
    def source_shape(self) -> Shape:
        return (None, None, self.mels)

    def mask_of(self, source: Tensor) -> Tensor:
        """The mask (B, T) of a source, True where a frame is real.

        Raises:
            ValueError: for a source that is no features of `mels` bands.
        """
        expected = f"features of sound (B, T, {self.mels}), floats"
        remedy = "LogMelFeatures makes them of samples"
        check_rows(source, self.mels, type(self).__name__, expected, remedy)
        return ops.any(ops.not_equal(source, 0), axis=-1)

    def shortened(self, mask: Tensor) -> Tensor:
        """The mask (B, S) of the memory, of that of the source."""
        return mask[:, :: 2**self.halvings]

    def compute_mask(self, source: Tensor, previous_mask: Tensor | None = None) -> list[Any]:
        return [self.shortened(self.mask_of(source))]

    def compute_output_shape(self, source_shape: Shape) -> Any:
        batch, frames, _ = source_shape
        length = None if frames is None else -(-frames // 2**self.halvings)
        return EncoderOutput(
            (batch, length, self.memory_dim), (batch, length), (batch, self.state_dim)
        )

    def compute_output_spec(self, source: Tensor, training: bool = False) -> Any:
        self.mask_of(source)
        return output_spec(self.compute_output_shape(source.shape), self.compute_dtype)
