"""What every encoder is as a Keras layer: what it reads, and the shapes of what it gives."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.encoded import check_ids
from s2s_zoo.protocol import PAD, EncoderOutput, TextEncoderOutput
from s2s_zoo.protocol.types import Shape, Tensor


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
        return type(shapes)(
            *(
                keras.KerasTensor(shape, {"mask": "bool", "tokens": source.dtype}.get(name, dtype))
                for name, shape in shapes._asdict().items()
                for dtype in [self.compute_dtype]
            )
        )


class ImageEncoder(ConfiguredLayer):
    """Reads images (B, H, W, 3); its memory are the regions, and all of them are real.

    A subclass has `size`, `memory_dim`, `state_dim` and `regions`.
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

    def compute_output_shape(self, source_shape: Shape) -> Any:
        batch = source_shape[0]
        memory = (batch, self.regions, self.memory_dim)
        return EncoderOutput(memory, memory[:2], (batch, self.state_dim))

    def compute_output_spec(self, source: Tensor, training: bool = False) -> Any:
        memory, mask, state = self.compute_output_shape(source.shape)
        dtype = self.compute_dtype
        return EncoderOutput(
            keras.KerasTensor(memory, dtype),
            keras.KerasTensor(mask, "bool"),
            keras.KerasTensor(state, dtype),
        )
