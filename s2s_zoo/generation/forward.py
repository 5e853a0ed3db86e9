"""A model as one compiled function of the backend."""

import contextlib
import threading
from typing import Any, Literal

import keras

from s2s_zoo.layers.kernels.compiled import by_signature
from s2s_zoo.protocol.types import Nest

_ON_JAX = threading.Lock()


def compile_forward(
    model: Any, jit_compile: bool | Literal["auto"] = "auto", run_eagerly: bool = False
) -> None:
    """Makes `model.predict_on_batch` one compiled function of the backend."""
    if jit_compile == "auto":
        jit_compile = keras.backend.backend() == "jax"
    model.compile(
        optimizer=None, jit_compile=jit_compile and not run_eagerly, run_eagerly=run_eagerly
    )
    if keras.backend.backend() == "tensorflow" and not run_eagerly:
        model.predict_function = _traced(model)


def outputs_of(model: Any, inputs: Nest) -> Any:
    """What a compiled function gives for inputs, as arrays; for one thread after the other on JAX.

    Keras gives the weights to JAX while it runs, and takes them back afterwards.
    """
    with _ON_JAX if keras.backend.backend() == "jax" else contextlib.nullcontext():
        return model.predict_on_batch(inputs)


def _traced(model):
    """A predict function of TensorFlow that is traced as often as that of Keras, without a warning.

    Returns:
        A function of a list of one batch, or None, for Keras' own, under a distribution strategy.
    """
    import tensorflow as tf

    if tf.distribute.has_strategy():
        return None
    step = by_signature(
        tf.function(
            model.predict_step,
            autograph=False,
            reduce_retracing=True,
            jit_compile=model.jit_compile,
        )
    )

    def function(batches):
        [batch] = batches
        return step(keras.tree.map_structure(tf.convert_to_tensor, batch))

    return function
