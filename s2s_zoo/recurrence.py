"""One recurrent layer over a sequence, and any step function over time."""

import keras
from keras import ops

from s2s_zoo import kernels
from s2s_zoo.registry import lookup

CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def recurrent_layer(cell, units, name, reverse=False):
    """A Keras recurrent layer that returns its sequence and its final states.

    Args:
        cell: "lstm", "gru" (the `reset_after` form, as in cuDNN and PyTorch) or "simple_rnn".
        units: int.
        name: str.
        reverse: bool, read from the last position to the first.
    """
    return lookup(CELLS, cell, "recurrent cell")(
        units, return_sequences=True, return_state=True, go_backwards=reverse, name=name
    )


def run_layer(layer, inputs, mask=None, initial_state=None, training=False):
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
    if training and isinstance(layer, keras.layers.LSTM) and inputs.shape[1] is not None:
        if kernels.available():
            return _run_lstm_kernel(layer, inputs, mask, initial_state)
    outputs, *states = layer(inputs, mask=mask, initial_state=initial_state)
    return ops.flip(outputs, axis=1) if layer.go_backwards else outputs, states


def _run_lstm_kernel(layer, inputs, mask, states):
    def cast(x):
        return ops.cast(x, layer.compute_dtype)

    cell = layer.cell
    if states is None:
        zeros = ops.zeros((ops.shape(inputs)[0], cell.units), dtype=layer.compute_dtype)
        states = [zeros, zeros]
    x = ops.matmul(ops.swapaxes(inputs, 0, 1), cast(cell.kernel)) + cast(cell.bias)
    if mask is not None:
        mask = ops.transpose(mask)
    outputs, *states = kernels.lstm(
        x, cast(cell.recurrent_kernel), *states, mask=mask, reverse=layer.go_backwards
    )
    return ops.swapaxes(outputs, 0, 1), states


def unrolled_scan(step, carry, inputs):
    """Runs `carry = step(carry, x)` over time and stacks the carries.

    TensorFlow's XLA has no gradient for `ops.scan`, so a static length is unrolled there.

    Args:
        step: function of a carry (any nest) and x (B, E), returning the next carry.
        carry: nest of tensors.
        inputs: (B, T, E).

    Returns:
        nest like `carry`, each tensor with a time axis: (B, T, ...).
    """
    length = inputs.shape[1]
    if keras.backend.backend() == "tensorflow" and length is not None:
        carries = []
        for time in range(length):
            carry = step(carry, inputs[:, time])
            carries.append(carry)
        return keras.tree.map_structure(lambda *steps: ops.stack(steps, axis=1), *carries)

    def emit(carry, x):
        carry = step(carry, x)
        return carry, carry

    _, stacked = ops.scan(emit, carry, ops.swapaxes(inputs, 0, 1))
    return keras.tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), stacked)
