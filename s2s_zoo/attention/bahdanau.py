"""Additive attention (Bahdanau, Cho & Bengio 2015)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import additive_scores, alignment_function, weighted_sum
from s2s_zoo.attention.history import from_the_first
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.layers.recurrence import StepDense
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class BahdanauAttention(AttentionLayer):
    """Scores a source position by a small network of query and memory.

        e_ts = v^T tanh(W q_t + U h_s)             (1409.0473, appendix A.1.2)
        e_ts = g v^T / |v| tanh(W q_t + U h_s + b) where `normalized` (Salimans & Kingma 2016,
                                                   1602.07868; g starts at sqrt(1 / A), b at 0)

    With `coverage` the network also sees how much of a position has been used, the sum c_ts of its
    weights at all earlier steps (See, Liu & Manning 2017, 1704.04368, equations 10 and 11):

        e_ts = v^T tanh(W q_t + U h_s + w c_ts + b)

    Args:
        units: int, A, the width of the hidden layer.
        normalized: bool, the second form.
        coverage: bool, the third; or with `normalized` both.
        alignment: from scores to weights: "softmax", "sparsemax", "entmax" or
            {"name": "top_k", "k": 5}; see `s2s_zoo.attention.alignment`.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions; with `coverage` one after another.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real.
        keys: what `project` made of `value`, or None.
        history: (N, S), c, zeros where None; with `coverage` and (N, U) only.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.
    """

    def __init__(
        self,
        units: int,
        normalized: bool = False,
        coverage: bool = False,
        alignment: str | Config = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.normalized = normalized
        self.coverage = coverage
        self.history = "coverage" if coverage else None
        self.alignment = alignment
        self.align = alignment_function(alignment)
        self.query_projection = StepDense(units, use_bias=False, name="query")
        self.key_projection = keras.layers.Dense(units, use_bias=False, name="key")

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.query_projection.build(query_shape)
        self.key_projection.build(value_shape)
        self.vector = self.add_weight(
            shape=(self.units,),
            initializer=keras.initializers.RandomUniform(-(self.units**-0.5), self.units**-0.5),
            name="vector",
        )
        if self.normalized:
            self.gain = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(self.units**-0.5),
                name="gain",
            )
        if self.normalized or self.coverage:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        if self.coverage:
            self.coverage_vector = self.add_weight(
                shape=(self.units,), initializer="zeros", name="coverage"
            )

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return [(*value_shape[:2], self.units)]

    def project(self, memory: Tensor) -> Tensor:
        """Returns the keys (B, S, A) of a memory (B, S, D), needed once per source."""
        self.check_built()
        return self.key_projection(memory)

    def scores(self, query: Tensor, keys: Nest, history: Tensor | None = None) -> Tensor:
        """Returns (N, [T,] S), what `call` turns into weights."""
        query = self.query_projection(query)
        vector = ops.convert_to_tensor(self.vector)
        if self.normalized or self.coverage:
            query = query + self.bias
        if self.coverage:
            keys = keys + ops.expand_dims(history, -1) * self.coverage_vector
        if self.normalized:
            norm = ops.sqrt(ops.sum(ops.square(ops.cast(vector, "float32"))))
            vector = self.gain * vector / ops.cast(norm, vector.dtype)
        return additive_scores(query, keys, vector)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        history: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        if self.coverage and history is None:
            return from_the_first(self, query, value, mask, keys)
        weights = self.align(self.scores(query, keys, history), mask)
        return weighted_sum(weights, value), weights
