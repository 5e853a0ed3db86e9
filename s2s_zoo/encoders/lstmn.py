"""The long short-term memory network: a recurrent encoder with a memory of its own past."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.encoders.layer import TextEncoder
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.recurrence import recurrent_layer, step_layer
from s2s_zoo.layers.sequences import mean_of_real, unrolled_loop
from s2s_zoo.protocol import TextEncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LSTMNEncoder(TextEncoder):
    """Reads the source with an LSTM that attends to all of its earlier states.

    Cheng, Dong & Lapata 2016 (1601.06733, section 3.1), with tapes of the states h_i and c_i in
    place of the last ones:

        a_i = v^T tanh(W_h h_i + W_x x_t + W_h~ h~_{t-1});   s = softmax_{i < t}(a)
        h~_t = sum_i s_i h_i;   c~_t = sum_i s_i c_i;   h_t, c_t = LSTM(x_t, (h~_t, c~_t))

    Training costs time and memory by the square of the length: meant for sentences.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U.
        dropout: float, on the embeddings and on the output.

    Call arguments:
        source: (B, S) int ids, padded with PAD on the right.

    Returns:
        TextEncoderOutput: memory (B, S, U), mask (B, S), state (B, U), the last h.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = self.memory_dim = self.state_dim = units
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = BahdanauAttention(units, name="attention")
        self.layer = recurrent_layer("lstm", units, "lstm")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

    def build(self, source_shape: Shape | None = None) -> None:
        if not self.embedding.built:
            self.embedding.build()
        self.attention.build((None, self.embedding_dim + self.units), (None, None, self.units))
        self.layer.build((None, None, self.embedding_dim))
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> TextEncoderOutput:
        mask = self.mask_of(source)
        x = self.dropout(self.embedding(source), training=training)
        rows, length = ops.shape(source)
        positions = ops.expand_dims(ops.arange(length, dtype="int32"), 0)

        def step(carry, x, time):
            query = ops.concatenate([x, carry["mixed"][:, : self.units]], axis=-1)
            past = {"mask": positions < time, "keys": carry["keys"]}
            mixed, _ = self.attention(query, carry["tape"], **past)
            h, states = step_layer(self.layer, x, ops.split(mixed, 2, axis=-1))
            now = ops.expand_dims(ops.equal(positions, time), -1)

            def write(tape, value):
                return ops.where(now, ops.expand_dims(value, 1), tape)

            keys = write(carry["keys"], self.attention.project(h))
            tape = write(carry["tape"], ops.concatenate(states, axis=-1))
            return {"mixed": mixed, "keys": keys, "tape": tape}

        carry = {
            "mixed": ops.zeros((rows, 2 * self.units), dtype=x.dtype),
            "keys": ops.zeros((rows, length, self.units), dtype=x.dtype),
            "tape": ops.zeros((rows, length, 2 * self.units), dtype=x.dtype),
        }
        memory = unrolled_loop(step, carry, x)["tape"][:, :, : self.units]
        last = ops.equal(positions + 1, ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True))
        state = mean_of_real(memory, last)
        memory = self.dropout(memory, training=training)
        return TextEncoderOutput(memory, mask, state, source)

    def in_config(self) -> Config:
        return {"dropout": self.dropout.rate}
