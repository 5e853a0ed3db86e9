"""Faster TensorFlow scores on the CPU, equal to their `keras.ops` twin; see `lstm`."""

import functools

from s2s_zoo.layers.kernels import loop
from s2s_zoo.layers.kernels.compiled import compiled
from s2s_zoo.layers.kernels.softmax import PARTS, rounded
from s2s_zoo.protocol.types import Tensor


@functools.cache
def _additive_kernels():
    import tensorflow as tf

    def floats(x):
        return tf.cast(x, tf.float32)

    @compiled
    def forward(query, keys, vector):
        """The scores, and the hidden layer (..., S, A), in the dtype of the keys."""
        hidden = tf.tanh(floats(query)[..., tf.newaxis, :] + floats(keys))
        hidden = rounded(hidden, keys.dtype)
        parts = 1 if hidden.shape[-1] % PARTS else PARTS
        folded = zip(tf.split(hidden, parts, -1), tf.split(vector, parts), strict=True)
        scores = tf.reduce_sum(sum(floats(h) * floats(v) for h, v in folded), axis=-1)
        return hidden, rounded(scores, keys.dtype)

    @compiled
    def backward(hidden, vector, upstream):
        """Gradients (..., A) of the query, and of the vector but for the sum over all rows.

        XLA would make of both sums one, of numbers that are far apart in memory.
        """
        h, upstream = floats(hidden), floats(upstream)[..., tf.newaxis]
        inside = upstream * floats(vector) * (1 - h * h)
        query = rounded(tf.reduce_sum(inside, axis=-2), hidden.dtype)
        return query, tf.reduce_sum(upstream * h, axis=-2)

    @compiled
    def keys(vector, *kept):
        """The gradient of the keys (..., S, A), of the hidden layer and the upstream of steps."""
        found = 0
        for hidden, upstream in zip(kept[::2], kept[1::2], strict=True):
            h = floats(hidden)
            found += floats(upstream)[..., tf.newaxis] * (1 - h * h)
        return rounded(found * floats(vector), vector.dtype)

    return forward, backward, keys


def _gradient_of_keys(kept):
    import tensorflow as tf

    (vector, *_), *_ = kept
    found = _additive_kernels()[2](vector, *(x for _, *pair in kept for x in pair))
    several = len(found.shape) == 4  # queries, all of which ask the same keys
    return tf.reduce_sum(found, axis=1, keepdims=True) if several else found


def additive_scores(query: Tensor, keys: Tensor, vector: Tensor) -> Tensor:
    """v . tanh(query + key): (N, A), (N, S, A), (A,) or (N, T, A), (N, 1, S, A), (A,) to (..., S).

    The query and the keys have one dtype.
    """
    import tensorflow as tf

    vector = tf.cast(vector, keys.dtype)
    forward, backward, _ = _additive_kernels()
    one = loop.shared(keys, lambda: keys, _gradient_of_keys)

    @tf.custom_gradient
    def run(query, vector, mark):
        hidden, scores = forward(query, one.frozen, vector)

        def grad(upstream):
            one.kept.append((vector, hidden, upstream))
            d_query, d_vector = backward(hidden, vector, upstream)
            d_vector = tf.reduce_sum(tf.reshape(d_vector, (-1, d_vector.shape[-1])), axis=0)
            return d_query, tf.cast(d_vector, vector.dtype), tf.zeros(())

        return scores, grad

    return run(query, vector, one.mark)
