"""The convolutional encoder (Gehring et al. 2017)."""

from typing import Any

import keras

from s2s_zoo.encoders.layer import TextEncoder
from s2s_zoo.layers.config import LayerSpec, build_from, config_of
from s2s_zoo.layers.convolution import (
    HALF,
    GatedConvolution,
    check_sizes,
    linear,
)
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.positions import POSITIONS, add_positions
from s2s_zoo.layers.sequences import mean_of_real, zero_padding
from s2s_zoo.protocol import ConvEncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvEncoder(TextEncoder):
    """Reads the source with a stack of convolutions, all positions at once (1705.03122).

        e_s = w_s + p_s;   h^0_s = A e_s
        h^l_s = (v(W^l [h^{l-1}_{s-k/2} ; ... ; h^{l-1}_{s+k/2}] + b^l) + h^{l-1}_s) sqrt(.5)
        z_s = B h^L_s

    with the gated linear unit v. Weights start as in section 3.5 but are not normalized (section
    4.2). The embeddings w enter as they are, small: products of vectors of unit variance would be
    so large that attention could not begin by looking everywhere.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, the width of the convolutions.
        layers: int, L.
        kernel_size: int, k, odd.
        positions: "learned", "sinusoidal", the config of one, or None.
        dropout: float, on the embeddings and on the input of every convolution.

    Call arguments:
        source: (B, S) int ids, padded with PAD on the right.

    Returns:
        ConvEncoderOutput: memory (B, S, E), the z; mask (B, S); state (B, E), the mean of
        (z + e) sqrt(.5); tokens (B, S), the source; embedded (B, S, E), the e.

    Raises:
        ValueError: for an option outside its range.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        layers: int = 4,
        kernel_size: int = 3,
        positions: LayerSpec | None = "learned",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_sizes("ConvEncoder", layers, dropout)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                "ConvEncoder expected an odd kernel_size: a window around each position. "
                f"Received: kernel_size={kernel_size}."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = self.memory_dim = self.state_dim = embedding_dim
        self.units = units
        self.layers = layers
        self.kernel_size = kernel_size
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, False, name="embedding")
        self.positions = build_from(POSITIONS, positions, "position encoding", name="positions")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.enter = linear(units, "enter", dropout)
        self.stack = [
            GatedConvolution(units, kernel_size, "same", dropout, name=f"layer_{i}")
            for i in range(layers)
        ]
        self.leave = linear(embedding_dim, "leave")

    def build(self, source_shape: Shape | None = None) -> None:
        if not self.embedding.built:
            self.embedding.build()
        if self.positions is not None:
            self.positions.build((None, None, self.embedding_dim))
        self.enter.build((None, None, self.embedding_dim))
        for layer in (*self.stack, self.leave):
            layer.build((None, None, self.units))
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> ConvEncoderOutput:
        mask = self.mask_of(source)
        embedded = add_positions(self.embedding(source), self.positions)
        embedded = self.dropout(embedded, training=training)
        x = self.enter(embedded)
        for layer in self.stack:
            x = (x + layer(self.dropout(zero_padding(x, mask), training=training))) * HALF
        memory = self.leave(x)
        state = mean_of_real((memory + embedded) * HALF, mask)
        return ConvEncoderOutput(memory, mask, state, source, embedded)

    def compute_output_shape(self, source_shape: Shape) -> ConvEncoderOutput:
        memory, mask, state, tokens = super().compute_output_shape(source_shape)
        return ConvEncoderOutput(memory, mask, state, tokens, memory)

    def in_config(self) -> Config:
        return {
            "positions": config_of(POSITIONS, self.positions),
            "dropout": self.dropout.rate,
        }
