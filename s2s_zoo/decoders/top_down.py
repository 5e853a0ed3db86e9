"""The decoder with top-down attention (Anderson et al. 2018)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import attend, attended, initial_history, with_noise
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.layers.config import LayerSpec, config_of
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.layers.recurrence import recurrent_layer, step_layer
from s2s_zoo.layers.sequences import mean_of_real, unrolled_scan
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TopDownDecoder(DecoderLayer):
    """One LSTM decides where to look, another says what is there (1707.07998, section 3.2).

        h^1_t = LSTM_1([h^2_{t-1} ; v ; E y_{t-1}], h^1_{t-1})                    (equations 1, 2)
        c_t = sum_i alpha_ti v_i,  alpha_t = softmax(attend(h^1_t, v_1 ... v_S))  (equations 3 to 5)
        h^2_t = LSTM_2([c_t ; h^1_t], h^2_{t-1})                                  (equation 6)
        p(y_t) = softmax(W_p h^2_t + b_p)                                         (equation 7)

    with v the mean of the regions v_i. Both LSTMs begin with zeros. The attention of the paper is
    `{"name": "bahdanau", ...}`.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U, of both LSTMs.
        attention: an attention layer, the name of one, or its config.
        tie_embeddings: bool, use the embedding matrix as W_p; h^2 then passes a projection to E.
        dropout: float, on the embeddings and on h^2 before the words are predicted.

    Raises:
        ValueError: without attention.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        attention: LayerSpec,
        tie_embeddings: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if attention is None:
            raise ValueError(
                "TopDownDecoder needs an attention. Received: attention=None. Give one, or use "
                "RecurrentDecoder."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.tie_embeddings = tie_embeddings
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = given_attention(ATTENTIONS, attention, type(self).__name__)
        self.attention_cell = recurrent_layer("lstm", units, "attention_cell")
        self.language_cell = recurrent_layer("lstm", units, "language_cell")
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
        self.attention_cell.build((None, None, self.units + memory_dim + self.embedding_dim))
        self.language_cell.build((None, None, memory_dim + self.units))
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
            memory: dict, fixed for the whole target: "mask" (B, S), "keys" (B, S, A), "values"
                (B, S, D) and "mean" (B, D), v.
            state: dict, what moves: "cells", for either LSTM its states (B, U), and the entries
                of `initial_history`.
        """
        encoded = encoder_output(encoded)
        memory = attended(self.attention, encoded)
        memory["mean"] = mean_of_real(encoded.memory, encoded.mask)
        zeros = ops.zeros((ops.shape(encoded.memory)[0], self.units), dtype=self.compute_dtype)
        cells = [[zeros, zeros], [zeros, zeros]]
        return memory, {"cells": cells, **initial_history(self.attention, encoded.mask)}

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state.

        `output` makes other logits of (N, R), in place of `logits`.
        """
        state = self._advance(self.embedding(tokens), index, state, memory)
        return (output or self.logits)(self._read(state["cells"][1][0])), state

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        embedded = self.dropout(self.embedding(target), training=training)
        memory, state = self.init(encoded)
        if training:
            memory = with_noise(self.attention, memory, ops.shape(target)[1])

        def step(state, x, index):
            return self._advance(x, index, state, memory, training)

        said = unrolled_scan(step, state, embedded)["cells"][1][0]
        return logits_of(self, self._read(self.dropout(said, training=training)))

    def logits(self, readout: Tensor) -> Tensor:
        """Returns (..., V) of what `_read` gives (..., R)."""
        return self.output_layer.logits(readout, self.embedding)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, R) of the output matrix and the biases (L,) of tokens (L,)."""
        return self.output_layer.rows(tokens, self.embedding)

    def _read(self, said):
        """What the output matrix reads (..., R), of h^2 (..., U)."""
        return said if self.readout is None else self.readout(said)

    def _advance(self, x, index, state, memory, training=False):
        """The state after a step with an embedded token (N, E)."""
        looking, saying = state["cells"]
        x = ops.concatenate([saying[0], memory["mean"], x], axis=-1)
        query, looking = step_layer(self.attention_cell, x, looking)
        context, state = attend(self.attention, query, memory, state, index, training)
        x = ops.concatenate([context, query], axis=-1)
        _, saying = step_layer(self.language_cell, x, saying)
        return {**state, "cells": [list(looking), list(saying)]}

    def in_config(self) -> Config:
        return {
            "attention": config_of(ATTENTIONS, self.attention),
            "dropout": self.dropout.rate,
        }
