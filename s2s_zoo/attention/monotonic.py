"""Monotonic attention, which never looks back (Raffel et al. 2017)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.alignment import weighted_sum
from s2s_zoo.attention.history import from_the_first
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.attention.scorers import config_of_scorer, scorer_of
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class MonotonicAttention(AttentionLayer):
    """Walks along the source and at each step stops at one position (1704.00784, section 2).

    At position s it stops with probability p_ts = sigmoid(e_ts + r), else it goes on; the next
    step begins where this one stopped. The weights are the expectation of that,

        a_ts = p_ts sum_{j <= s} a_{t-1,j} prod_{j <= l < s} (1 - p_tl),  a_0 = (1, 0, 0, ...)

    the paper's recurrence solved for all positions at once, without its division by products that
    underflow. What walks past the end of the source is lost: the weights of a step sum to at most
    1, and never to more than those of the step before.

    Args:
        scores: the attention that gives e_ts: "luong", "location", or a config. The paper's is
            {"name": "bahdanau", "units": 256, "normalized": True}.
        noise: float, standard deviation of the noise that training adds to e_ts, so that p is
            driven towards 0 and 1.
        hard: bool, outside training stop at the first position with e_ts + r > 0 instead: weights
            are 0 or 1. A step that finds none has weights 0, and so have all after it.
        initial_bias: float, r before training; the lower, the farther it walks at first.

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions, one after another.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real; rows are padded on the right.
        keys: what `project` made of `value`, or None.
        history: (N, S), the weights of the last step, `initial_alignment` where None; with (N, U)
            only.
        noise: (N, S) from `draw_noise`, or None; beside a history.
        training: bool.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for negative noise, and scores with an alignment: this one has its own.
    """

    history = "alignment"

    def __init__(
        self,
        scores: LayerSpec = "luong",
        noise: float = 1.0,
        hard: bool = False,
        initial_bias: float = -1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not noise >= 0:
            raise ValueError(
                f"MonotonicAttention expected noise of at least 0. Received: noise={noise}."
            )
        self.scorer = scorer_of(scores, "MonotonicAttention")
        if self.scorer.alignment != "softmax":
            raise ValueError(
                "MonotonicAttention makes weights in its own way, not by an alignment of its "
                f"scores. Received: alignment={self.scorer.alignment!r}. Leave it out."
            )
        self.noise = noise
        self.hard = hard
        self.initial_bias = initial_bias
        if noise:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.scorer.build(query_shape, value_shape)
        self.bias = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.initial_bias), name="bias"
        )

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return self.scorer.keys_shapes(value_shape)

    def project(self, memory: Tensor) -> Nest:
        """Returns the keys of a memory (B, S, D), needed once per source."""
        return self.scorer.project(memory)

    def initial_alignment(self, mask: Tensor) -> Tensor:
        """Returns the weights before the first step: all on the first position."""
        first = ops.equal(ops.arange(ops.shape(mask)[1]), 0)
        return ops.cast(ops.logical_and(mask, first), "float32")

    def draw_noise(self, mask: Tensor, length: Tensor) -> Tensor | None:
        """Returns (N, T, S) of noise for `length` steps, or None if there is none."""
        if not self.noise:
            return None
        shape = (ops.shape(mask)[0], length, ops.shape(mask)[1])
        return keras.random.normal(shape, 0.0, self.noise, "float32", self.seed_generator)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        history: Tensor | None = None,
        noise: Tensor | None = None,
        value_mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        if history is None:
            return from_the_first(self, query, value, mask, keys, training)
        scores = ops.cast(self.scorer.scores(query, keys), "float32")
        scores = scores + ops.cast(self.bias, "float32")
        if noise is not None:
            scores = scores + ops.cast(noise, "float32")
        if mask is not None:
            scores = ops.where(mask, scores, -1e9)
        before = ops.cast(history, "float32")
        weights = _first_stop if self.hard and not training else _expected_stop
        weights = weights(scores, before)
        return weighted_sum(weights, value), weights

    def in_config(self) -> Config:
        return {"scores": config_of_scorer(self.scorer)}


def _expected_stop(scores, before):
    """The probability of stopping at each position: scores and weights before it, both (N, S)."""
    going_on = ops.log_sigmoid(-scores)
    passed = ops.cumsum(going_on, axis=-1) - going_on
    # (N, s, j): log of the probability of walking from j to s.
    walk = ops.expand_dims(passed, 2) - ops.expand_dims(passed, 1)
    places = ops.arange(ops.shape(scores)[1])
    ahead = ops.expand_dims(places, 0) <= ops.expand_dims(places, 1)
    walk = ops.exp(ops.where(ahead, walk, -1e9))
    arrived = ops.squeeze(ops.matmul(walk, ops.expand_dims(before, -1)), -1)
    return ops.sigmoid(scores) * arrived


def _first_stop(scores, before):
    """1 at the first position with a positive score from the one with weight 1 before; else 0."""
    reached = ops.cumsum(before, axis=-1) > 0.5
    stops = ops.cast(ops.logical_and(reached, scores > 0), "float32")
    return stops * ops.cast(ops.cumsum(stops, axis=-1) < 1.5, "float32")
