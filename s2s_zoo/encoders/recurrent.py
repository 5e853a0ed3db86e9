"""Recurrent text encoders: bidirectional, forward, or reading the source backwards."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.encoders.layer import TextEncoder
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.recurrence import Cell, recurrent_layer, run_layer
from s2s_zoo.protocol import TextEncoderOutput
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Config, Shape, Tensor

READINGS = {
    "bidirectional": ("forward", "backward"),
    "forward": ("forward",),
    "reversed": ("backward",),
}
DIRECTIONS = (*READINGS, "bidirectional_bottom")


@keras.saving.register_keras_serializable("s2s_zoo")
class RecurrentEncoder(TextEncoder):
    """Embeds the source and reads it with a stack of recurrent layers.

    "bidirectional" concatenates both readings of each position, h_s = [fwd_s ; bwd_s]
    (Bahdanau et al. 2015, 1409.0473, equation 7); "forward" reads once (Cho et al. 2014,
    1406.1078); "reversed" reads the source from its end (Sutskever et al. 2014, 1409.3215,
    section 3.3), while the memory keeps the order of the tokens; "bidirectional_bottom" reads both
    ways in the first layer and forward in those above (GNMT, Wu et al. 2016, 1609.08144,
    section 3.2).

    Args:
        vocabulary_size: int, V.
        embedding_dim: int.
        units: int, of one direction of one layer.
        cell: "lstm", "gru" or "simple_rnn".
        layers: int, the height of the stack.
        direction: "bidirectional", "forward", "reversed" or "bidirectional_bottom".
        residual: bool, add the input of every layer but the first to its output
            (GNMT, section 3.1); over a bidirectional bottom, of every layer but the first two.
        dropout: float, on the embeddings and on the output of every layer.

    Call arguments:
        source: (B, S) int ids, padded with PAD on the right.

    Returns:
        TextEncoderOutput: memory (B, S, D), mask (B, S), state (B, D): the last states of the top
        layer. D is `units`, or twice that where the top layer is bidirectional.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        cell: Cell = "lstm",
        layers: int = 1,
        direction: Literal[
            "bidirectional", "forward", "reversed", "bidirectional_bottom"
        ] = "bidirectional",
        residual: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_option("RecurrentEncoder", "direction", direction, DIRECTIONS)
        if layers < 1:
            raise ValueError(
                f"RecurrentEncoder expected at least one layer. Received: layers={layers}."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.cell = cell
        self.layers = layers
        self.direction = direction
        self.residual = residual
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.stack = [
            [
                recurrent_layer(cell, units, f"{name}_{i}", reverse=name == "backward")
                for name in self._readings(i)
            ]
            for i in range(layers)
        ]
        self.memory_dim = self.state_dim = units * len(self.stack[-1])

    def _readings(self, i):
        """The directions in which layer i reads."""
        if self.direction == "bidirectional_bottom":
            return READINGS["forward" if i else "bidirectional"]
        return READINGS[self.direction]

    def build(self, source_shape: Shape | None = None) -> None:
        if not self.embedding.built:
            self.embedding.build()
        width = self.embedding_dim
        for layers in self.stack:
            for layer in layers:
                layer.build((None, None, width))
            width = self.units * len(layers)

    def call(self, source: Tensor, training: bool = False) -> TextEncoderOutput:
        mask = self.mask_of(source)
        memory = self.dropout(self.embedding(source), training=training)
        for i, layers in enumerate(self.stack):
            readings = [run_layer(layer, memory, mask, training=training) for layer in layers]
            outputs = _concatenate([sequence for sequence, _ in readings])
            state = _concatenate([states[0] for _, states in readings])
            outputs = self.dropout(outputs, training=training)
            one_width = i > 0 and len(layers) == len(self.stack[i - 1])
            memory = memory + outputs if self.residual and one_width else outputs
        return TextEncoderOutput(memory, mask, state, source)

    def in_config(self) -> Config:
        return {"dropout": self.dropout.rate}


def _concatenate(tensors):
    return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis=-1)
