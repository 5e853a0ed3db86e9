"""How a Transformer knows the order of its tokens: vectors added to them, or biased scores."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Shape, Tensor

SPACINGS = ("paper", "tensor2tensor")
WIDEST = 1 << 20  # an embedding
FARTHEST = 1 << 20  # a distance; each has an entry in a table


@keras.saving.register_keras_serializable("s2s_zoo")
class SinusoidalPositions(ConfiguredLayer):
    """Sines and cosines of the position (Vaswani et al. 2017, 1706.03762, section 3.5).

        PE(p)_j = sin(p w_j);   PE(p)_{E/2 + j} = cos(p w_j);   j < E / 2

    with w_j = 10000^(-2j / E) ("paper") or 10000^(-j / (E / 2 - 1)) ("tensor2tensor", which
    fairseq and M2M-100 use). The paper interleaves sines and cosines: the same features in
    another order.

    Args:
        spacing: "paper" or "tensor2tensor".
        offset: int, added to every position.

    Call arguments:
        positions: (T,) int.

    Returns:
        (T, E).
    """

    def __init__(
        self, spacing: Literal["paper", "tensor2tensor"] = "paper", offset: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_option("SinusoidalPositions", "spacing", spacing, SPACINGS)
        self.spacing = spacing
        self.offset = offset

    def build(self, embedding_shape: Shape) -> None:
        width = embedding_shape[-1]
        half = width // 2
        if width % 2 or not 4 <= width <= WIDEST:
            raise ValueError(
                f"SinusoidalPositions needs an even embedding_dim of at least 4, at most {WIDEST}. "
                f"Received: embedding_dim={width}. Use positions='learned'."
            )
        last = half if self.spacing == "paper" else half - 1
        self.frequencies = (10000.0 ** (-np.arange(half) / last)).astype("float32")

    def call(self, positions: Tensor) -> Tensor:
        positions = ops.cast(positions + self.offset, "float32")
        angles = ops.expand_dims(positions, -1) * ops.convert_to_tensor(self.frequencies)
        vectors = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.cast(vectors, self.compute_dtype)


@keras.saving.register_keras_serializable("s2s_zoo")
class LearnedPositions(ConfiguredLayer):
    """One learned vector for each position.

    Args:
        length: int, the number of positions.
        offset: int, rows of the table before the first position; BART has two.

    Call arguments:
        positions: (T,) int, below `length`.

    Returns:
        (T, E).
    """

    def __init__(self, length: int = 512, offset: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.offset = offset

    def build(self, embedding_shape: Shape) -> None:
        self.embeddings = self.add_weight(
            shape=(self.length + self.offset, embedding_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="embeddings",
        )

    def call(self, positions: Tensor) -> Tensor:
        vectors = ops.take(self.embeddings, positions + self.offset, axis=0)
        return ops.cast(vectors, self.compute_dtype)


@keras.saving.register_keras_serializable("s2s_zoo")
class RelativeBias(ConfiguredLayer):
    """A learned bias for every head and distance, added to the scores (T5, 1910.10683, 2.1).

    Distances below half the buckets have one each; the others share buckets that grow with the
    logarithm of the distance up to `max_distance`. With `bidirectional` half of the buckets are
    for keys before the query, half for keys after it; otherwise later keys count as distance 0.

    Args:
        heads: int, H.
        buckets: int.
        max_distance: int.
        bidirectional: bool.

    Call arguments:
        query_positions: (T,) int.
        key_positions: (S,) int.

    Returns:
        (H, T, S).
    """

    def __init__(
        self,
        heads: int,
        buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_buckets("RelativeBias", buckets, max_distance, bidirectional)
        self.heads = heads
        self.buckets = buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def build(self, positions_shape: Shape | None = None) -> None:
        self.embeddings = self.add_weight(
            shape=(self.buckets, self.heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="embeddings",
        )
        distance = np.arange(-self.max_distance, self.max_distance + 1)
        self.bucket_of = buckets_of(distance, self.buckets, self.max_distance, self.bidirectional)

    def call(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        distance = ops.expand_dims(key_positions, 0) - ops.expand_dims(query_positions, 1)
        return ops.transpose(self.of(distance), (2, 0, 1))

    def of(self, distance: Tensor) -> Tensor:
        """The biases (..., H) of distances (...) int, key position minus query position."""
        # From max_distance on the bucket is the same.
        distance = ops.clip(distance, -self.max_distance, self.max_distance) + self.max_distance
        buckets = ops.take(ops.convert_to_tensor(self.bucket_of), distance, axis=0)
        return ops.take(self.embeddings, buckets, axis=0)


def check_buckets(owner: str, buckets: int, max_distance: int, bidirectional: bool) -> None:
    """Raises ValueError unless `buckets_of` has a bucket for every distance."""
    part = 4 if bidirectional else 2  # of the buckets is for distances that have one each
    if not 1 <= buckets // part < max_distance <= FARTHEST:
        raise ValueError(
            f"{owner} expected at least {part} buckets, and a max_distance that is more than a "
            f"{'quarter' if bidirectional else 'half'} of them and at most {FARTHEST}. Received: "
            f"buckets={buckets}, max_distance={max_distance}."
        )


def buckets_of(
    distance: np.ndarray, buckets: int, max_distance: int, bidirectional: bool
) -> np.ndarray:
    """The bucket, int32, of each distance (key position minus query position) in T5's way."""
    count = buckets // 2 if bidirectional else buckets
    later = distance > 0
    distance = np.abs(distance) if bidirectional else np.maximum(-distance, 0)
    exact = count // 2
    growth = np.log(np.maximum(distance, 1).astype("float32") / np.float32(exact))
    growth = growth / np.float32(np.log(max_distance / exact))
    far = exact + (growth * np.float32(count - exact)).astype("int32")
    found = np.where(distance < exact, distance, np.minimum(far, count - 1))
    return (found + count * later * bidirectional).astype("int32")


POSITIONS = {"sinusoidal": SinusoidalPositions, "learned": LearnedPositions}


def add_positions(
    vectors: Tensor, encoding: keras.layers.Layer | None, first: Tensor = 0
) -> Tensor:
    """Adds to vectors (N, T, E) a layer's encoding of their positions, counted from `first`.

    Without an encoding (None) the vectors are returned as they are.
    """
    if encoding is None:
        return vectors
    return vectors + encoding(ops.arange(ops.shape(vectors)[1], dtype="int32") + first)
