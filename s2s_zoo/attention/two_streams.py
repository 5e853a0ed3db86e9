"""Self-attention of two streams, one of which is ahead of the other (Qi et al. 2020)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.attention.multi_head import MultiHeadAttention
from s2s_zoo.layers.heads import join_heads, projection
from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.layers.positions import buckets_of, check_buckets
from s2s_zoo.protocol.types import Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TwoStreamAttention(MultiHeadAttention):
    """Attends to what was read: what reads, and what predicts ahead of it (2001.04063, section 2).

    The stream that reads has the words, as any decoder; the one that predicts knows only where it
    stands, and attends to the first and to itself. The scores have a bias for each distance, as in
    T5, but one that each query makes for itself, r(h) = W h + b.

    Args:
        heads, head_dim, output_dim, bias: as of a `MultiHeadAttention`.
        buckets: int, of distances.
        max_distance: int, from which on they are in one bucket.
    """

    def __init__(
        self,
        heads: int = 8,
        head_dim: int | None = None,
        output_dim: int | None = None,
        bias: bool = True,
        buckets: int = 32,
        max_distance: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(heads, head_dim, output_dim, bias, **kwargs)
        self.buckets = buckets
        self.max_distance = max_distance
        check_buckets("TwoStreamAttention", buckets, max_distance, bidirectional=False)
        # Of what is 0, 1, ... positions behind.
        self.bucket_of = buckets_of(-np.arange(max_distance + 1), buckets, max_distance, False)

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        count = self.buckets * self.heads
        self.relative_projection = projection(count, query_shape[-1], True, "relative")

    def streams(
        self, reading: Tensor, ahead: Tensor, keys: tuple[Tensor, Tensor], positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attends from some positions of both streams.

        Args:
            reading, ahead: (N, T, U), the queries of the two.
            keys: what `project` made of the stream that reads, of S positions from the first on.
            positions: (T,) int, where the queries stand.

        Returns:
            (N, T, D) twice.
        """
        places = ops.arange(keys[0].shape[2], dtype="int32")
        behind = ops.expand_dims(positions, 1) - ops.expand_dims(places, 0)
        seen = (behind >= 0)[None, None]
        weights = self.weights_of(reading, keys[0], seen, self._bias(reading, behind))
        read = ops.matmul(ops.cast(weights, keys[1].dtype), keys[1])

        own_keys, own_values = self.project(ahead)
        query = self._split(self.query_projection(ahead)) * self.depth**-0.5
        own = ops.sum(query * own_keys, axis=-1, keepdims=True)
        scores = ops.concatenate([times_transposed(query, keys[0]), own], axis=-1)
        # It stands one further than what it has read, and at no distance from itself.
        behind = ops.concatenate([behind + 1, ops.zeros_like(behind[:, :1])], axis=1)
        seen = ops.concatenate([seen, ops.ones_like(seen[..., :1])], axis=-1)
        scores = ops.cast(scores, "float32") + ops.cast(self._bias(ahead, behind), "float32")
        weights = ops.cast(self.align(scores, seen), own_values.dtype)
        predicted = ops.matmul(weights[..., :-1], keys[1]) + weights[..., -1:] * own_values
        return self._joined(read), self._joined(predicted)

    def _bias(self, queries, behind):
        """The biases (N, H, T, S) that queries (N, T, U) make of distances (T, S) behind them."""
        rows, length = ops.shape(queries)[:2]
        made = self.relative_projection(queries)
        made = ops.reshape(made, (rows, length, self.buckets, self.heads))
        buckets = ops.take(
            ops.convert_to_tensor(self.bucket_of), ops.clip(behind, 0, self.max_distance), axis=0
        )
        chosen = ops.one_hot(buckets, self.buckets, dtype=made.dtype)
        return ops.einsum("ntbh,tsb->nhts", made, chosen)

    def _joined(self, x):
        return self.output_projection(join_heads(x, self.heads, self.depth))
