"""Global attention with multiplicative and concatenative scores (Luong, Pham & Manning 2015)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention.alignment import (
    additive_scores,
    alignment_function,
    dot_scores,
    weighted_sum,
)
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.layers.recurrence import StepDense
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor

SCORES = ("dot", "general", "concat")


@keras.saving.register_keras_serializable("s2s_zoo")
class LuongAttention(AttentionLayer):
    """Scores a source position against the current decoder state (1508.04025, equation 8).

    The paper's fourth score is `LocationAttention`, its local attention `LocalAttention`.

        dot:     e_ts = q_t^T h_s
        general: e_ts = q_t^T W h_s
        concat:  e_ts = v^T tanh(W [q_t ; h_s])

    Args:
        score: "dot", "general" or "concat".
        scaled: bool; a learned gain multiplies the scores of dot and general, as in
            `tfa.seq2seq.LuongAttention(scale=True)`. It starts at 1 / sqrt(A), not at 1: scores
            of unit variance keep the softmax from saturating at the start.
        units: int, A, the hidden width of "concat" (required there, refused elsewhere).
        alignment: from scores to weights: "softmax", "sparsemax", "entmax" or
            {"name": "top_k", "k": 5}; see `s2s_zoo.attention.alignment`.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real.
        keys: what `project` made of `value`, or None.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for an unknown score, "concat" with `scaled` or without `units`, and at
            build time for "dot" where U and D differ.
    """

    def __init__(
        self,
        score: Literal["dot", "general", "concat"] = "general",
        scaled: bool = False,
        units: int | None = None,
        alignment: str | Config = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_option("LuongAttention", "score", score, SCORES)
        if (units is None) == (score == "concat"):
            raise ValueError(
                "LuongAttention takes units with score='concat' and only there. "
                f"Received: score={score!r}, units={units}."
            )
        if scaled and score == "concat":
            raise ValueError(
                "LuongAttention scales dot and general scores only. Received: score='concat', "
                "scaled=True. For a gain on additive scores use BahdanauAttention(normalized=True)."
            )
        self.score = score
        self.scaled = scaled
        self.units = units
        self.alignment = alignment
        self.align = alignment_function(alignment)

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        query_dim, memory_dim = query_shape[-1], value_shape[-1]
        if self.score == "dot" and query_dim != memory_dim:
            raise ValueError(
                "LuongAttention(score='dot') needs a query and a memory of one width. Received: "
                f"query width {query_dim}, memory width {memory_dim}. Use score='general', or give "
                "the decoder as many units as the memory is wide."
            )
        if self.units is not None:  # which only concat has
            self.query_projection = StepDense(self.units, use_bias=False, name="query")
            self.query_projection.build(query_shape)
            self.vector = self.add_weight(
                shape=(self.units,),
                initializer=keras.initializers.RandomUniform(-(self.units**-0.5), self.units**-0.5),
                name="vector",
            )
        if self.score != "dot":
            width = query_dim if self.score == "general" else self.units
            self.key_projection = keras.layers.Dense(width, use_bias=False, name="key")
            self.key_projection.build(value_shape)
        if self.scaled:
            self.gain = self.add_weight(
                shape=(), initializer=keras.initializers.Constant(query_dim**-0.5), name="gain"
            )

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        width = value_shape[-1] if self.score == "dot" else self.key_projection.units
        return [(*value_shape[:2], width)]

    def project(self, memory: Tensor) -> Tensor:
        """Returns the keys (B, S, A) of a memory (B, S, D), needed once per source."""
        self.check_built()
        keys = memory if self.score == "dot" else self.key_projection(memory)
        return ops.multiply(keys, ops.cast(self.gain, keys.dtype)) if self.scaled else keys

    def scores(self, query: Tensor, keys: Nest) -> Tensor:
        """Returns (N, [T,] S), what `call` turns into weights."""
        if self.score == "concat":
            vector = ops.convert_to_tensor(self.vector)
            return additive_scores(self.query_projection(query), keys, vector)
        return dot_scores(query, keys)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        value_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        weights = self.align(self.scores(query, keys), mask)
        return weighted_sum(weights, value), weights
