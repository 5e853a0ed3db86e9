"""Local attention: a window of the source (Luong, Pham & Manning 2015)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention.alignment import weighted_sum
from s2s_zoo.attention.history import first_positions
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.attention.scorers import config_of_scorer, scorer_of
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor

POSITIONS = ("monotonic", "predictive")


@keras.saving.register_keras_serializable("s2s_zoo")
class LocalAttention(AttentionLayer):
    """Attends within D positions of a centre p_t (1508.04025, section 3.2).

        a_ts = align(e_ts), over the s with |s - p_t| <= D, s counted from 0

        monotonic  (local-m): p_t = t, counted from 0
        predictive (local-p): p_t = S sigmoid(v^T tanh(W q_t)), S the true length of the row, and
                              a_ts is multiplied by exp(-(s - p_t)^2 / (2 sigma^2)), sigma = D / 2

    As in the paper the weights of local-p then sum to less than 1. With "monotonic" a target that
    is more than D longer than its source has steps without a position: weights and context are 0.

    Args:
        scores: the attention that gives e_ts and align: "luong", "bahdanau", "location", or a
            config such as {"name": "luong", "score": "dot", "alignment": "sparsemax"}.
        position: "monotonic" or "predictive".
        window: D, at least 1; the paper found 10.
        renormalize: bool, divide the weights of a step by their sum.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real; rows are padded on the right.
        keys: what `project` made of `value`, or None.
        history: the target position t, () or (T,) int, from 0 on where None; with "monotonic"
            only.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for an unknown option, or a window below 1.
    """

    def __init__(
        self,
        scores: LayerSpec = "luong",
        position: Literal["monotonic", "predictive"] = "predictive",
        window: int = 10,
        renormalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_option("LocalAttention", "position", position, POSITIONS)
        if not window >= 1:
            raise ValueError(
                "LocalAttention expected a window of at least 1, so that a position lies in it. "
                f"Received: window={window}. The paper's is 10."
            )
        self.scorer = scorer_of(scores, "LocalAttention")
        self.position = position
        self.window = window
        self.renormalize = renormalize
        self.history = "index" if position == "monotonic" else None

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.scorer.build(query_shape, value_shape)
        if self.position == "predictive":

            def dense(units, name, **options):
                layer = keras.layers.Dense(units, use_bias=False, name=name, **options)
                layer.build(query_shape)
                return layer

            self.position_hidden = dense(query_shape[-1], "position_hidden", activation="tanh")
            self.position_vector = dense(1, "position_vector")

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return self.scorer.keys_shapes(value_shape)

    def project(self, memory: Tensor) -> Nest:
        """Returns the keys of a memory (B, S, D), needed once per source."""
        return self.scorer.project(memory)

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
        scores = self.scorer.scores(query, keys)
        distance = self._distance(query, ops.shape(value)[1], mask, history)
        inside = ops.abs(distance) <= self.window
        if mask is not None:
            inside = ops.logical_and(
                inside, ops.expand_dims(mask, 1) if len(query.shape) == 3 else mask
            )
        weights = self.scorer.align(scores, inside)
        if self.position == "predictive":
            weights = weights * ops.exp(-2 * ops.square(distance / self.window))
        if self.renormalize:
            total = ops.sum(weights, axis=-1, keepdims=True)
            weights = weights / ops.where(total > 0, total, 1.0)
        return weighted_sum(weights, value), weights

    def _distance(self, query, length, mask, index):
        """s - p_t: float32, of the rank of the scores."""
        if self.position == "monotonic":
            shape = (1, -1, 1) if len(query.shape) == 3 else (1, 1)
            index = first_positions(query) if index is None else index
            centre = ops.reshape(ops.cast(index, "float32"), shape)
        else:
            centre = self.position_vector(self.position_hidden(query))
            true_length = ops.cast(length, "float32")
            if mask is not None:
                true_length = ops.sum(ops.cast(mask, "float32"), axis=-1)
                true_length = ops.reshape(true_length, (-1, *[1] * (len(query.shape) - 1)))
            centre = true_length * ops.sigmoid(ops.cast(centre, "float32"))
        return ops.arange(length, dtype="float32") - centre

    def in_config(self) -> Config:
        return {"scores": config_of_scorer(self.scorer)}
