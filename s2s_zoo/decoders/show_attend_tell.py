"""The decoder of Show, Attend and Tell (Xu et al. 2015)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.decoders.recurrent import RecurrentDecoder
from s2s_zoo.layers.config import ConfiguredLayer, LayerSpec
from s2s_zoo.layers.recurrence import Cell
from s2s_zoo.protocol import PAD
from s2s_zoo.protocol.types import Nest, Shape, Tensor

REDUCTIONS = ("sum", "mean")


@keras.saving.register_keras_serializable("s2s_zoo")
class ShowAttendTellDecoder(RecurrentDecoder):
    """Attends before the cell, and predicts from word, state and context (1502.03044).

        c_t = attend(h_{t-1});  h_t = RNN([E y_{t-1} ; c_t], h_{t-1})           (equations 1 to 6)
        p(y_t) = softmax(L_o tanh(E y_{t-1} + L_h h_t + L_z c_t) + b_o)         (equation 7)

    with the tanh that the authors' code has and the paper does not show. In training the weights
    of the attention are pulled towards looking everywhere once (equation 14): the layer adds

        lambda  mean_b  reduce_i (1 - sum_t alpha_bti)^2

    to the loss, t over the real positions of the target. `reduction="sum"` over the regions i is
    the paper's; "mean" is that of the authors' code, smaller by the number of regions.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E, also the width of the readout.
        units: int, U, of each layer.
        attention: an attention layer, the name of one, or its config; "gated" has the gate of
            section 4.2.1.
        cell: "lstm", "gru" or "simple_rnn".
        layers: int, the height of the stack; the top layer asks the attention.
        tie_embeddings: bool, use the embedding matrix as L_o.
        doubly_stochastic: float >= 0, lambda.
        reduction: "sum" or "mean", over the regions.
        dropout: float, on embeddings and readout, and between layers.

    Raises:
        ValueError: for an unknown reduction, a negative lambda, or no attention.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        attention: LayerSpec = "gated",
        cell: Cell = "lstm",
        layers: int = 1,
        tie_embeddings: bool = False,
        doubly_stochastic: float = 1.0,
        reduction: Literal["sum", "mean"] = "mean",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocabulary_size,
            embedding_dim,
            units,
            attention=attention,
            cell=cell,
            layers=layers,
            query="previous",
            tie_embeddings=tie_embeddings,
            dropout=dropout,
            **kwargs,
        )
        if reduction not in REDUCTIONS or doubly_stochastic < 0:
            raise ValueError(
                f"ShowAttendTellDecoder expected a reduction of {REDUCTIONS} and "
                f"doubly_stochastic >= 0. Received: reduction={reduction!r}, "
                f"doubly_stochastic={doubly_stochastic}."
            )
        self.doubly_stochastic = doubly_stochastic
        self.reduction = reduction
        self.readout_dim = embedding_dim

    def readout_layer(self) -> keras.layers.Layer:
        return DeepOutput(self.embedding_dim, name="readout")

    def add_losses(self, steps: Nest, target: Tensor) -> None:
        if self.doubly_stochastic:
            self.add_loss(self.penalty(steps["alignment"], target != PAD))

    def penalty(self, alignment: Tensor, real: Tensor) -> Tensor:
        """Equation 14 of weights (B, T, S), of which the positions `real` (B, T) count."""
        seen = ops.sum(alignment * ops.cast(ops.expand_dims(real, -1), alignment.dtype), axis=1)
        reduce = ops.sum if self.reduction == "sum" else ops.mean
        return self.doubly_stochastic * ops.mean(reduce(ops.square(1 - seen), axis=-1))


@keras.saving.register_keras_serializable("s2s_zoo")
class DeepOutput(ConfiguredLayer):
    """tanh(E y + L_h h + L_z c) of [h ; c ; E y] (N, U + D + E): equation 7 before L_o.

    Args:
        embedding_dim: int, E.
    """

    def __init__(self, embedding_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.projection = keras.layers.Dense(embedding_dim, use_bias=False, name="projection")

    def build(self, input_shape: Shape) -> None:
        self.projection.build((*input_shape[:-1], input_shape[-1] - self.embedding_dim))

    def call(self, inputs: Tensor) -> Tensor:
        hidden, embedded = inputs[..., : -self.embedding_dim], inputs[..., -self.embedding_dim :]
        return ops.tanh(self.projection(hidden) + embedded)
