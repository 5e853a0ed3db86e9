"""A faster TensorFlow LSTM on the CPU, equal to its `keras.ops` twin.

A training step spends its time in matrix products, which the graph gives to oneDNN, and in
pointwise passes over memory, which it runs one operation at a time. Here the pointwise parts
are compiled by XLA into one pass each, with gradients of their own, and the weight gradient of
a recurrence is one product over all steps instead of a sum of one product a step. Called eagerly,
or for a single row, they run as they are written: compiling them, or only entering what is
compiled, costs more. `softmax` has what is wide as a vocabulary, `attention` scores, `loop` what
the steps of a loop share.
"""

import functools
import operator

from s2s_zoo.layers.kernels.compiled import compiled
from s2s_zoo.layers.kernels.products import affine_apart
from s2s_zoo.protocol.types import Tensor


def lstm_cell(c: Tensor, *gates: Tensor) -> tuple[Tensor, Tensor]:
    """c (B, U) and gates (B, 4U), what they are sums of apart, to h and c, (B, U), in float32."""
    import tensorflow as tf

    z = functools.reduce(operator.add, (tf.cast(part, tf.float32) for part in gates))
    i, f, g, o = tf.split(z, 4, axis=-1)
    c = tf.sigmoid(f) * tf.cast(c, tf.float32) + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def lstm_cell_gradient(c: Tensor, z: Tensor, dh: Tensor, dc: Tensor) -> tuple[list[Tensor], Tensor]:
    """Gradients of `lstm_cell`, in float32: of the four gates z is of, and of c, all (B, U)."""
    import tensorflow as tf

    i, f, g, o = tf.split(tf.cast(z, tf.float32), 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = tf.cast(c, tf.float32)
    t = tf.tanh(f * c + i * g)
    dc = dc + dh * o * (1 - t * t)
    dz = [
        dc * g * i * (1 - i),
        dc * c * f * (1 - f),
        dc * i * (1 - g * g),
        dh * t * o * (1 - o),
    ]
    return dz, dc * f


@functools.cache
def _lstm_kernels():
    import tensorflow as tf

    @compiled
    def forward(h, c, mask, *gates):
        """States (B, U) and the gates of `lstm_cell` to h, in its dtype, and c in float32."""
        new_h, new_c = lstm_cell(c, *gates)
        return tf.where(mask, tf.cast(new_h, h.dtype), h), tf.where(mask, new_c, c)

    @compiled
    def backward(z, c, dh, dh_next, dc_next, mask):
        """Gradients of one step: of z, of the c before, and of the h before where masked."""
        dh = tf.cast(dh, tf.float32) + tf.cast(dh_next, tf.float32)
        dz, dc_before = lstm_cell_gradient(c, z, dh, dc_next)
        dz = tf.where(mask, tf.concat(dz, axis=-1), 0.0)
        dh_before = tf.where(mask, 0.0, dh)
        return tf.cast(dz, z.dtype), tf.where(mask, dc_before, dc_next), tf.cast(dh_before, z.dtype)

    return forward, backward


@functools.cache
def _lstm_step_kernel():
    import tensorflow as tf

    @compiled
    def step(c, *gates):
        new_h, new_c = lstm_cell(c, *gates)
        return tf.cast(new_h, gates[0].dtype), tf.cast(new_c, c.dtype)

    return step


def lstm_step(c: Tensor, *gates: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM from its gates.

    Args:
        c: (B, U).
        gates: (B, 4U), or what they are sums of apart; the bias too may be one, (4U,).

    Returns:
        h and c, both (B, U), in the dtypes of the gates and of c.
    """
    return _lstm_step_kernel()(c, *gates)


def lstm_inference(
    x: Tensor,
    recurrent_kernel: Tensor,
    h: Tensor,
    c: Tensor,
    mask: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """`lstm` in one loop, for sequences of any length; its gradients are TensorFlow's own.

    Returns:
        outputs (T, B, U) in the order of x; the final h and c, both (B, U).
    """
    import tensorflow as tf

    forward, _ = _lstm_kernels()
    length, dtype = tf.shape(x)[0], c.dtype
    if mask is None:
        mask = tf.ones(tf.shape(x)[:2], tf.bool)
    mask = mask[:, :, tf.newaxis]

    def body(step, h, c, outputs):
        t = length - 1 - step if reverse else step
        h, c = forward(h, c, mask[t], *affine_apart(h, recurrent_kernel, x[t]))
        return step + 1, h, c, outputs.write(t, h)

    outputs = tf.TensorArray(h.dtype, length, element_shape=h.shape)
    _, h, c, outputs = tf.while_loop(
        lambda step, *_: step < length, body, (0, h, tf.cast(c, tf.float32), outputs)
    )
    return outputs.stack(), h, tf.cast(c, dtype)


def lstm(
    x: Tensor,
    recurrent_kernel: Tensor,
    h: Tensor,
    c: Tensor,
    mask: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM over a sequence of static length whose input product is already done.

    Args:
        x: (T, B, 4U), input times kernel plus bias; gates in Keras' order i, f, g, o.
        recurrent_kernel: (U, 4U).
        h, c: (B, U), the initial states.
        mask: (T, B) bool, or None.
        reverse: bool, run from the last step to the first.

    Returns:
        outputs (T, B, U) in the order of x; the final h and c, both (B, U).
    """
    import tensorflow as tf

    forward, backward = _lstm_kernels()
    length = x.shape[0]
    order = list(range(length))[:: -1 if reverse else 1]
    if mask is None:
        masks = [tf.ones_like(h[:, :1], dtype=tf.bool)] * length
    else:
        masks = tf.unstack(mask[:, :, tf.newaxis])

    @tf.custom_gradient
    def run(x, kernel, h, c):
        xs = tf.unstack(x)
        gates, hs, cs = [None] * length, [None] * length, [None] * length
        outputs = [None] * length
        c = tf.cast(c, tf.float32)
        for t in order:
            hs[t], cs[t] = h, c
            gates[t] = xs[t] + tf.matmul(h, kernel)
            h, c = forward(h, c, masks[t], gates[t])
            outputs[t] = h

        def grad(d_outputs, dh, dc):
            d_outputs = tf.unstack(d_outputs)
            dgates = [None] * length
            for t in reversed(order):
                dgates[t], dc, dh_before = backward(gates[t], cs[t], d_outputs[t], dh, dc, masks[t])
                dh = tf.matmul(dgates[t], kernel, transpose_b=True) + dh_before
            dx = tf.stack(dgates)
            flat = tf.reshape(dx, (-1, dx.shape[-1]))
            states = tf.concat(hs, axis=0)
            return dx, tf.matmul(states, flat, transpose_a=True), dh, tf.cast(dc, dtype)

        return (tf.stack(outputs), h, c), grad

    dtype = c.dtype
    outputs, h, c = run(x, recurrent_kernel, h, c)
    return outputs, h, tf.cast(c, dtype)
