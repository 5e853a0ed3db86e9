"""The Transformer decoder with simpler simple recurrent units (Kim et al. 2019)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.sequences import unrolled_scan
from s2s_zoo.protocol.types import Shape, Tensor


class SSRU(keras.layers.Layer):
    """A recurrence without matrix products in time (D19-5632, section 3).

        f_t = sigmoid(W_f x_t + b_f);   c_t = f_t * c_{t-1} + (1 - f_t) * W x_t;   h_t = relu(c_t)

    Call arguments:
        x: (N, T, E).

    Returns:
        (N, T, E), the h; c_0 is zero.
    """

    def __init__(self, name: str = "ssru", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def build(self, shape: Shape, memory_shape: Shape | None = None) -> None:
        start = initializer("glorot_uniform")
        width = shape[-1]
        self.gate = keras.layers.Dense(width, kernel_initializer=start, name="gate")
        self.value = keras.layers.Dense(
            width, use_bias=False, kernel_initializer=start, name="value"
        )
        self.gate.build(shape)
        self.value.build(shape)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        kept, added = self._products(x)
        cells = unrolled_scan(
            lambda c, moves, time: self._move(c, *ops.split(moves, 2, axis=-1)),
            ops.zeros_like(kept[:, 0]),
            ops.concatenate([kept, added], axis=-1),
        )
        return ops.relu(ops.cast(cells, x.dtype))

    def step(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One position: (N, E) and c (N, E) float32 to h (N, E) and the next c."""
        c = self._move(c, *self._products(x))
        return ops.relu(ops.cast(c, x.dtype)), c

    def _products(self, x):
        """f and (1 - f) * W x of all positions, in float32: sums over time need the digits."""
        gate = ops.sigmoid(ops.cast(self.gate(x), "float32"))
        return gate, (1 - gate) * ops.cast(self.value(x), "float32")

    def _move(self, c, kept, added):
        return kept * c + added


@keras.saving.register_keras_serializable("s2s_zoo")
class SSRUDecoder(TransformerDecoder):
    """A `TransformerDecoder` whose blocks have an `SSRU` in place of self-attention.

    A step costs the same at every position, and its state is one vector a block, (N, E) float32,
    instead of the keys and values of all positions. `heads`, `head_dim`, `scale_scores` and
    `bias` are those of the attention to the source.

    Raises:
        ValueError: as `TransformerDecoder`; at build time for relative positions.
    """

    mixer = SSRU

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        if self.options["relative_positions"] is not None:
            raise ValueError(
                "SSRUDecoder has no self-attention whose scores could be biased. Received: "
                f"relative_positions={self.options['relative_positions']}. Use positions instead."
            )
        super().build(target_shape, encoded_shape)

    def _past(self, ssru, batch, max_length):
        return ops.zeros((batch, self.embedding_dim), dtype="float32")

    def _mix_next(self, index, past):
        return lambda ssru, h, c: ssru.step(h, c)

    def _mix_all(self, length):
        return lambda ssru, h: ssru(h)
