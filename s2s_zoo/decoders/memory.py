"""A decoder with a memory it reads and writes (Wang et al. 2016)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention import BahdanauAttention
from s2s_zoo.decoders.stepwise import StepwiseDecoder
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.recurrence import recurrent_layer, step_layer
from s2s_zoo.layers.sequences import mean_of_real
from s2s_zoo.protocol.types import Nest, Shape


@keras.saving.register_keras_serializable("s2s_zoo")
class MemoryDecoder(StepwiseDecoder):
    """Keeps notes of its own beside its state, in N cells of a fixed size (1606.02003, section 3).

        M_0[k] = sigmoid(W_M mean_j h_j + n_k)
        r_t = sum_k w^R_t[k] M_{t-1}[k];  c_t = attend(s_{t-1})
        s_t = GRU([E y_{t-1} ; c_t ; r_t], s_{t-1})
        M_t[k] = M_{t-1}[k] (1 - w^W_t[k] sigmoid(W_e s_t)) + w^W_t[k] sigmoid(W_a s_t)
        h~_t = tanh(W_h [s_t ; c_t ; r_t ; E y_{t-1}])

    Cells are chosen by what is in them, and a gate keeps to the choice of the step before:

        w_t = g_t w_{t-1} + (1 - g_t) softmax_k(v^T tanh(W q_t + U M_{t-1}[k]))
        g_t = sigmoid(u^T q_t)

    with q_t = s_{t-1} to read and s_t to write; w_0 is the same for every cell. The paper asks with
    a state between the two; one GRU step and reading before it are ours.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U.
        attention: as of `StepwiseDecoder`.
        cells: int, N.
        cell_dim: int, the width of a cell; U where None.
        tie_embeddings: bool, as of `StepwiseDecoder`.
        dropout: float, on embeddings and h~.

    Raises:
        ValueError: without attention, or with fewer than one cell.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        attention: LayerSpec,
        cells: int = 8,
        cell_dim: int | None = None,
        tie_embeddings: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocabulary_size, embedding_dim, units, attention, tie_embeddings, dropout, **kwargs
        )
        if cells < 1:
            raise ValueError(f"MemoryDecoder expected cells >= 1. Received: cells={cells}.")
        self.cells = cells
        self.cell_dim = cell_dim or units
        self.layer = recurrent_layer("gru", units, "layer")
        self.reader, self.writer = (
            BahdanauAttention(units, name=name) for name in ("reader", "writer")
        )
        self.gates = {
            name: keras.layers.Dense(1, activation="sigmoid", use_bias=False, name=f"{name}_gate")
            for name in ("read", "write")
        }
        self.first_cells, self.erase, self.add = (
            keras.layers.Dense(self.cell_dim, activation=activation, use_bias=False, name=name)
            for name, activation in (("cells", None), ("erase", "sigmoid"), ("add", "sigmoid"))
        )

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        memory_dim = encoded_shapes(encoded_shape).memory[-1]
        seen = memory_dim + self.cell_dim + self.embedding_dim
        self.build_shared(memory_dim, self.units + seen)
        self.layer.build((None, None, seen))
        state, cells = (None, self.units), (None, self.cells, self.cell_dim)
        for address in (self.reader, self.writer):
            address.build(state, cells)
        for layer in (*self.gates.values(), self.erase, self.add):
            layer.build(state)
        self.first_cells.build((None, memory_dim))
        self.cell_bias = self.add_weight(
            shape=(self.cells, self.cell_dim), initializer="random_normal", name="cell_bias"
        )
        self.built = True

    def init(self, encoded: Any, max_length: int | None = None) -> tuple[Nest, Nest]:
        encoded = encoder_output(encoded)
        memory, state = super().init(encoded, max_length)
        summary = self.first_cells(mean_of_real(encoded.memory, encoded.mask))
        cells = ops.sigmoid(ops.expand_dims(summary, 1) + self.cell_bias)
        even = ops.full_like(cells[:, :, 0], 1 / self.cells)
        noted = ops.zeros_like(cells[:, 0])
        return memory, {**state, "cells": cells, "noted": noted, "read": even, "write": even}

    def _advance(self, x, index, state, memory, training=False):
        asked = state["cell"]
        read = self._choose("read", asked, state)
        noted = ops.einsum("nk,nkm->nm", read, state["cells"])
        state = self._attend(asked, memory, state, index, training)
        seen = ops.concatenate([x, state["context"], noted], axis=-1)
        cell, _ = step_layer(self.layer, seen, [asked])
        write = self._choose("write", cell, state)
        place = ops.expand_dims(write, -1)
        kept = state["cells"] * (1 - place * ops.expand_dims(self.erase(cell), 1))
        cells = kept + place * ops.expand_dims(self.add(cell), 1)
        moved = {"cell": cell, "cells": cells, "noted": noted, "read": read, "write": write}
        return {**state, **moved}

    def _choose(self, name, query, state):
        """The weights (N, K) of the cells, to read or to write, for a query (N, U)."""
        address = self.reader if name == "read" else self.writer
        scores = address.scores(query, address.project(state["cells"]))
        chosen = ops.softmax(ops.cast(scores, "float32"), axis=-1)
        gate = self.gates[name](query)
        return gate * state[name] + (1 - gate) * ops.cast(chosen, gate.dtype)

    def _read(self, state, embedded):
        parts = [state["cell"], state["context"], state["noted"], embedded]
        return self.readout(ops.concatenate(parts, axis=-1))
