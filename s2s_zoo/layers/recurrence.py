"""One recurrent layer over a sequence."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import keras
from keras import ops

from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.kernels import loop, lstm, products
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Shape, Tensor


class Orthogonal(keras.initializers.Orthogonal):
    """Keras' initializer of recurrent kernels, for half precision too.

    TensorFlow and torch have no QR decomposition in bfloat16 and float16.
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        return ops.cast(super().__call__(shape, "float32"), dtype or "float32")


Cell: TypeAlias = Literal["lstm", "gru", "simple_rnn"]
CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def recurrent_layer(cell: Cell, units: int, name: str, reverse: bool = False) -> keras.layers.Layer:
    """A Keras recurrent layer that returns its sequence and its final states.

    Args:
        cell: "lstm", "gru" (the `reset_after` form, as in cuDNN and PyTorch) or "simple_rnn".
        units: int.
        name: str.
        reverse: bool, read from the last position to the first.
    """
    layer = lookup(CELLS, cell, "recurrent cell")(
        units,
        kernel_initializer=initializer("glorot_uniform"),
        recurrent_initializer=initializer(Orthogonal()),
        return_sequences=True,
        return_state=True,
        go_backwards=reverse,
        name=name,
    )
    # Keras marks the context of an attention with the mask of the source; a step has no use of it.
    layer.cell.supports_masking = True
    return layer


@keras.saving.register_keras_serializable("s2s_zoo")
class StepDense(keras.layers.Dense):
    """A dense layer that may also be called at every step of a loop; see `kernels.loop`."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not (kernels_available() and loop.inside() and len(inputs.shape) == 2):
            return super().call(inputs, training=training)
        outputs = loop.affine(self, [inputs], self._cast_weights)
        return outputs if self.activation is None else self.activation(outputs)

    def _cast_weights(self):
        weights = self.kernel, self.bias
        return [None if x is None else ops.cast(x, self.compute_dtype) for x in weights]


def run_layer(
    layer: keras.layers.Layer,
    inputs: Tensor,
    mask: Tensor | None = None,
    initial_state: list[Tensor] | None = None,
    training: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Runs a layer made by `recurrent_layer` over (B, T, E).

    Args:
        layer: the layer.
        inputs: (B, T, E).
        mask: (B, T) bool, True where the position is real; rows are padded on the right.
        initial_state: list of (B, U), or None for zeros.
        training: bool; on a CPU with TensorFlow an LSTM is then trained by the kernel made for it.

    Returns:
        outputs (B, T, U), in the order of the inputs also for a reversed layer, and the list of
        final states, each (B, U).
    """
    if isinstance(layer, keras.layers.LSTM) and kernels_available():
        if not training:
            return _run_lstm_kernel(lstm.lstm_inference, layer, inputs, mask, initial_state)
        if inputs.shape[1] is not None:
            return _run_lstm_kernel(lstm.lstm, layer, inputs, mask, initial_state)
    if isinstance(layer, keras.layers.LSTM) and keras.backend.backend() == "jax":
        # cuDNN's takes float32 alone there, and says so too late for Keras to do without.
        layer.use_cudnn = "auto" if layer.compute_dtype == "float32" else False
    outputs, *states = layer(inputs, mask=mask, initial_state=initial_state)
    return ops.flip(outputs, axis=1) if layer.go_backwards else outputs, states


def step_layer(
    layer: keras.layers.Layer, inputs: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """One step of a layer made by `recurrent_layer`: (N, E) and states (N, U) to h and states."""
    if not (isinstance(layer, keras.layers.LSTM) and kernels_available()):
        return layer.cell(inputs, list(states))
    h, c = states
    if loop.inside():
        z = loop.affine(layer, [inputs, h], lambda: _lstm_weights(layer))
        states = loop.lstm_step(c, z)
    else:
        kernel, recurrent_kernel, bias = _lstm_weights(layer)
        gates = products.affine_apart(inputs, kernel, bias)
        states = lstm.lstm_step(c, *products.affine_apart(h, recurrent_kernel, *gates))
    return states[0], list(states)


def _lstm_weights(layer):
    """Kernel (E, 4U), recurrent kernel (U, 4U) and bias (4U,), in the dtype of the products."""
    weights = layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias
    return [ops.cast(weight, layer.compute_dtype) for weight in weights]


def _run_lstm_kernel(run, layer, inputs, mask, states):
    kernel, recurrent_kernel, bias = _lstm_weights(layer)
    if states is None:
        zeros = ops.zeros((ops.shape(inputs)[0], layer.units), dtype=layer.compute_dtype)
        states = [zeros, zeros]
    steps = ops.swapaxes(inputs, 0, 1)
    x = products.affine(ops.reshape(steps, (-1, steps.shape[-1])), kernel, bias)
    x = ops.reshape(x, (*ops.shape(steps)[:2], -1))
    if mask is not None:
        mask = ops.transpose(mask)
    outputs, *states = run(x, recurrent_kernel, *states, mask=mask, reverse=layer.go_backwards)
    return ops.swapaxes(outputs, 0, 1), states
