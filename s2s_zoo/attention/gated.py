"""A gate on the context of any attention (Xu et al. 2015)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import history_of, initial_history, with_noise
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.attention.plain import PLAIN
from s2s_zoo.layers.config import LayerSpec, config_of
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class GatedAttention(AttentionLayer):
    """Lets the decoder say how much it wants to see of what it attends to.

        beta_t = sigmoid(f_beta(q_t));   c_t = beta_t attend(q_t)    (1502.03044, section 4.2.1)

    Args:
        attention: an attention layer, the name of one, or its config.

    Call arguments:
        as of the attention within.

    Returns:
        context (N, [T,] D), gated, and float32 weights (N, [T,] S), as they were.
    """

    def __init__(self, attention: LayerSpec = "luong", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = given_attention(_within(), attention, "GatedAttention", name="inner")
        self.gate = keras.layers.Dense(1, activation="sigmoid", name="gate")

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.attention.build(query_shape, value_shape)
        self.gate.build(query_shape)

    @property
    def history(self) -> str | None:
        """What the attention within needs of the steps before."""
        return history_of(self.attention)

    def initial_alignment(self, mask: Tensor) -> Tensor:
        """The weights before the first step, those of the attention within."""
        return initial_history(self.attention, mask)["alignment"]

    def draw_noise(self, mask: Tensor, length: Tensor) -> Tensor | None:
        """The (N, T, S) noise of the attention within, or None."""
        return with_noise(self.attention, {"mask": mask}, length).get("noise")

    def project(self, memory: Tensor) -> Nest:
        """Returns the keys of the attention within, needed once per source."""
        return self.attention.project(memory)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        history: Tensor | None = None,
        noise: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
        told = {"history": history, "noise": noise}
        told = {name: x for name, x in told.items() if x is not None}
        context, weights = self.attention(query, value, mask=mask, keys=keys, **told)
        return context * ops.cast(self.gate(query), context.dtype), weights

    def in_config(self) -> Config:
        return {"attention": config_of(_within(), self.attention)}


def _within():
    """What a gate may hold: any attention, also another gate."""
    return {**PLAIN, "gated": GatedAttention}
