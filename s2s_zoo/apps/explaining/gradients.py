"""Gradients on whatever backend there is."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from s2s_zoo.protocol.types import Tensor


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """d function(x) / dx as an array: `function` gives a scalar of x, an array taken as float32."""
    x = np.asarray(x, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x).numpy()
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    import torch

    x = keras.ops.convert_to_tensor(x).requires_grad_()
    return torch.autograd.grad(function(x), x)[0].cpu().numpy()
