"""What decoders share whose every step waits for the answer of the attention before it."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import attend, attended, initial_history, with_noise
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.layers.config import LayerSpec, config_of
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoder_output
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.layers.sequences import mean_of_real, unrolled_scan
from s2s_zoo.protocol.types import Config, Nest, Tensor


class StepwiseDecoder(DecoderLayer):
    """A GRU state s, a context c and a readout h~, the same step in training and in search.

        s_0 = tanh(W mean_j h_j + b);  p(y_t) = softmax(W_o h~_t + b_o)

    A subclass makes its own layers, has `_advance` and `_read`, and may have more in its state.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U.
        attention: an attention layer, the name of one, or its config.
        tie_embeddings: bool, use the embedding matrix as W_o; h~ then has width E instead of U.
        dropout: float, on embeddings and h~.

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
                f"{type(self).__name__} needs an attention. Received: attention=None. Give one, or "
                "use RecurrentDecoder."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.tie_embeddings = tie_embeddings
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = given_attention(ATTENTIONS, attention, type(self).__name__)
        self.bridge = keras.layers.Dense(units, activation="tanh", name="bridge")
        self.readout = keras.layers.Dense(
            embedding_dim if tie_embeddings else units,
            activation="tanh",
            use_bias=False,
            name="readout",
        )
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.output_layer = OutputMatrix(vocabulary_size, tie_embeddings, name="output")

    def build_shared(self, memory_dim: int, readout_dim: int) -> None:
        """Builds the layers made here, for a memory (B, S, D) and what `_read` reads, (B, R)."""
        if not self.embedding.built:
            self.embedding.build()
        self.bridge.build((None, memory_dim))
        if not self.attention.built:
            self.attention.build((None, self.units), (None, None, memory_dim))
        self.readout.build((None, readout_dim))
        self.output_layer.build((None, self.readout.units))

    def init(self, encoded: Any, max_length: int | None = None) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, the longest target; not needed by this decoder.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), "keys" (B, S, A) and
                "values" (B, S, D).
            state: dict, what moves: "cell" (B, U) and "context" (B, D) of the last step, the
                entries of `initial_history`, and those of the subclass.
        """
        encoded = encoder_output(encoded)
        state = {
            "cell": self.bridge(mean_of_real(encoded.memory, encoded.mask)),
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
        embedded = self.embedding(tokens)
        state = self._advance(embedded, index, state, memory)
        return (output or self.logits)(self._read(state, embedded)), state

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        embedded = self.dropout(self.embedding(target), training=training)
        memory, state = self.init(encoded)
        if training:
            memory = with_noise(self.attention, memory, ops.shape(target)[1])

        def step(state, x, index):
            return self._advance(x, index, state, memory, training)

        readout = self._read(unrolled_scan(step, state, embedded), embedded)
        return logits_of(self, self.dropout(readout, training=training))

    def logits(self, readout: Tensor) -> Tensor:
        """Returns (..., V) of h~ (..., R)."""
        return self.output_layer.logits(readout, self.embedding)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, R) of the output matrix and the biases (L,) of tokens (L,)."""
        return self.output_layer.rows(tokens, self.embedding)

    def _advance(self, x, index, state, memory, training=False):
        """The state after a step with an embedded token (N, E)."""
        raise NotImplementedError

    def _read(self, state, embedded):
        """h~ (N, [T,] R) of the state after a step, or of all of them, and what was read there."""
        raise NotImplementedError

    def _attend(self, query, memory, state, index, training):
        """The state with "context" (N, D), the answer to a query (N, U)."""
        context, state = attend(self.attention, query, memory, state, index, training)
        return {**state, "context": context}

    def in_config(self) -> Config:
        return {
            "attention": config_of(ATTENTIONS, self.attention),
            "dropout": self.dropout.rate,
        }
