"""Sound to log-mel features, as a layer."""

from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.mel import FAINTEST, RANGE, mel_filters
from s2s_zoo.protocol.types import Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LogMelFeatures(ConfiguredLayer):
    """The log-mel features of Whisper (Radford et al. 2022, 2212.04356, section 2.2).

    The power of the short-time Fourier transform in `mels` bands (Slaney's scale), its log10, at
    least that of the loudest less 8, then plus 4, over 4.

    Args:
        mels: int, M, the number of bands.
        rate: int, samples a second.
        frame: int, samples of a frame.
        hop: int, samples from one frame to the next.

    Call arguments:
        samples: (B, N) floats, from -1 to 1.
        lengths: (B,) int, the samples of each row that are real, or None for all. The features of
            a row do not depend on what is behind them.

    Returns:
        (B, N // hop, M) float32. Frames behind a row are 0, which is how an `AudioEncoder` knows
        them.
    """

    def __init__(
        self, mels: int = 80, rate: int = 16000, frame: int = 400, hop: int = 160, **kwargs: Any
    ) -> None:
        # Samples in half precision would be noise.
        super().__init__(**{"name": "log_mel", **kwargs, "autocast": False})
        for name, value in {"mels": mels, "rate": rate, "frame": frame, "hop": hop}.items():
            if type(value) is not int or value < 1:
                raise ValueError(
                    f"LogMelFeatures expected {name} to be a whole number of at least 1. "
                    f"Received: {name}={value!r}."
                )
        self.mels = mels
        self.rate = rate
        self.frame = frame
        self.hop = hop
        self.filters = mel_filters(mels, rate, frame).astype("float32")

    def call(self, samples: Tensor, lengths: Tensor | None = None) -> Tensor:
        if len(samples.shape) != 2 or "float" not in keras.backend.standardize_dtype(samples.dtype):
            raise ValueError(
                "LogMelFeatures expected samples (B, N), floats from -1 to 1. Received: "
                f"{samples.dtype} {tuple(samples.shape)}. Divide 16-bit samples by 32768."
            )
        samples = ops.cast(samples, "float32")
        count = ops.shape(samples)[1]
        real = None
        if lengths is not None:
            lengths = ops.cast(lengths, "int32")[:, None]
            real = (ops.arange(count // self.hop, dtype="int32") < lengths // self.hop)[..., None]
            samples = self._mirrored(samples, lengths, count)
        parts = ops.stft(
            samples, self.frame, self.hop, self.frame, window="hann", center=real is None
        )
        power = sum(ops.square(part[:, : count // self.hop]) for part in parts)
        found = ops.matmul(power, ops.convert_to_tensor(self.filters))
        found = ops.log(ops.maximum(found, FAINTEST)) / np.log(10).astype("float32")
        heard = found if real is None else ops.where(real, found, -np.inf)
        loudest = ops.max(heard, axis=(1, 2), keepdims=True)
        found = (ops.maximum(found, loudest - RANGE) + 4) / 4
        return found if real is None else ops.where(real, found, 0.0)

    def _mirrored(self, samples, lengths, count):
        """Samples with half a frame before and behind each row, mirrored at its ends."""
        half = self.frame // 2
        places = ops.abs(ops.arange(count + 2 * half, dtype="int32") - half)[None]
        last = lengths - 1
        places = ops.where(places > last, 2 * last - places, places)
        return ops.take_along_axis(samples, ops.clip(places, 0, count - 1), axis=1)

    def compute_output_shape(self, samples_shape: Shape) -> Shape:
        batch, count = samples_shape
        return batch, None if count is None else count // self.hop, self.mels

    def compute_output_spec(self, samples: Tensor, lengths: Tensor | None = None) -> Any:
        return keras.KerasTensor(self.compute_output_shape(samples.shape), "float32")
