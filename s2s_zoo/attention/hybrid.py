"""Global and local attention, mixed by a gate."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.attention.local import LocalAttention
from s2s_zoo.attention.scorers import config_of_scorer, scorer_of
from s2s_zoo.layers.config import LayerSpec, build_from, config_of
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor

LOCALS = {"local": LocalAttention}


@keras.saving.register_keras_serializable("s2s_zoo")
class HybridAttention(AttentionLayer):
    """Looks at the whole source and at a window of it, and weighs the two at every step.

        g_t = sigmoid(w^T [q_t ; c^G_t ; c^L_t] + b)
        c_t = g_t c^G_t + (1 - g_t) c^L_t
        a_t = g_t a^G_t + (1 - g_t) a^L_t

    with c^G, a^G of a global attention and c^L, a^L of a local one, each with weights of its own.
    No paper defines a hybrid of Luong's two attentions: this definition is ours. (Chorowski et al.
    2015 call content and location together hybrid: that is `LocationSensitiveAttention`.)

    Args:
        whole: the global attention: "luong", "bahdanau", "location", or its config.
        local: the local one: "local", or its config ({"name": "local", "window": 5}).

    Call arguments:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position is real; rows are padded on the right.
        keys: what `project` made of `value`, or None.
        history: the target position, as in `LocalAttention`.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.

    Raises:
        ValueError: for an unknown name or option.
    """

    def __init__(
        self, whole: LayerSpec = "luong", local: LayerSpec = "local", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.whole = scorer_of(whole, "HybridAttention")
        self.local = build_from(LOCALS, local, "local attention", name="local")
        if not isinstance(self.local, LocalAttention):
            raise ValueError(
                "HybridAttention expected a LocalAttention as local. Received: "
                f"{type(self.local).__name__}. Give that as whole, or by itself to the decoder."
            )
        self.gate = keras.layers.Dense(1, activation="sigmoid", name="gate")
        self.history = self.local.history

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        super().build(query_shape, value_shape)
        self.whole.build(query_shape, value_shape)
        self.local.build(query_shape, value_shape)
        self.gate.build((None, query_shape[-1] + 2 * value_shape[-1]))

    def keys_shapes(self, value_shape: Shape) -> list[Shape]:
        return self.whole.keys_shapes(value_shape) + self.local.keys_shapes(value_shape)

    def project(self, memory: Tensor) -> Nest:
        """Returns the keys of both attentions to a memory (B, S, D), needed once per source."""
        return self.whole.project(memory), self.local.project(memory)

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
        whole, local = keys
        far, far_weights = self.whole(query, value, mask=mask, keys=whole)
        near, near_weights = self.local(query, value, mask=mask, keys=local, history=history)
        gate = self.gate(ops.concatenate([query, far, near], axis=-1))
        context = gate * far + (1 - gate) * near
        gate = ops.cast(gate, "float32")
        return context, gate * far_weights + (1 - gate) * near_weights

    def in_config(self) -> Config:
        return {"whole": config_of_scorer(self.whole), "local": config_of(LOCALS, self.local)}
