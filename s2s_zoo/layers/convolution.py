"""What the convolutional encoder and decoder share (Gehring et al. 2017, 1705.03122)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol.types import Shape, Tensor

# The sum of two vectors of unit variance has unit variance again (section 3.4).
HALF = 0.5**0.5


class GatedConvolution(keras.layers.Layer):
    """A convolution with a gated linear unit (Dauphin et al. 2017, 1612.08083).

        [a ; b] = W [x_{t-k+1} ; ... ; x_t] + b;   out = a * sigmoid(b)

    Args:
        units: int, U, the width of the output.
        kernel_size: int, k.
        padding: "same" (x and output have one length) or "valid" (the output is k - 1 shorter).
        dropout: float, the rate of the inputs, which the first weights make up for (section 3.5).
    """

    def __init__(
        self,
        units: int,
        kernel_size: int,
        padding: Literal["same", "valid"],
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv1D(
            2 * units,
            kernel_size,
            padding=padding,
            kernel_initializer=_normal(4 * (1 - dropout)),
            name="convolution",
        )

    def build(self, shape: Shape) -> None:
        self.convolution.build(shape)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        values, gates = ops.split(self.convolution(x), 2, axis=-1)
        return values * ops.sigmoid(gates)


def linear(units: int, name: str, dropout: float = 0.0) -> keras.layers.Dense:
    """A dense layer whose output has the variance of its input (section 3.5)."""
    return keras.layers.Dense(units, kernel_initializer=_normal(1 - dropout), name=name)


def _normal(scale):
    return initializer(
        keras.initializers.VarianceScaling(scale, "fan_in", distribution="untruncated_normal")
    )


def check_sizes(owner: str, layers: int, dropout: float) -> None:
    """Raises ValueError for a stack without layers or a rate outside [0, 1)."""
    if layers < 1:
        raise ValueError(f"{owner} expected at least one layer. Received: layers={layers}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"{owner} expected 0 <= dropout < 1. Received: dropout={dropout}.")
