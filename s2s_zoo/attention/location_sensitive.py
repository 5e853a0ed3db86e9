"""Content and location: attention that sees where it looked before (Chorowski et al. 2015)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import additive_scores, alignment_function, weighted_sum
from s2s_zoo.attention.history import from_the_first
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.layers.recurrence import StepDense
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LocationSensitiveAttention(AttentionLayer):
    """Additive attention with features of its last weights (1506.07503, section 2.1).

        f_t = F * a_{t-1};  e_ts = v^T tanh(W q_t + U h_s + V f_ts + b)

    F is a convolution along the source, so the score of a position knows how much was looked at it
    and at its neighbours. Before the first step a is 0.

    Args:
        units: int, A, the width of the hidden layer.
        filters: int, k, the features of a position.
        width: int, odd, the positions a feature sees.
        alignment: from scores to weights: "softmax", "sparsemax", "entmax" or
            {"name": "top_k", "k": 5}; see `s2s_zoo.attention.alignment`.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions, one after another.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real.
        keys: what `project` made of `value`, or None.
        history: (N, S), the weights of the last step, zeros where None; with (N, U) only.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for an even width.
    """

    history = "alignment"

    def __init__(
        self,
        units: int,
        filters: int = 10,
        width: int = 11,
        alignment: str | Config = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if width % 2 == 0:
            raise ValueError(
                "LocationSensitiveAttention expected an odd width, with a position in its middle. "
                f"Received: width={width}. Use {width + 1}."
            )
        self.units = units
        self.filters = filters
        self.width = width
        self.alignment = alignment
        self.align = alignment_function(alignment)
        self.query_projection = StepDense(units, name="query")
        self.key_projection = keras.layers.Dense(units, use_bias=False, name="key")
        self.convolution = keras.layers.Conv1D(
            filters, width, padding="same", use_bias=False, name="convolution"
        )
        self.feature_projection = keras.layers.Dense(units, use_bias=False, name="feature")

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.query_projection.build(query_shape)
        self.key_projection.build(value_shape)
        self.convolution.build((None, None, 1))
        self.feature_projection.build((None, None, self.filters))
        self.vector = self.add_weight(
            shape=(self.units,),
            initializer=keras.initializers.RandomUniform(-(self.units**-0.5), self.units**-0.5),
            name="vector",
        )

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return [(*value_shape[:2], self.units)]

    def project(self, memory: Tensor) -> Tensor:
        """Returns the keys (B, S, A) of a memory (B, S, D), needed once per source."""
        self.check_built()
        return self.key_projection(memory)

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
        if history is None:
            return from_the_first(self, query, value, mask, keys)
        features = self.convolution(ops.expand_dims(history, -1))
        keys = keys + self.feature_projection(features)
        vector = ops.convert_to_tensor(self.vector)
        scores = additive_scores(self.query_projection(query), keys, vector)
        weights = self.align(scores, mask)
        return weighted_sum(weights, value), weights
