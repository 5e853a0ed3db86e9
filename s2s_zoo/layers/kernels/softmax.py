"""Faster TensorFlow softmaxes on the CPU, each equal to its `keras.ops` twin; see `lstm`.

XLA writes a loop over neighbours that waits for each addition, so rows are folded first: eight
parts of a row are added to each other, many at a time, and what is left is an eighth. Callers are
`losses` and the pointer; nobody else knows.
"""

import functools
from typing import Any

from s2s_zoo.layers.kernels.compiled import compiled
from s2s_zoo.protocol.types import Tensor

PARTS = 8


def _over_rows(reduce, combine, function, z):
    """`reduce`, over the columns of `function` of z (N, V) in float32, (N, 1)."""
    import tensorflow as tf

    def value(part):  # a cast of the whole of z would be kept
        return function(tf.cast(part, tf.float32))

    rest = z.shape[-1] % PARTS
    parts = tf.split(z[:, rest:], PARTS, axis=-1) if z.shape[-1] > rest else []
    folded = functools.reduce(combine, map(value, parts)) if parts else value(z)
    found = reduce(folded, axis=-1, keepdims=True)
    if parts and rest:
        found = combine(found, reduce(value(z[:, :rest]), axis=-1, keepdims=True))
    return found


def _total(z, function=lambda part: part):
    """Sums of `function` over the columns of z (N, V), (N, 1)."""
    import tensorflow as tf

    return _over_rows(tf.reduce_sum, tf.add, function, z)


def _log_normaliser(z):
    """log sum_v exp(z_v) of z (N, V), (N, 1)."""
    import tensorflow as tf

    top = _over_rows(tf.reduce_max, tf.maximum, lambda part: part, z)
    return top + tf.math.log(_total(z, lambda part: tf.exp(part - top)))


def rounded(x: Tensor, dtype: Any) -> Tensor:
    """`tf.cast` of float32, but for bfloat16 one that XLA turns into code for many at a time."""
    import tensorflow as tf

    if dtype != tf.bfloat16:
        return tf.cast(x, dtype)
    half = tf.constant(16, tf.uint32)
    bits = tf.bitcast(x, tf.uint32)
    odd = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, half), tf.constant(1, tf.uint32))
    bits = tf.bitwise.right_shift(bits + 0x7FFF + odd, half)  # to the nearest, of two to the even
    return tf.bitcast(tf.cast(bits, tf.uint16), tf.bfloat16)


@functools.cache
def _cross_entropy_kernels():
    import tensorflow as tf

    def gold_of(logits, labels):
        return tf.cast(tf.gather(logits, labels[:, tf.newaxis], batch_dims=1), tf.float32)

    @compiled
    def forward(logits, labels, smoothing):
        norm = _log_normaliser(logits)
        mean = _total(logits) / tf.cast(tf.shape(logits)[-1], tf.float32)
        loss = norm - (1 - smoothing) * gold_of(logits, labels) - smoothing * mean
        return loss[:, 0], norm

    @compiled
    def backward(logits, labels, norm, upstream, smoothing):
        upstream = upstream[:, tf.newaxis]
        uniform = smoothing / tf.cast(tf.shape(logits)[-1], tf.float32)
        grad = upstream * (tf.exp(tf.cast(logits, tf.float32) - norm) - uniform)
        gold = upstream * (tf.exp(gold_of(logits, labels) - norm) - (1 - smoothing + uniform))
        cells = tf.stack([tf.range(tf.size(labels)), labels], axis=-1)
        grad, gold = rounded(grad, logits.dtype), rounded(gold, logits.dtype)
        return tf.tensor_scatter_nd_update(grad, cells, gold[:, 0])

    return forward, backward


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Label-smoothed cross-entropy: logits (B, T, V) and int32 labels (B, T) to float32 (B, T)."""
    import tensorflow as tf

    forward, backward = _cross_entropy_kernels()

    @tf.custom_gradient
    def run(logits):
        flat, ids = tf.reshape(logits, (-1, logits.shape[-1])), tf.reshape(labels, (-1,))
        loss, norm = forward(flat, ids, smoothing)

        def grad(upstream):
            upstream = tf.cast(tf.reshape(upstream, (-1,)), tf.float32)
            return tf.reshape(backward(flat, ids, norm, upstream, smoothing), tf.shape(logits))

        return tf.reshape(loss, tf.shape(labels)), grad

    return run(logits)


@functools.cache
def _log_softmax_kernels():
    import tensorflow as tf

    @compiled
    def forward(logits, least):
        norm = _log_normaliser(logits)
        return tf.maximum(tf.cast(logits, tf.float32) - norm, least), norm

    @compiled
    def backward(logits, norm, upstream, least):
        z = tf.cast(logits, tf.float32) - norm
        upstream = tf.where(z > least, upstream, 0.0)
        return rounded(upstream - tf.exp(z) * _total(upstream), logits.dtype)

    return forward, backward


def log_softmax(logits: Tensor, least: float) -> Tensor:
    """Log-softmax of logits (..., V) of any dtype, in float32 and at least `least`."""
    import tensorflow as tf

    forward, backward = _log_softmax_kernels()

    @tf.custom_gradient
    def run(logits):
        flat = tf.reshape(logits, (-1, logits.shape[-1]))
        log_probabilities, norm = forward(flat, least)

        def grad(upstream):
            found = backward(flat, norm, tf.reshape(upstream, tf.shape(flat)), least)
            return tf.reshape(found, tf.shape(logits))

        return tf.reshape(log_probabilities, tf.shape(logits)), grad

    return run(logits)
