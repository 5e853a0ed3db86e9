"""The conditional GRU with attention (Nematus; Sennrich et al. 2017)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.decoders.stepwise import StepwiseDecoder
from s2s_zoo.layers.encoded import encoded_shapes
from s2s_zoo.layers.recurrence import recurrent_layer, step_layer
from s2s_zoo.protocol.types import Shape


@keras.saving.register_keras_serializable("s2s_zoo")
class ConditionalGRUDecoder(StepwiseDecoder):
    """Asks the source between the two halves of a step (1703.04357, section 2).

        s'_t = GRU_1(E y_{t-1}, s_{t-1});  c_t = attend(s'_t);  s_t = GRU_2(c_t, s'_t)
        h~_t = tanh(W_h [s_t ; c_t ; E y_{t-1}])

    The arguments are those of `StepwiseDecoder`; Nematus has the attention
    `{"name": "bahdanau", ...}`.
    """

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        memory_dim = encoded_shapes(encoded_shape).memory[-1]
        self.first, self.second = (
            recurrent_layer("gru", self.units, name) for name in ("first", "second")
        )
        self.build_shared(memory_dim, self.units + memory_dim + self.embedding_dim)
        self.first.build((None, None, self.embedding_dim))
        self.second.build((None, None, memory_dim))
        self.built = True

    def _advance(self, x, index, state, memory, training=False):
        proposal, _ = step_layer(self.first, x, [state["cell"]])
        state = self._attend(proposal, memory, state, index, training)
        cell, _ = step_layer(self.second, state["context"], [proposal])
        return {**state, "cell": cell}

    def _read(self, state, embedded):
        return self.readout(ops.concatenate([state["cell"], state["context"], embedded], axis=-1))
