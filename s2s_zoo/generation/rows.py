"""The loop of a search over the rows of a batch, which end at different steps."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

import keras
from keras import ops

from s2s_zoo.protocol.types import Nest, Tensor

FEWEST = 4  # rows whose step costs what the step of one costs
_static = contextvars.ContextVar("static", default=False)


@contextlib.contextmanager
def static_shapes(needed: bool = True) -> Iterator[None]:
    """Within it loops keep the shapes they begin with, as XLA asks."""
    token = _static.set(needed or _static.get())
    try:
        yield
    finally:
        _static.reset(token)


def while_active(
    active: Callable[[Nest], Tensor],
    body: Callable[[Tensor, Nest, Nest], Nest],
    rows: Nest,
    fixed: Nest,
    results: Callable[[Nest], Nest],
    most: int | None = None,
) -> Nest:
    """Calls `body` until no row is active.

    A TensorFlow graph halves the batch as soon as half of it suffices, until there are `FEWEST`:
    long rows do not keep the finished ones at work. What a row finds is the same.

    Args:
        active: function of `rows` to (B,) bool.
        body: function of index () int32, from 0, `rows` and `fixed` to the next `rows`.
        rows: nest of tensors (B * M, ...), M any number for each: what belongs to a row of the
            batch lies side by side.
        fixed: nest of such tensors that stay as they are.
        results: function of `rows` to the nest of them that is asked for.
        most: int, calls after which it ends also with rows that are active; None is no limit.

    Returns:
        `results`, of each row as it was when the row stopped being active, or later.
    """
    batch = active(rows).shape[0]
    may_change = keras.backend.backend() == "tensorflow" and not _static.get()
    if may_change and (batch is None or batch > FEWEST):
        return _while_active_in_fewer_rows(active, body, rows, fixed, results, most)

    def goes_on(index, rows):
        going = ops.any(active(rows))
        return going if most is None else ops.logical_and(going, index < most)

    _, rows = ops.while_loop(
        goes_on,
        lambda index, rows: (index + 1, body(index, rows, fixed)),
        (ops.zeros((), dtype="int32"), rows),
    )
    return results(rows)


def _while_active_in_fewer_rows(active, body, rows, fixed, results, most):
    import tensorflow as tf

    def in_time(index, going):
        return going if most is None else tf.logical_and(going, index < most)

    def loop(condition, body, start):
        shapes = keras.tree.map_structure(
            lambda x: tf.TensorShape([None, *x.shape[1:]] if x.shape.rank else []), start
        )
        return tf.while_loop(condition, body, start, shape_invariants=shapes)

    def cells(x, chosen, count):
        """Where the rows of x (count * M, ...) are that belong to the chosen of `count`."""
        each = tf.shape(x)[0] // count
        return tf.reshape(chosen[:, None] * each + tf.range(each), [-1])

    def step_through(index, own, rows, fixed, outcome):
        count = tf.shape(own)[0]
        half = tf.where(count > FEWEST, count // 2, 0)
        index, rows = loop(
            lambda index, rows: in_time(
                index, tf.math.count_nonzero(active(rows), dtype=tf.int32) > half
            ),
            lambda index, rows: (index + 1, body(index, rows, fixed)),
            (index, rows),
        )
        outcome = keras.tree.map_structure(
            lambda whole, part: tf.tensor_scatter_nd_update(
                whole, cells(part, own, count)[:, None], part
            ),
            outcome,
            results(rows),
        )
        _, chosen = tf.math.top_k(tf.cast(active(rows), tf.int32), tf.maximum(half, 1))
        chosen = tf.sort(chosen)
        rows, fixed = keras.tree.map_structure(
            lambda x: tf.gather(x, cells(x, chosen, count)), (rows, fixed)
        )
        return index, tf.gather(own, chosen), rows, fixed, outcome

    own = tf.range(tf.shape(active(rows))[0])
    *_, outcome = loop(
        lambda index, own, rows, fixed, outcome: in_time(index, tf.reduce_any(active(rows))),
        step_through,
        (tf.zeros((), tf.int32), own, rows, fixed, results(rows)),
    )
    return outcome
