"""The audio encoder of Whisper (Radford et al. 2022)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.transformer import Activation
from s2s_zoo.encoders.layer import AudioEncoder, pre_norm_stack
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.sequences import mean_of_real, zero_padding
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class WhisperEncoder(AudioEncoder):
    """Two convolutions, the second of which halves the time, and a Transformer (2212.04356, 2.2).

        x = gelu(conv_3,2(gelu(conv_3,1(features)))) + positions;   then pre-norm blocks

    Args:
        embedding_dim: int, E, the width of the whole stack.
        mels: int, M, the bands of the features.
        layers: int.
        heads: int.
        hidden_dim: int, the width between the two feed-forward matrices.
        activation: "relu", "gelu", "gelu_tanh" or "swish", of the feed-forward layers.
        positions: "sinusoidal", "learned", the config of one, or None.
        masked: bool, take frames of zeros for padding; without it they are attended to, as in
            the published models, which read windows of one length.
        dropout: float, on what the convolutions give and on what a block adds.

    Call arguments:
        source: (B, T, M) features, such as `LogMelFeatures` makes; frames of zeros are padding.

    Returns:
        EncoderOutput: memory (B, S, E), two frames a position; mask (B, S); state (B, E), the mean
        of the memory.

    Raises:
        ValueError: for an unknown option, heads that do not divide E, or more frames than there
            are learned positions.
    """

    halvings = 1

    def __init__(
        self,
        embedding_dim: int = 384,
        mels: int = 80,
        layers: int = 4,
        heads: int = 6,
        hidden_dim: int = 1536,
        activation: Activation = "gelu",
        positions: LayerSpec | None = "sinusoidal",
        masked: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.embedding_dim = self.memory_dim = self.state_dim = embedding_dim
        self.mels = mels
        self.masked = masked
        self.options: Config = {
            "layers": layers,
            "heads": heads,
            "hidden_dim": hidden_dim,
            "activation": activation,
            "positions": positions,
            "dropout": dropout,
        }

        def convolution(name, **options):
            start = initializer("glorot_uniform")
            return keras.layers.Conv1D(
                embedding_dim, 3, kernel_initializer=start, name=name, **options
            )

        self.conv1 = convolution("conv1", padding="same")
        self.conv2 = convolution("conv2", strides=2)
        self.stack = pre_norm_stack(embedding_dim, **self.options)

        if hasattr(self.stack.positions, "length"):
            self.longest = 2 * self.stack.positions.length

    def build(self, source_shape: Shape | None = None) -> None:
        self.conv1.build((None, None, self.mels))
        self.conv2.build((None, None, self.embedding_dim))
        self.stack.build()
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        mask = self.mask_of(source)
        self._check_length(source.shape[1])
        x = _gelu(self.conv1(ops.cast(source, self.compute_dtype)))
        # At an end there is what padding is; one frame before the first, and one behind the last.
        x = ops.pad(zero_padding(x, mask), [[0, 0], [1, 1], [0, 0]])
        x = _gelu(self.conv2(x))
        mask = self.shortened(mask)
        x = self.stack.embed(x, training=training)
        memory = self.stack.through(x, mask, training)
        return EncoderOutput(memory, mask, mean_of_real(memory, mask))

    def mask_of(self, source: Tensor) -> Tensor:
        mask = super().mask_of(source)
        return mask if self.masked else ops.ones_like(mask)

    def _check_length(self, frames):
        if self.longest is not None and frames is not None and frames > self.longest:
            raise ValueError(
                f"WhisperEncoder expected at most {self.longest} frames, two for each of its "
                f"learned positions. Received: {frames}. Cut the sound into windows."
            )

    def in_config(self) -> Config:
        return self.options


def _gelu(x):
    return keras.activations.gelu(x, approximate=False)
