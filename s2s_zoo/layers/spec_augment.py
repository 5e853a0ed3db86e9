"""Features of sound with parts left out, in training (Park et al. 2019)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.sequences import zero_padding
from s2s_zoo.protocol.types import Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class SpecAugment(ConfiguredLayer):
    """Puts the mean of a recording where bands and times of it are hidden (1904.08779, section 2).

    The width of each mask is drawn from 0 to its largest, then its place.

    Args:
        frequency_masks: int, masks of bands.
        frequency_width: int, F, the most bands of one.
        time_masks: int, masks of frames.
        time_width: int, T, the most frames of one.
        time_share: float, p, the most of a recording that one mask hides.

    Call arguments:
        features: (B, T, M).
        mask: (B, T) bool, True where the frame is real.
        training: bool; without it nothing changes.

    Returns:
        (B, T, M).
    """

    def __init__(
        self,
        frequency_masks: int = 2,
        frequency_width: int = 27,
        time_masks: int = 2,
        time_width: int = 40,
        time_share: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        numbers = (frequency_masks, frequency_width, time_masks, time_width)
        if any(type(x) is not int or x < 0 for x in numbers) or not 0 <= time_share <= 1:
            raise ValueError(
                "SpecAugment expected whole numbers of at least 0, and time_share from 0 to 1. "
                f"Received: frequency_masks={frequency_masks!r}, "
                f"frequency_width={frequency_width!r}, time_masks={time_masks!r}, "
                f"time_width={time_width!r}, time_share={time_share!r}."
            )
        self.frequency_masks = frequency_masks
        self.frequency_width = frequency_width
        self.time_masks = time_masks
        self.time_width = time_width
        self.time_share = time_share
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, features: Tensor, mask: Tensor, training: bool = False) -> Tensor:
        if not training:
            return features
        frames = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)
        bands = features.shape[-1]
        total = ops.sum(zero_padding(ops.cast(features, "float32"), mask), axis=(1, 2))
        mean = ops.cast(total[:, None] / ops.maximum(frames * bands, 1), features.dtype)
        width = ops.minimum(float(self.time_width), self.time_share * frames)
        times = self._hidden(ops.shape(features)[1], frames, width, self.time_masks)
        height = ops.full_like(frames, min(self.frequency_width, bands))
        bands_of_all = ops.full_like(frames, bands)
        rows = self._hidden(bands, bands_of_all, height, self.frequency_masks)
        hidden = ops.logical_or(times[:, :, None], rows[:, None, :])
        hidden = ops.logical_and(hidden, mask[:, :, None])  # padding stays what it is
        return ops.where(hidden, mean[:, :, None], features)

    def _hidden(self, size, sizes, widths, masks):
        """(B, size) bool, whether a place is in one of `masks` intervals drawn for each row."""
        shape = (ops.shape(sizes)[0], masks)
        width = ops.floor(keras.random.uniform(shape, seed=self.seed_generator) * (widths + 1))
        first = keras.random.uniform(shape, seed=self.seed_generator) * (sizes - width + 1)
        first, width = ops.floor(first)[:, None], width[:, None]
        places = ops.cast(ops.arange(size), "float32")[None, :, None]
        return ops.any(ops.logical_and(places >= first, places < first + width), axis=-1)

    def compute_output_shape(self, features_shape: Shape, mask_shape: Shape | None = None) -> Shape:
        return features_shape
