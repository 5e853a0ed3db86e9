"""What an unrolled loop shares between its steps when it is trained on the CPU; see `lstm`.

The gradient of what every step reads, a matrix or the source, is a sum over the steps. Made step by
step it is written, read and added as often as there are steps; here each step only keeps what it
would have made it of, and after the first step's all of it is one product.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

from s2s_zoo.layers.kernels import lstm
from s2s_zoo.layers.kernels.compiled import compiled
from s2s_zoo.protocol.types import Tensor

_shared: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar(
    "shared", default=None
)


class Shared:
    """A tensor that steps read, and what its gradient will be made of.

    Args:
        value: tensor.
        total: function of the list of what steps have kept, that returns the gradient.

    Attributes:
        frozen: the value, to compute with.
        mark: a scalar that every step takes as an argument and has no gradient for: so it tells
            TensorFlow that the gradient of the value waits for those of all steps.
        kept: list, what the gradient of each step appends to.
    """

    def __init__(self, value: Tensor, total: Callable[[list[Any]], Tensor]) -> None:
        import tensorflow as tf

        self.frozen = tf.stop_gradient(value)
        self.kept: list[Any] = []

        @tf.custom_gradient
        def mark(value):
            def grad(_):
                if not _of_this_graph(self.kept):
                    return _refused(value)
                found = total(self.kept)
                self.kept.clear()
                return found

            return tf.zeros(()), grad

        self.mark = mark(value)


def _of_this_graph(kept):
    """Whether steps have kept something here: a SavedModel traces each gradient by itself."""
    import tensorflow as tf

    if not kept:
        return False
    graph = getattr(kept[0][-1], "graph", None) if not tf.executing_eagerly() else None
    return graph is None or graph is tf.compat.v1.get_default_graph()


def _refused(value):
    import tensorflow as tf

    message = "An exported model cannot be trained. Train the Keras model that it was made of."
    with tf.control_dependencies([tf.debugging.Assert(False, [message])]):
        return tf.zeros_like(value)


@contextlib.contextmanager
def loop() -> Iterator[None]:
    """Steps that are called inside share what they read."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def inside() -> bool:
    """Whether a loop is being unrolled."""
    return _shared.get() is not None


def shared(owner: Any, value: Callable[[], Tensor], total: Callable[[list[Any]], Tensor]) -> Shared:
    """Returns the `Shared` that the first step of this loop has made; outside a loop a new one.

    Args:
        owner: the object that it stands for, in what `total` is the gradient of.
        value: function that returns the tensor, called at the first step alone.
        total: as for `Shared`, the same function at every step.
    """
    of_loop = _shared.get()
    if of_loop is None:
        return Shared(value(), total)
    key = id(owner), total
    if key not in of_loop:
        of_loop[key] = owner, Shared(value(), total)  # with the owner, so that its id stays its own
    return of_loop[key][1]


def _gradient_of_matrix(kept):
    import tensorflow as tf

    rows, upstream = (tf.concat(values, axis=0) for values in zip(*kept, strict=True))
    return tf.matmul(rows, upstream, transpose_a=True)


def _gradient_of_values(kept):
    import tensorflow as tf

    weights, upstream = (tf.stack(values, axis=1) for values in zip(*kept, strict=True))
    return tf.matmul(weights, upstream, transpose_a=True)


def affine(layer: Any, x: list[Tensor], weights: Callable[[], list[Tensor]]) -> Tensor:
    """x W + b of a step.

    Args:
        layer: the layer whose weights they are.
        x: list of (N, E), side by side.
        weights: function that returns W in parts (E, V), one above the other, and b (V,) or None.

    Returns:
        (N, V).
    """
    import tensorflow as tf

    def matrix():
        *parts, bias = weights()
        parts += [] if bias is None else [bias[tf.newaxis]]
        return tf.concat(parts, axis=0)

    one = shared(layer, matrix, _gradient_of_matrix)

    @tf.custom_gradient
    def run(rows, mark):
        def grad(upstream):
            one.kept.append((rows, upstream))
            return tf.matmul(upstream, one.frozen, transpose_b=True), tf.zeros(())

        return tf.matmul(rows, one.frozen), grad

    width = sum(part.shape[-1] for part in x)
    bias = [tf.ones_like(x[0][:, :1])] if one.frozen.shape[0] > width else []
    return run(tf.concat([*x, *bias], axis=-1), one.mark)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Weights (N, S) over values (N, S, D), which all steps share: (N, D)."""
    import tensorflow as tf

    one = shared(values, lambda: values, _gradient_of_values)

    @tf.custom_gradient
    def run(weights, mark):
        def grad(upstream):
            one.kept.append((weights, upstream))
            return tf.matmul(one.frozen, upstream[:, :, tf.newaxis])[:, :, 0], tf.zeros(())

        return tf.matmul(weights[:, tf.newaxis], one.frozen)[:, 0], grad

    return run(weights, one.mark)


@functools.cache
def _lstm_gradient():
    import tensorflow as tf

    @compiled
    def backward(c, z, dh, dc):
        dz, dc = lstm.lstm_cell_gradient(c, z, *(tf.cast(x, tf.float32) for x in (dh, dc)))
        return tf.cast(dc, c.dtype), tf.cast(tf.concat(dz, axis=-1), z.dtype)

    return backward


def lstm_step(c: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """`lstm.lstm_step` with a gradient that keeps no more than its arguments."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(c, z):
        return lstm.lstm_step(c, z), lambda dh, dc: _lstm_gradient()(c, z, dh, dc)

    return run(c, z)
