"""A recurrent network that attends at every step, of any cell and any attention."""

from typing import Any, Literal, Self

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import attend, initial_history, is_sequential, with_noise
from s2s_zoo.decoders.checks import QUERIES, check_inputs
from s2s_zoo.layers.config import ConfiguredLayer, LayerSpec
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.recurrence import StepDense
from s2s_zoo.layers.sequences import carried_mask, unrolled_scan
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class AttentionRNN(ConfiguredLayer):
    """Runs a cell over a sequence and asks a memory at every step, as tfa's AttentionWrapper did.

        current:  h_t = cell([x_t (; h~_{t-1})], h_{t-1});  c_t = attend(h_t)
                  h~_t = tanh(W [h_t ; c_t])
        previous: c_t = attend(h_{t-1});  h_t = cell([x_t ; c_t (; h~_{t-1})], h_{t-1})
                  h~_t = tanh(W [h_t ; c_t ; x_t])

    with h~_{t-1} where `input_feeding` is on; h~_0 = 0. This is the core of `RecurrentDecoder`,
    which knows its cells and is faster in training.

    Args:
        cell: a Keras cell, such as `keras.layers.LSTMCell(256)`, or a list of cells: a stack, whose
            top asks.
        attention: an attention layer, the name of one, or its config.
        units: int, R, the width of h~; that of the top cell where None.
        query: "current" or "previous".
        input_feeding: bool, feed h~_{t-1} to the lowest cell.

    Call arguments:
        inputs: (B, T, E).
        memory: (B, S, D), or what an encoder gives.
        mask: (B, S) bool, True where a memory that was given alone is real; where None, the mask
            that Keras carries along with `memory`, if there is one.
        initial_state: the states of the cells, in the order and structure of their `state_size`;
            zeros where None.
        memory_mask: filled in by Keras.

    Returns:
        outputs (B, T, R), the h~, and float32 weights (B, T, S).

    Raises:
        ValueError: for what is no cell, an unknown option, or states of other widths than the
            cells have.
    """

    def __init__(
        self,
        cell: Any,
        attention: LayerSpec = "luong",
        units: int | None = None,
        query: Literal["current", "previous"] = "current",
        input_feeding: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        check_option("AttentionRNN", "query", query, QUERIES)
        self.cells = _cells_of(cell)
        self.attention = given_attention(ATTENTIONS, attention, type(self).__name__)
        if self.attention is None:
            raise ValueError(
                "AttentionRNN expected an attention. Received: attention=None. Use "
                "keras.layers.RNN(cell) for a network without one."
            )
        self.units = units
        self.query = query
        self.input_feeding = input_feeding
        self.hidden_dim = _width(self.cells[-1])
        self.output_dim = units or self.hidden_dim
        self.readout = StepDense(self.output_dim, activation="tanh", use_bias=False, name="readout")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(("inputs", "memory"), args, strict=False)) | kwargs
        if "inputs" not in given or "memory" not in given:
            raise ValueError(
                "AttentionRNN expected inputs (B, T, E) and a memory (B, S, D), or what an encoder "
                f"gives: rnn(inputs, memory). Received: {', '.join(given) or 'nothing'}. A list of "
                "both is not taken."
            )
        width = self.inputs_dim if self.built else None
        check_inputs(given["inputs"], given["memory"], given.get("initial_state"), width)
        return super().__call__(*args, **kwargs)

    def build(self, inputs_shape: Shape, memory_shape: Any) -> None:
        memory_shape = encoded_shapes(memory_shape).memory
        previous = self.query == "previous"
        self.inputs_dim = inputs_shape[-1]
        width = inputs_shape[-1] + (memory_shape[-1] if previous else 0)
        width += self.output_dim if self.input_feeding else 0
        self.widths = []
        for cell in self.cells:
            self.widths.append(width)
            if not cell.built:
                cell.build((None, width))
            width = _width(cell)
        if not self.attention.built:
            self.attention.build((None, self.hidden_dim), (None, None, memory_shape[-1]))
        read = self.hidden_dim + memory_shape[-1] + (inputs_shape[-1] if previous else 0)
        self.readout.build((None, read))

    def init(
        self, memory: Tensor, mask: Tensor | None = None, initial_state: Nest | None = None
    ) -> tuple[Nest, Nest]:
        """Prepares a loop of steps.

        Args:
            memory, mask, initial_state: as of a call.

        Returns:
            memory: dict, fixed: "mask" (B, S), "keys" and "values" (B, S, D).
            state: dict, what moves: "cells", a list for each cell of its states; "output" (B, R);
                the entries of `initial_history`, of which "alignment" (B, S) are the weights.
        """
        encoded = encoder_output(memory, mask)
        values, mask = encoded.memory, encoded.mask
        rows = ops.shape(values)[0]
        cells = [_zero_state(cell, rows) for cell in self.cells]
        if initial_state is not None:
            cells = _given_state(cells, initial_state)
        held = {"mask": mask, "keys": self.attention.project(values), "values": values}
        output = ops.zeros((rows, self.output_dim), dtype=self.compute_dtype)
        return held, {"cells": cells, "output": output, **initial_history(self.attention, mask)}

    def step(
        self, inputs: Tensor, index: Tensor, state: Nest, memory: Nest, training: bool = False
    ) -> tuple[Tensor, Nest]:
        """One step: inputs (N, E) at position `index` to h~ (N, R) and the next state."""
        x, context = inputs, None
        if self.query == "previous":
            top = keras.tree.flatten(state["cells"][-1])[0]
            context, state = attend(self.attention, top, memory, state, index, training)
            x = ops.concatenate([x, context], axis=-1)
        if self.input_feeding:
            x = ops.concatenate([x, state["output"]], axis=-1)
        x, state = self._move(x, state, training)
        if context is None:
            context, state = attend(self.attention, x, memory, state, index, training)
        output = self._read(x, context, inputs)
        return output, {**state, "output": output}

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        initial_state: Nest | None = None,
        memory_mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        held, state = self.init(memory, _mask(memory, mask, memory_mask), initial_state)
        length = ops.shape(inputs)[1]
        if training:
            held = with_noise(self.attention, held, length)
            self._draw_dropout(inputs, state)
        try:
            if self._sequential:

                def step(state, x, index):
                    return self.step(x, index, state, held, training)[1]

                states = unrolled_scan(step, state, inputs)
                return states["output"], states["alignment"]

            def move(carry, x, index):
                x, state = self._move(x, {"cells": carry[1]}, training)
                return x, state["cells"]

            dtype = self.cells[-1].compute_dtype
            first = ops.zeros((ops.shape(inputs)[0], self.hidden_dim), dtype=dtype)
            x, _ = unrolled_scan(move, (first, state["cells"]), inputs)
            index = ops.arange(length, dtype="int32")
            context, state = attend(self.attention, x, held, state, index, training)
            return self._read(x, context, inputs), state["alignment"]
        finally:
            for cell in filter(_drops, self.cells):
                cell.reset_dropout_mask()
                cell.reset_recurrent_dropout_mask()

    @property
    def _sequential(self):
        """Whether a step needs the answer of the step before."""
        return self.input_feeding or self.query == "previous" or is_sequential(self.attention)

    def _move(self, x, state, training):
        """What the top cell gives, and the state, after a step with the input of the lowest."""
        after = []
        for cell, states in zip(self.cells, state["cells"], strict=True):
            x, states = cell(x, states, training=training)
            after.append(states)
        return x, {**state, "cells": after}

    def _read(self, x, context, inputs):
        parts = [x, context, inputs] if self.query == "previous" else [x, context]
        return self.readout(ops.concatenate(parts, axis=-1))

    def _draw_dropout(self, inputs, state):
        """Random numbers are drawn before the loop: JAX has none within it."""
        rows = ops.shape(inputs)[0]
        for cell, width, states in zip(self.cells, self.widths, state["cells"], strict=True):
            if _drops(cell):
                cell.get_dropout_mask(ops.ones((rows, width), dtype=self.compute_dtype))
                cell.get_recurrent_dropout_mask(keras.tree.flatten(states)[0])

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> list[Any]:
        return [carried_mask(inputs), None]

    def compute_output_shape(self, inputs_shape: Shape, memory_shape: Any) -> tuple[Shape, Shape]:
        memory_shape = encoded_shapes(memory_shape).memory
        return (*inputs_shape[:2], self.output_dim), (*inputs_shape[:2], memory_shape[1])

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        initial_state: Nest | None = None,
        memory_mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        memory = encoder_output(memory, _mask(memory, mask, memory_mask)).memory
        outputs, weights = self.compute_output_shape(inputs.shape, memory.shape)
        return keras.KerasTensor(outputs, self.compute_dtype), keras.KerasTensor(weights, "float32")

    def in_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            "cell": [serialize(cell) for cell in self.cells],
            "attention": serialize(self.attention),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> Self:
        def made(config):
            return keras.saving.deserialize_keras_object(config, custom_objects)

        parts = {"cell": list(map(made, config["cell"])), "attention": made(config["attention"])}
        return super().from_config({**config, **parts})


def _cells_of(cell):
    """The cells of a cell, a list of cells or a `keras.layers.StackedRNNCells`, lowest first."""
    cells = list(cell) if isinstance(cell, list | tuple) else getattr(cell, "cells", [cell])
    for each in cells:
        if isinstance(each, keras.layers.RNN) or not hasattr(each, "state_size"):
            raise ValueError(
                "AttentionRNN expected a cell, which makes one step, or a list of cells: layers "
                "with state_size that are called with inputs and states. Received: "
                f"{type(each).__name__}, which {_fault(each)}. Give keras.layers.LSTMCell(256) or "
                "its kin, or the `cell` of a recurrent layer."
            )
    if not cells:
        raise ValueError("AttentionRNN expected at least one cell. Received: an empty list.")
    return list(cells)


def _fault(layer):
    runs = isinstance(layer, keras.layers.RNN)
    return "runs a cell over a whole sequence" if runs else "has no state_size"


def _width(cell):
    """The width of what a cell gives."""
    size = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size)[0] if size is None else size


def _zero_state(cell, rows):
    """The states of a cell before the first step."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=rows)
    sizes = keras.tree.flatten(cell.state_size)
    return [ops.zeros((rows, size), dtype=cell.compute_dtype) for size in sizes]


def _given_state(cells, given):
    """States in the structure of those of the cells."""
    found, expected = keras.tree.flatten(given), keras.tree.flatten(cells)
    if [x.shape[-1] for x in found] != [x.shape[-1] for x in expected]:
        raise ValueError(
            "AttentionRNN expected an initial_state of widths "
            f"{[x.shape[-1] for x in expected]}, the states of its cells from the lowest up. "
            f"Received: {[x.shape[-1] for x in found]}. Bring them there with keras.layers.Dense."
        )
    return keras.tree.pack_sequence_as(cells, found)


def _mask(memory, mask, carried):
    """The mask of a memory that is given alone: the output of an encoder has its own."""
    return carried if mask is None and not isinstance(memory, tuple | list) else mask


def _drops(cell):
    return hasattr(cell, "reset_dropout_mask")
