"""Where the kernels are used, and what compiles their pointwise parts by XLA."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.layers.kernels import native


def kernels_available() -> bool:
    """Whether these kernels are to be used: TensorFlow without a GPU, unless plain is asked for."""
    return _on_cpu() and not native.plain.get()


@functools.cache
def _on_cpu():
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `function`, in graphs and for several rows one operation that XLA compiles."""
    import tensorflow as tf

    in_graphs = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args):
        as_written = tf.executing_eagerly() or args[0].shape[:1] == [1]
        return (function if as_written else in_graphs)(*args)

    return call


def by_signature(function: Any) -> Callable[[Any], Any]:
    """Returns a `tf.function` of one nest of tensors as what is called by its concrete functions.

    Each is traced once and knows its shapes statically. TensorFlow counts what a function is called
    with by its line of code, which all models of Keras share, and warns that texts of a few lengths
    are traced at every call; what is called so is not counted.
    """
    traces: dict[Any, Any] = {}

    def call(data):
        signature = tuple(
            (path, None if x is None else (tuple(x.shape), x.dtype))
            for path, x in keras.tree.flatten_with_path(data)
        )
        if signature not in traces:
            traces[signature] = function.get_concrete_function(data)
        return traces[signature](data)

    return call
