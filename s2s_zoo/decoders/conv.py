"""The convolutional decoder with an attention in every layer (Gehring et al. 2017)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import dot_scores, masked_softmax, weighted_sum
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.layers.config import LayerSpec, build_from, config_of
from s2s_zoo.layers.convolution import (
    HALF,
    GatedConvolution,
    check_sizes,
    linear,
)
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.layers.positions import POSITIONS, add_positions
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvDecoder(DecoderLayer):
    """Predicts each token by convolutions over the ones before it (1705.03122, section 3).

        g_t = w_t + p_t;   h^0_t = A g_t
        u_t = v(W^l [h^{l-1}_{t-k+1} ; ... ; h^{l-1}_t] + b^l)
        d_t = (Q^l u_t + g_t) sqrt(.5)                                          (equation 1)
        c_t = sqrt(S) sum_s softmax_s(d_t . z_s) (z_s + e_s) sqrt(.5)           (equation 2)
        h^l_t = ((u_t + C^l c_t) sqrt(.5) + h^{l-1}_t) sqrt(.5);   p(y_{t+1}) = softmax(W_o B h^L_t)

    with the gated linear unit v, z the memory, e the source embeddings where the encoder gives
    them, and S the length of the row. As in the authors' code every sum of two is multiplied by
    sqrt(.5). In training the gradient of the memory is divided by the number of attentions
    (section 3.4).

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E, also the width of the memory.
        units: int, U, the width of the convolutions.
        layers: int, L.
        kernel_size: int, k, at least 2.
        positions: "learned", "sinusoidal", the config of one, or None.
        tie_embeddings: bool, use the embedding matrix as W_o.
        dropout: float, on the embeddings, the input of every convolution and that of the output.

    Raises:
        ValueError: for an option outside its range; at build time for a memory of another width.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        layers: int = 4,
        kernel_size: int = 3,
        positions: LayerSpec | None = "learned",
        tie_embeddings: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_sizes("ConvDecoder", layers, dropout)
        if kernel_size < 2:
            raise ValueError(
                "ConvDecoder expected kernel_size >= 2, or it would not see the tokens before. "
                f"Received: kernel_size={kernel_size}."
            )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.layers = layers
        self.kernel_size = kernel_size
        self.tie_embeddings = tie_embeddings
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, False, name="embedding")
        self.positions = build_from(POSITIONS, positions, "position encoding", name="positions")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.enter = linear(units, "enter", dropout)
        self.stack = [
            GatedConvolution(units, kernel_size, "valid", dropout, name=f"layer_{i}")
            for i in range(layers)
        ]
        self.queries = [linear(embedding_dim, f"query_{i}") for i in range(layers)]
        self.contexts = [linear(units, f"context_{i}") for i in range(layers)]
        self.leave = linear(embedding_dim, "leave")
        self.output_layer = OutputMatrix(vocabulary_size, tie_embeddings, name="output")

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        width = encoded_shapes(encoded_shape).memory[-1]
        if width != self.embedding_dim:
            raise ValueError(
                "ConvDecoder compares its embeddings with the memory: both need one width. "
                f"Received: embedding_dim={self.embedding_dim}, memory width {width}. Use "
                f"embedding_dim={width}, or another encoder."
            )
        if not self.embedding.built:
            self.embedding.build()
        if self.positions is not None:
            self.positions.build((None, None, width))
        for layer in (self.enter, *self.contexts, self.output_layer):
            layer.build((None, None, width))
        for layer in (*self.stack, *self.queries, self.leave):
            layer.build((None, None, self.units))
        self.built = True

    def init(self, encoded: Any, max_length: int | None = None) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, the longest target; not needed by this decoder.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), "keys" and "values" (B, S, E).
            state: dict, what moves: "past", for each layer its last inputs (B, k - 1, U);
                "alignment" (B, S) float32, the weights of the last step, the mean over the layers.
        """
        encoded = encoder_output(encoded)
        keys = values = encoded.memory
        if hasattr(encoded, "embedded"):
            values = (keys + encoded.embedded) * HALF
        past = ops.zeros(
            (ops.shape(keys)[0], self.kernel_size - 1, self.units), dtype=self.compute_dtype
        )
        alignment = ops.zeros_like(encoded.mask, dtype="float32")
        memory = {"mask": encoded.mask, "keys": keys, "values": values}
        return memory, {"past": [past] * self.layers, "alignment": alignment}

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state.

        `output` makes other logits of (N, R), in place of `logits`.
        """
        embedded = self.embedding(ops.expand_dims(tokens, 1))
        x, state = self._run(add_positions(embedded, self.positions, index), state, memory)
        return (output or self.logits)(ops.squeeze(x, 1)), state

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        kept = ops.stop_gradient(encoded.memory)
        memory, state = self.init(
            encoded._replace(memory=kept + (encoded.memory - kept) / self.layers)
        )
        embedded = add_positions(self.embedding(target), self.positions)
        x, _ = self._run(self.dropout(embedded, training=training), state, memory, training)
        return logits_of(self, self.dropout(x, training=training))

    def logits(self, x: Tensor) -> Tensor:
        """Returns (..., V) of the top of the stack (..., E)."""
        return self.output_layer.logits(x, self.embedding)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, R) of the output matrix and the biases (L,) of tokens (L,)."""
        return self.output_layer.rows(tokens, self.embedding)

    def _run(self, embedded, state, memory, training=False):
        """All layers for T embedded tokens (N, T, E) after the past: (N, T, E), the next state."""
        lengths = ops.sum(ops.cast(memory["mask"], "float32"), axis=1)
        scale = ops.cast(ops.reshape(ops.sqrt(lengths), (-1, 1, 1)), embedded.dtype)
        x, past, alignment = self.enter(embedded), [], 0
        for layer, query, back, before in zip(
            self.stack, self.queries, self.contexts, state["past"], strict=True
        ):
            window = ops.concatenate([before, self.dropout(x, training=training)], axis=1)
            past.append(window[:, 1 - self.kernel_size :])
            hidden = layer(window)
            scores = dot_scores((query(hidden) + embedded) * HALF, memory["keys"])
            weights = masked_softmax(scores, memory["mask"])
            context = weighted_sum(weights, memory["values"]) * scale
            x = (x + (hidden + back(context)) * HALF) * HALF
            alignment = alignment + weights[:, -1] / self.layers
        return self.leave(x), {"past": past, "alignment": alignment}

    def in_config(self) -> Config:
        return {
            "positions": config_of(POSITIONS, self.positions),
            "dropout": self.dropout.rate,
        }
