"""Self-attention by locality-sensitive hashing (Kitaev, Kaiser & Levskaya 2020)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.heads import (
    head_depth,
    join_heads,
    projection,
    split_heads,
)
from s2s_zoo.protocol.types import Shape, Tensor

# Another position is always preferred to one's own, which would win every product (section 2).
OWN = -1e5


class LSHAttention(keras.layers.Layer):
    """Every position attends to those that a random rotation R sends to its bucket (2001.04451).

        h(x) = argmax [x R ; -x R];   k_j = q_j / |q_j|;   P_i = {j : h(q_i) = h(q_j)}
        o_i = sum_{j in P_i} softmax_j(q_i . k_j / sqrt(d)) v_j

    Queries and keys share one projection. The positions of a round are sorted by bucket, then cut
    into chunks, and only a position of the same chunk or one beside it is looked at; the paper
    looks back only, which without a causal mask would lose half of a bucket that spans two chunks.
    Rounds are combined so that a pair which several rounds find counts once: the answer is the
    softmax over all that any round found. A position attends to itself only if it is alone.

    A head compares S (3 C R) pairs instead of S^2 for chunks of C and R rounds, and sorts. With
    C = 64 this pays from about 2,000 tokens for R = 2 and from 4,000 for R = 4, by the operations
    and the memory that benchmarks/README.md counts.

    The rotations are drawn once and saved as weights that are not trained, so a text always has
    the same buckets. Padding has a bucket of its own.

    Args:
        heads: int, H.
        head_dim: int, d; the input width divided by `heads` where None.
        bias: bool, biases in the projections.
        scaled: bool, divide the scores by sqrt(d).
        buckets: int, 1 or even.
        chunk: int, C; best twice the mean size of a bucket, 2 S / buckets.
        rounds: int, R.

    Call arguments:
        x: (N, S, E).
        mask: (N, S) bool, True where the position is real.

    Returns:
        (N, S, E).

    Raises:
        ValueError: for a number out of its range; at build time, if the heads do not divide E.
    """

    def __init__(
        self,
        heads: int,
        head_dim: int | None = None,
        bias: bool = True,
        scaled: bool = True,
        buckets: int = 16,
        chunk: int = 64,
        rounds: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        if buckets < 1 or (buckets > 1 and buckets % 2) or chunk < 1 or rounds < 1:
            raise ValueError(
                "LSHAttention expected buckets to be 1 or even, chunk and rounds at least 1. "
                f"Received: buckets={buckets}, chunk={chunk}, rounds={rounds}."
            )
        self.heads = heads
        self.head_dim = head_dim
        self.bias = bias
        self.scaled = scaled
        self.buckets = buckets
        self.chunk = chunk
        self.rounds = rounds

    def build(self, shape: Shape, memory_shape: Shape | None = None) -> None:
        width = shape[-1]
        self.depth = head_depth("LSHAttention needs a width", width, self.heads, self.head_dim)
        inner = self.heads * self.depth
        self.query_projection = projection(inner, width, self.bias, "query")
        self.value_projection = projection(inner, width, self.bias, "value")
        self.output_projection = projection(width, inner, self.bias, "output")
        if self.buckets > 1:
            self.rotations = self.add_weight(
                shape=(self.rounds, self.depth, self.buckets // 2),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                trainable=False,
                name="rotations",
            )
        self.built = True

    def call(self, x: Tensor, mask: Tensor) -> Tensor:
        queries, values = (  # (N, H, S, d) each
            split_heads(project(x), self.heads, self.depth)
            for project in (self.query_projection, self.value_projection)
        )
        squares = ops.sum(ops.square(ops.cast(queries, "float32")), axis=-1, keepdims=True)
        keys = queries * ops.cast(ops.rsqrt(squares + 1e-12), queries.dtype)
        buckets = self._buckets(queries, mask)  # (N, H, R, S), as are order and rank
        length = ops.shape(x)[1]
        order = ops.argsort(buckets * length + ops.arange(length, dtype="int32"), axis=-1)
        order = ops.cast(order, "int32")
        rank = ops.cast(ops.argsort(order, axis=-1), "int32")
        contexts, sums = self._attend(queries, keys, values, mask, buckets, order, rank)
        # How much each round counts, (N, H, R, S, 1), and the mean of all of them, (N, H, S, d).
        share = ops.exp(sums - ops.max(sums, axis=2, keepdims=True))
        share = ops.cast(share / ops.sum(share, axis=2, keepdims=True), contexts.dtype)
        context = ops.sum(contexts * share, axis=2)
        return self.output_projection(join_heads(context, self.heads, self.depth))

    def _buckets(self, queries, mask):
        """The bucket (N, H, R, S) of every position in every round; padding has the last."""
        rows, _, length, _ = ops.shape(queries)
        if self.buckets == 1:
            buckets = ops.zeros((rows, self.heads, self.rounds, length), dtype="int32")
        else:
            rotated = ops.einsum(  # (N, H, R, S, buckets / 2)
                "nhsd,rdb->nhrsb",
                ops.cast(queries, "float32"),
                ops.cast(self.rotations, "float32"),
            )
            rotated = ops.concatenate([rotated, -rotated], axis=-1)  # (N, H, R, S, buckets)
            buckets = ops.cast(ops.argmax(rotated, axis=-1), "int32")
        return ops.where(ops.reshape(mask, (rows, 1, 1, length)), buckets, self.buckets)

    def _attend(self, queries, keys, values, mask, buckets, order, rank):
        """The context of every position in every round, and the log of its sum of exponentials.

        Args:
            queries, keys, values: (N, H, S, d).
            mask: (N, S).
            buckets: (N, H, R, S).
            order, rank: (N, H, R, S), the position in a slot, and the slot of a position.

        Returns:
            (N, H, R, S, d), and float32 (N, H, R, S, 1).
        """
        rows, length = ops.shape(mask)
        count = (length + self.chunk - 1) // self.chunk
        slots = ops.arange(count * self.chunk, dtype="int32")  # (count C,); the last may be empty
        order = ops.take(order, ops.minimum(slots, length - 1), axis=-1)  # (N, H, R, count C)
        first = ops.reshape(ops.arange(rows * self.heads, dtype="int32"), (rows, self.heads, 1, 1))
        order = order + first * length  # rows of (N H S, F)

        def chunks(x):
            """(N, H, S, F) to (N, H, R, count, C, F), in the order of the slots."""
            width = x.shape[-1]
            x = ops.take(ops.reshape(x, (-1, width)), order, axis=0)
            return ops.reshape(x, (rows, self.heads, self.rounds, count, self.chunk, width))

        def around(x):
            """(..., count, C, F) to (..., count, 3 C, F), with the chunks on both sides."""
            edge = ops.zeros_like(x[:, :, :, :1])
            before = ops.concatenate([edge, x[:, :, :, :-1]], axis=3)
            after = ops.concatenate([x[:, :, :, 1:], edge], axis=3)
            return ops.concatenate([before, x, after], axis=4)

        # What is to be known of a position: its place from 1 on (0 if it is not real), and in every
        # round its bucket and its chunk.
        places = ops.where(mask, ops.arange(1, length + 1, dtype="int32"), 0)
        places = ops.broadcast_to(
            ops.reshape(places, (rows, 1, 1, length)), (rows, self.heads, 1, length)
        )
        facts = ops.concatenate([places, buckets, rank // self.chunk], axis=2)  # (N, H, 1 + 2 R, S)
        facts = chunks(ops.transpose(facts, (0, 1, 3, 2)))  # (N, H, R, count, C, 1 + 2 R)
        facts = facts * ops.cast(ops.reshape(slots < length, (count, self.chunk, 1)), "int32")
        # (N, H, R, count, C, 1, 1 + 2 R) and (N, H, R, count, 1, 3 C, 1 + 2 R)
        ours, theirs = ops.expand_dims(facts, -2), ops.expand_dims(around(facts), -3)
        # For each round the pairs that it finds, (N, H, R, count, C, 3 C): R of them.
        of_rounds = [
            ops.logical_and(
                ours[..., bucket] == theirs[..., bucket],
                ops.abs(ours[..., chunk] - theirs[..., chunk]) <= 1,
            )
            for bucket, chunk in ((1 + r, 1 + r + self.rounds) for r in range(self.rounds))
        ]
        # Those that a round finds among its own slots, and how many rounds find each.
        own = ops.stack([pairs[:, :, r] for r, pairs in enumerate(of_rounds)], axis=2)
        allowed = ops.logical_and(own, theirs[..., 0] > 0)
        times = sum(ops.cast(pairs, "float32") for pairs in of_rounds)

        # (N, H, R, count, C, d) by (N, H, R, count, d, 3 C) to (N, H, R, count, C, 3 C)
        scores = ops.matmul(chunks(queries), ops.swapaxes(around(chunks(keys)), -1, -2))
        scores = ops.cast(scores, "float32")
        if self.scaled:
            scores = scores * self.depth**-0.5
        scores = ops.where(ours[..., 0] == theirs[..., 0], OWN, scores) - ops.log(
            ops.maximum(times, 1.0)
        )
        scores = ops.where(allowed, scores, -1e9)
        sums = ops.logsumexp(scores, axis=-1, keepdims=True)  # (N, H, R, count, C, 1)
        weights = ops.exp(scores - sums) * ops.cast(allowed, "float32")
        # (N, H, R, count, C, 3 C) by (N, H, R, count, 3 C, d) to (N, H, R, count, C, d)
        contexts = ops.matmul(ops.cast(weights, values.dtype), around(chunks(values)))

        first = ops.arange(rows * self.heads * self.rounds, dtype="int32")
        first = ops.reshape(first, (rows, self.heads, self.rounds, 1))
        back = rank + first * count * self.chunk  # (N, H, R, S), rows of (N H R count C, F)

        def unsort(x):
            """(N, H, R, count, C, F) to (N, H, R, S, F), in the order of the positions."""
            return ops.take(ops.reshape(x, (-1, x.shape[-1])), back, axis=0)

        return unsort(contexts), unsort(sums)
