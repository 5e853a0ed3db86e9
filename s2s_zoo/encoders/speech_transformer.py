"""The audio encoder of the speech Transformer (Synnaeve et al. 2019, Wang et al. 2020)."""

from collections.abc import Sequence
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
class SpeechTransformerEncoder(AudioEncoder):
    """Gated convolutions that halve the time, and a Transformer (1911.08460, 2010.05171).

        h = a * sigmoid(b),  [a ; b] = conv_k,2(features), once for each of `kernels`
        x = sqrt(E) h + positions;   then pre-norm blocks

    Args:
        embedding_dim: int, E, the width of the whole stack.
        mels: int, M, the bands of the features.
        channels: int, even, of the convolutions before the last, with their gates.
        kernels: list of odd int, the width of each convolution.
        layers: int.
        heads: int.
        hidden_dim: int, the width between the two feed-forward matrices.
        activation: "relu", "gelu", "gelu_tanh", "gelu_sigmoid" or "swish", of the feed-forward
            layers.
        positions: "sinusoidal", "learned", the config of one, or None.
        scaled: bool, multiply by sqrt(E) before the positions are added.
        dropout: float, on what the convolutions give and on what a block adds.

    Call arguments:
        source: (B, T, M) features; frames of zeros are padding.

    Returns:
        EncoderOutput: memory (B, S, E), 2^C frames a position for C convolutions; mask (B, S);
        state (B, E), the mean of the memory.

    Raises:
        ValueError: for an unknown option, heads that do not divide E, channels that are odd, or
            kernels that are even.
    """

    def __init__(
        self,
        embedding_dim: int = 256,
        mels: int = 80,
        channels: int = 1024,
        kernels: Sequence[int] = (5, 5),
        layers: int = 12,
        heads: int = 4,
        hidden_dim: int = 2048,
        activation: Activation = "relu",
        positions: LayerSpec | None = "sinusoidal",
        scaled: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if channels % 2 or not 1 <= len(kernels) <= 8 or not all(x % 2 for x in kernels):
            raise ValueError(
                "SpeechTransformerEncoder expected even channels, and one to 8 kernels of odd "
                f"widths. Received: channels={channels}, kernels={list(kernels)}."
            )
        self.embedding_dim = self.memory_dim = self.state_dim = embedding_dim
        self.mels, self.channels, self.scaled = mels, channels, scaled
        self.kernels = tuple(kernels)
        self.halvings = len(self.kernels)
        self.options: Config = {
            "layers": layers,
            "heads": heads,
            "hidden_dim": hidden_dim,
            "activation": activation,
            "positions": positions,
            "dropout": dropout,
        }
        last = len(self.kernels) - 1
        self.convolutions = [
            keras.layers.Conv1D(
                2 * embedding_dim if i == last else channels,
                width,
                strides=2,
                kernel_initializer=initializer("glorot_uniform"),
                name=f"convolution_{i}",
            )
            for i, width in enumerate(self.kernels)
        ]
        self.stack = pre_norm_stack(embedding_dim, **self.options)

    def build(self, source_shape: Shape | None = None) -> None:
        for i, convolution in enumerate(self.convolutions):
            convolution.build((None, None, self.channels // 2 if i else self.mels))
        self.stack.build()
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        mask = self.mask_of(source)
        x = ops.cast(source, self.compute_dtype)
        for convolution, width in zip(self.convolutions, self.kernels, strict=True):
            # What a convolution makes of padding is none of the next one's.
            x = ops.pad(zero_padding(x, mask), [[0, 0], [width // 2, width // 2], [0, 0]])
            value, gate = ops.split(convolution(x), 2, axis=-1)
            x, mask = value * ops.sigmoid(gate), mask[:, ::2]
        x = x * self.embedding_dim**0.5 if self.scaled else x
        x = self.stack.embed(x, training=training)
        memory = self.stack.through(x, mask, training)
        return EncoderOutput(memory, mask, mean_of_real(memory, mask))

    def in_config(self) -> Config:
        return {**self.options, "kernels": list(self.kernels)}
