"""The decoder of Google's neural machine translation (Wu et al. 2016)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import attend, attended, initial_history, with_noise
from s2s_zoo.decoders.cells import bridge_layers, initial_cells
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.layers.config import LayerSpec, config_of
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.layers.recurrence import (
    recurrent_layer,
    run_layer,
    step_layer,
)
from s2s_zoo.layers.sequences import unrolled_scan
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class GNMTDecoder(DecoderLayer):
    """The bottom layer asks the source, every layer hears the answer (1609.08144, section 3).

        c_t = attend(h^1_{t-1});   h^1_t = LSTM_1([E y_{t-1} ; c_t], h^1_{t-1})
        x^i_t = LSTM_i([x^{i-1}_t ; c_t]) + x^{i-1}_t   (the sum from the third layer on)
        p(y_t) = softmax(W_o x^L_t + b_o)

    Only the bottom layer waits for the attention: training runs the layers above it over the whole
    target at once. Every initial state is tanh(W s), s the summary of the source.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U, of each layer.
        attention: an attention layer, the name of one, or its config; the paper has
            `{"name": "bahdanau", ...}`.
        layers: int, L, at least 2.
        tie_embeddings: bool, use the embedding matrix as W_o; x^L then passes a projection to E.
        dropout: float, on the embeddings and on the output of every layer.

    Raises:
        ValueError: without attention, or with fewer than two layers.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        attention: LayerSpec,
        layers: int = 4,
        tie_embeddings: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if attention is None or layers < 2:
            raise ValueError(
                "GNMTDecoder needs an attention and at least two layers. Received: "
                f"attention={attention!r}, layers={layers}. Give them, or use RecurrentDecoder."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.layers = layers
        self.tie_embeddings = tie_embeddings
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = given_attention(ATTENTIONS, attention, type(self).__name__)
        self.bridges = bridge_layers("dense", "lstm", units, layers)
        self.stack = [recurrent_layer("lstm", units, f"layer_{i}") for i in range(layers)]
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.readout = None
        if tie_embeddings:
            self.readout = keras.layers.Dense(embedding_dim, use_bias=False, name="readout")
        self.output_layer = OutputMatrix(vocabulary_size, tie_embeddings, name="output")

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        memory_dim = encoded_shapes(encoded_shape).memory[-1]
        if not self.embedding.built:
            self.embedding.build()
        if not self.attention.built:
            self.attention.build((None, self.units), (None, None, memory_dim))
        for bridge in keras.tree.flatten(self.bridges):
            bridge.build((None, encoded_shapes(encoded_shape).state[-1]))
        width = self.embedding_dim
        for layer in self.stack:
            layer.build((None, None, width + memory_dim))
            width = self.units
        if self.readout is not None:
            self.readout.build((None, width))
            width = self.embedding_dim
        self.output_layer.build((None, width))
        self.built = True

    def init(self, encoded: Any, max_length: int | None = None) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, the longest target; not needed by this decoder.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), "keys" (B, S, A) and
                "values" (B, S, D).
            state: dict, what moves: "cells", a list for each layer of its states (B, U);
                "context" (B, D) of the last step; the entries of `initial_history`.
        """
        encoded = encoder_output(encoded)
        state = {
            "cells": initial_cells(self.bridges, encoded.state, self.units, self.compute_dtype),
            "context": ops.zeros_like(encoded.memory[:, 0]),
            **initial_history(self.attention, encoded.mask),
        }
        return attended(self.attention, encoded), state

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state.

        `output` makes other logits of (N, R), in place of `logits`.
        """
        state = self._bottom(self.embedding(tokens), index, state, memory)
        cells = [state["cells"][0]]

        def run(layer, x, states):
            h, states = step_layer(layer, x, states)
            cells.append(list(states))
            return h

        top = self._above(cells[0][0], state["context"], state["cells"], run)
        return (output or self.logits)(self._read(top)), {**state, "cells": cells}

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        embedded = self.dropout(self.embedding(target), training=training)
        memory, state = self.init(encoded)
        if training:
            memory = with_noise(self.attention, memory, ops.shape(target)[1])
        cells = state["cells"]

        def step(state, x, index):
            return self._bottom(x, index, state, memory, training)

        def run(layer, x, states):
            return run_layer(layer, x, initial_state=states, training=training)[0]

        done = unrolled_scan(step, {**state, "cells": cells[:1]}, embedded)
        top = self._above(done["cells"][0][0], done["context"], cells, run, training)
        return logits_of(self, self._read(top))

    def logits(self, top: Tensor) -> Tensor:
        """Returns (..., V) of what `_read` gives (..., R)."""
        return self.output_layer.logits(top, self.embedding)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, R) of the output matrix and the biases (L,) of tokens (L,)."""
        return self.output_layer.rows(tokens, self.embedding)

    def _read(self, top):
        """What the output matrix reads (..., R), of the output of the top layer (..., U)."""
        return top if self.readout is None else self.readout(top)

    def _bottom(self, x, index, state, memory, training=False):
        """The state after the attention and the bottom layer with an embedded token (N, E)."""
        bottom, *above = state["cells"]
        context, state = attend(self.attention, bottom[0], memory, state, index, training)
        _, bottom = step_layer(self.stack[0], ops.concatenate([x, context], axis=-1), bottom)
        return {**state, "cells": [list(bottom), *above], "context": context}

    def _above(self, x, context, cells, run, training=False):
        """The other layers: (N, [T,] U) of the bottom layer and the contexts to (N, [T,] U).

        `run` is a function of a layer, its input and its states to its output.
        """
        x = self.dropout(x, training=training)
        for i in range(1, self.layers):
            h = run(self.stack[i], ops.concatenate([x, context], axis=-1), cells[i])
            h = self.dropout(h, training=training)
            x = x + h if i > 1 else h
        return x

    def in_config(self) -> Config:
        return {
            "attention": config_of(ATTENTIONS, self.attention),
            "dropout": self.dropout.rate,
        }
