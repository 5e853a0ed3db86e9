"""The conditional GRU with attention (Nematus; Sennrich et al. 2017)."""

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.history import attend, attended, initial_history, with_noise
from s2s_zoo.config import build_from, config_of
from s2s_zoo.embedding import TokenEmbedding, TokenLogits
from s2s_zoo.masking import mean_of_real
from s2s_zoo.recurrence import recurrent_layer, step_layer, unrolled_scan


@keras.saving.register_keras_serializable("s2s_zoo")
class ConditionalGRUDecoder(keras.layers.Layer):
    """Asks the source between the two halves of a step (1703.04357, section 2).

        s_0 = tanh(W mean_j h_j + b)
        s'_t = GRU_1(E y_{t-1}, s_{t-1});  c_t = attend(s'_t);  s_t = GRU_2(c_t, s'_t)
        h~_t = tanh(W_h [s_t ; c_t ; E y_{t-1}]);  p(y_t) = softmax(W_o h~_t + b_o)

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U.
        attention: an attention layer, the name of one, or its config; Nematus has
            `{"name": "bahdanau", ...}`.
        tie_embeddings: bool, use the embedding matrix as W_o; h~ then has width E instead of U.
        dropout: float, on embeddings and h~.

    Raises:
        ValueError: without attention.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        units,
        attention,
        tie_embeddings=False,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**{"name": "decoder", **kwargs})
        self.supports_masking = True
        if attention is None:
            raise ValueError(
                "ConditionalGRUDecoder needs an attention. Received: attention=None. Give one, or "
                "use RecurrentDecoder."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.tie_embeddings = tie_embeddings
        self.rate = dropout
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = build_from(ATTENTIONS, attention, "attention", name="attention")
        self.bridge = keras.layers.Dense(units, activation="tanh", name="bridge")
        self.first, self.second = (
            recurrent_layer("gru", units, name) for name in ("first", "second")
        )
        self.readout = keras.layers.Dense(
            embedding_dim if tie_embeddings else units,
            activation="tanh",
            use_bias=False,
            name="readout",
        )
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.output_layer = TokenLogits(vocabulary_size, tie_embeddings, name="output")

    def build(self, target_shape, encoded_shape):
        memory_dim = encoded_shape.memory[-1]
        if not self.embedding.built:
            self.embedding.build()
        self.bridge.build((None, memory_dim))
        self.first.build((None, None, self.embedding_dim))
        self.attention.build((None, self.units), (None, None, memory_dim))
        self.second.build((None, None, memory_dim))
        self.readout.build((None, self.units + memory_dim + self.embedding_dim))
        self.output_layer.build((None, self.readout.units))
        self.built = True

    def init(self, encoded, max_length=None):
        """Prepares decoding.

        Args:
            encoded: EncoderOutput.
            max_length: int, the longest target; not needed by this decoder.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), "keys" (B, S, A) and
                "values" (B, S, D).
            state: dict, what moves: "cell" (B, U) and "context" (B, D) of the last step, and the
                entries of `initial_history`.
        """
        state = {
            "cell": self.bridge(mean_of_real(encoded.memory, encoded.mask)),
            "context": ops.zeros_like(encoded.memory[:, 0]),
            **initial_history(self.attention, encoded.mask),
        }
        return attended(self.attention, encoded), state

    def step(self, tokens, index, state, memory):
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state."""
        embedded = self.embedding(tokens)
        state = self._advance(embedded, index, state, memory)
        return self.logits(self._read(state, embedded)), state

    def call(self, target, encoded, training=False):
        """Teacher forcing: target (B, T) int, beginning with START, to logits (B, T, V)."""
        embedded = self.dropout(self.embedding(target), training=training)
        memory, state = self.init(encoded)
        if training:
            memory = with_noise(self.attention, memory, ops.shape(target)[1])

        def step(state, x, index):
            return self._advance(x, index, state, memory, training)

        readout = self._read(unrolled_scan(step, state, embedded), embedded)
        return self.logits(self.dropout(readout, training=training))

    def logits(self, readout):
        """Returns (..., V) of h~ (..., R)."""
        return self.output_layer(readout, embedding=self.embedding)

    def _advance(self, x, index, state, memory, training=False):
        """The state after a step with an embedded token (N, E)."""
        proposal, _ = step_layer(self.first, x, [state["cell"]])
        context, state = attend(self.attention, proposal, memory, state, index, training)
        cell, _ = step_layer(self.second, context, [proposal])
        return {**state, "cell": cell, "context": context}

    def _read(self, state, embedded):
        """h~ (N, [T,] R) of the state after a step, or of all of them, and what was read there."""
        return self.readout(ops.concatenate([state["cell"], state["context"], embedded], axis=-1))

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "attention": config_of(ATTENTIONS, self.attention),
            "tie_embeddings": self.tie_embeddings,
            "dropout": self.rate,
        }
