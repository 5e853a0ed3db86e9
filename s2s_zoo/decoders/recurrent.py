"""The recurrent decoder: with attention after or before the cell, or with none."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.given import given_attention
from s2s_zoo.attention.history import (
    attend,
    attended,
    for_copies,
    initial_history,
    is_sequential,
    with_noise,
)
from s2s_zoo.decoders.cells import (
    bridge_layers,
    initial_cells,
    noise_between,
    run_stack,
    step_stack,
)
from s2s_zoo.decoders.checks import check_copying, check_options
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.decoders.pointer import Pointer, coverage_loss
from s2s_zoo.layers.config import LayerSpec, config_of
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.layers.recurrence import Cell, StepDense, recurrent_layer
from s2s_zoo.layers.sequences import unrolled_scan
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class RecurrentDecoder(DecoderLayer):
    """Predicts each target token from the ones before it and the encoded source.

    With `query="current"` the state of this step asks for the context (Luong et al. 2015,
    1508.04025, equations 5 and 6):

        h_t = RNN([E y_{t-1} (; h~_{t-1})], h_{t-1});  c_t = attend(h_t)
        h~_t = tanh(W [h_t ; c_t]);                    p(y_t) = softmax(W_o h~_t + b_o)

    where h~_{t-1} enters only with `input_feeding` (section 3.3). Without it, and with an attention
    that does not look back at its own weights (`s2s_zoo.attention.history`), training runs the RNN
    over the whole target at once and attends in one batched product. With `query="previous"` the
    last state asks and the context enters the cell (Bahdanau et al. 2015, 1409.0473, equations 4
    to 6):

        c_t = attend(h_{t-1});  h_t = RNN([E y_{t-1} ; c_t], h_{t-1})
        h~_t = tanh(W [h_t ; c_t ; E y_{t-1}])

    With `attention=None` only the initial state tells of the source (Sutskever et al. 2014,
    1409.3215); `summary_feeding` then gives the source summary to every step and to the
    readout (Cho et al. 2014, 1406.1078, section 2.2).

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        units: int, U, of each layer.
        attention: an attention layer, the name of one, its config
            (`{"name": "luong", "score": "dot"}`), or None.
        cell: "lstm", "gru" or "simple_rnn".
        layers: int, the height of the stack; the top layer asks the attention.
        query: "current" or "previous".
        input_feeding: bool, feed h~_{t-1} to the first layer.
        summary_feeding: bool, feed the summary of the source to every step.
        residual: bool, add the input of every layer but the first to its output.
        bridge: "dense" (every initial state is tanh(W s), s the source summary) or "zero".
        tie_embeddings: bool, use the embedding matrix as W_o (Press & Wolf 2017, 1608.05859);
            h~ then has width E instead of U.
        dropout: float, on embeddings and h~, and between layers one mask for all steps
            (Gal & Ghahramani 2016, 1512.05287).
        pointer: bool, copy words of the source (`Pointer`): log-probabilities (B, T, V + X) then
            stand in place of logits (B, T, V).
        extra_ids: int, X, of the pointer.
        coverage_loss: float, lambda, how much `coverage_loss` counts in training (See et al.
            2017, 1704.04368, equation 13).

    Raises:
        ValueError: for an unknown option, for `query="previous"`, input feeding, a pointer or a
            coverage loss without attention, and where nothing of the source would reach the
            decoder.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        attention: LayerSpec | None = "luong",
        cell: Cell = "lstm",
        layers: int = 1,
        query: Literal["current", "previous"] = "current",
        input_feeding: bool = False,
        summary_feeding: bool = False,
        residual: bool = False,
        bridge: Literal["dense", "zero"] = "dense",
        tie_embeddings: bool = False,
        dropout: float = 0.0,
        pointer: bool = False,
        extra_ids: int = 0,
        coverage_loss: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_options(attention, layers, query, input_feeding, summary_feeding, bridge)
        check_copying(attention, pointer, extra_ids, coverage_loss)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.units = units
        self.cell = cell
        self.layers = layers
        self.query = query
        self.input_feeding = input_feeding
        self.summary_feeding = summary_feeding
        self.residual = residual
        self.bridge = bridge
        self.tie_embeddings = tie_embeddings
        self.extra_ids = extra_ids
        self.coverage_loss = coverage_loss
        self.readout_dim = embedding_dim if tie_embeddings else units
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, name="embedding")
        self.attention = given_attention(ATTENTIONS, attention, type(self).__name__)
        self.stack = [recurrent_layer(cell, units, f"layer_{i}") for i in range(layers)]
        self.readout = self.readout_layer()
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.pointer = Pointer(vocabulary_size, extra_ids, name="pointer") if pointer else None
        self.logits_dtype = "float32" if pointer else None
        self.bridges = bridge_layers(bridge, cell, units, layers)
        self.output_projection = OutputMatrix(
            vocabulary_size, tie_embeddings, bias=False, name="output"
        )

    def readout_layer(self) -> keras.layers.Layer:
        """The layer from state and context to what the output matrix reads."""
        return StepDense(self.readout_dim, activation="tanh", use_bias=False, name="readout")

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        memory_dim = encoded_shapes(encoded_shape).memory[-1]
        state_dim = encoded_shapes(encoded_shape).state[-1]
        summary = state_dim if self.summary_feeding else 0
        context = memory_dim if self.attention is not None else 0
        previous = self.query == "previous"
        if not self.embedding.built:
            self.embedding.build()
        width = self.embedding_dim + summary
        width += (context if previous else 0) + (self.readout_dim if self.input_feeding else 0)
        for layer in self.stack:
            layer.build((None, None, width))
            width = self.units
        if self.attention is not None and not self.attention.built:
            self.attention.build((None, self.units), (None, None, memory_dim))
        readout = self.units + context + summary + (self.embedding_dim if previous else 0)
        self.readout.build((None, readout))
        if self.pointer is not None:
            self.pointer.build((None, self.units + context + self.embedding_dim))
        for bridge in filter(None, keras.tree.flatten(self.bridges)):
            bridge.build((None, state_dim))
        self.output_projection.build((None, self.readout_dim))
        self.output_bias = self.add_weight(
            shape=(self.vocabulary_size,), initializer="zeros", name="output_bias"
        )

    def init(self, encoded: Any, max_length: int | None = None) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, the longest target; not needed by this decoder.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), with attention "keys"
                (B, S, A) and "values" (B, S, D), with summary feeding "summary" (B, D'), with a
                pointer "pointer", what `Pointer.memory` gives.
            state: dict, what moves: "cells", a list for each layer of its states (B, U); with
                attention the entries of `initial_history`; with a sequential decoder "readout"
                (B, R), h~ of the last step; with a pointer "p_gen" (B,) float32 of the last step.

        Raises:
            ValueError: for a pointer into a source that is no text.
        """
        encoded = encoder_output(encoded)
        cells = initial_cells(self.bridges, encoded.state, self.units, self.compute_dtype)
        memory = attended(self.attention, encoded)
        state = {"cells": cells, **initial_history(self.attention, encoded.mask)}
        if self.summary_feeding:
            memory["summary"] = encoded.state
        if self.pointer is not None:
            memory["pointer"] = self.pointer.memory(getattr(encoded, "tokens", None))
            state["p_gen"] = ops.ones(ops.shape(encoded.state)[:1], dtype="float32")
        if self._sequential:
            shape = (ops.shape(encoded.state)[0], self.readout_dim)
            state["readout"] = ops.zeros(shape, dtype=self.compute_dtype)
        return memory, state

    def for_copies(self, memory: Nest, copies: int) -> Nest:
        """The memory for a state in which every row stands `copies` times, side by side."""
        return for_copies(self.attention, memory, copies, ("keys", "values"))

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state.

        `output` makes other logits of (N, R), in place of `logits`.
        """
        state, readout = self._advance(self.embedding(tokens), index, state, memory)
        if output is not None:
            return output(readout), state
        return self._output(self.logits(readout), state, memory), state

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        embedded = self.dropout(self.embedding(target), training=training)
        memory, state = self.init(encoded)
        noise = None
        if training:
            memory = with_noise(self.attention, memory, ops.shape(target)[1])
            noise = noise_between(self.stack, self.dropout, ops.shape(embedded)[0])
        if self._sequential:

            def step(state, x, index):
                return self._advance(x, index, state, memory, noise, training)[0]

            steps = unrolled_scan(step, state, embedded)
        else:
            steps = self._whole_sequence(embedded, state, memory, noise, training)
        if training:
            self.add_losses(steps, target)
        logits = logits_of(self, self.dropout(steps["readout"], training=training))
        return self._output(logits, steps, memory)

    def add_losses(self, steps: Nest, target: Tensor) -> None:
        """Adds to the loss what the states (B, T, ...) of a training pass ask for."""
        if self.coverage_loss:
            self.add_loss(self.coverage_loss * coverage_loss(steps["alignment"], target))

    def logits(self, readout: Tensor) -> Tensor:
        """Returns (..., V) of h~ (..., R)."""
        return self.output_projection.logits(readout, self.embedding, self.output_bias)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, R) of W_o and the biases (L,) of tokens (L,)."""
        return self.output_projection.rows(tokens, self.embedding, self.output_bias)

    def _output(self, logits, steps, memory):
        """The logits, or with a pointer log P (..., V + X)."""
        if self.pointer is None:
            return logits
        return self.pointer.log_probabilities(
            logits, steps["alignment"], steps["p_gen"], memory["pointer"]
        )

    @property
    def _sequential(self):
        """Whether a step needs the result of attention at the step before."""
        return self.input_feeding or self.query == "previous" or is_sequential(self.attention)

    def _advance(self, x, index, state, memory, noise=None, training=False):
        """One step from an embedded token (N, E): the next state, and h~ (N, R)."""
        embedded, context = x, None
        extra = [memory["summary"]] if self.summary_feeding else []
        if self.query == "previous":
            top = state["cells"][-1][0]
            context, state = attend(self.attention, top, memory, state, index, training)
            x = ops.concatenate([x, context, *extra], axis=-1)
        if self.input_feeding:
            x = ops.concatenate([x, state["readout"]], axis=-1)
        if extra and self.query == "current":
            x = ops.concatenate([x, *extra], axis=-1)
        x, cells = step_stack(self.stack, x, state["cells"], self.residual, noise)
        state = {**state, "cells": cells}
        if context is None and self.attention is not None:
            context, state = attend(self.attention, x, memory, state, index, training)
        if self.pointer is not None:
            state["p_gen"] = self.pointer.generation(x, context, embedded)
        readout = self._read(x, context, embedded, extra)
        if self._sequential:
            state["readout"] = readout
        return state, readout

    def _whole_sequence(self, x, state, memory, noise, training):
        """The same steps for all positions at once, of x (B, T, E): what `call` needs of them."""
        embedded, context, extra, steps = x, None, [], {}
        if self.summary_feeding:
            summary = ops.expand_dims(memory["summary"], 1)
            extra = [ops.broadcast_to(summary, (*ops.shape(x)[:2], summary.shape[-1]))]
            x = ops.concatenate([x, *extra], axis=-1)
        x = run_stack(self.stack, x, state["cells"], self.residual, noise, training)
        if self.attention is not None:
            index = ops.arange(ops.shape(x)[1], dtype="int32")
            context, steps = attend(self.attention, x, memory, state, index, training)
        if self.pointer is not None:
            steps["p_gen"] = self.pointer.generation(x, context, embedded)
        return {**steps, "readout": self._read(x, context, embedded, extra)}

    def _read(self, x, context, embedded, extra):
        """h~ (N, [T,] R) of the top cell (N, [T,] U), context, token and summary of the source."""
        parts = [x] if context is None else [x, context]
        if self.query == "previous":
            parts.append(embedded)
        return self.readout(ops.concatenate([*parts, *extra], axis=-1))

    def in_config(self) -> Config:
        return {
            "attention": config_of(ATTENTIONS, self.attention),
            "dropout": self.dropout.rate,
            "pointer": self.pointer is not None,
        }
