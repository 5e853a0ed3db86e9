"""The moving average of a model's weights, in their place for a while."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


@contextlib.contextmanager
def averaged_weights(model: Any) -> Iterator[None]:
    """The model with the moving average of its weights, where its optimizer keeps one.

    Use as `with averaged_weights(model): ...`; the trained weights are back afterwards.
    """
    optimizer: Any = getattr(model, "optimizer", None)
    inner: Any = getattr(optimizer, "inner_optimizer", optimizer)
    if not getattr(inner, "use_ema", False) or not inner.built:
        yield
        return
    variables = model.trainable_variables
    trained = _copies(variables)
    optimizer.finalize_variable_values(variables)
    # With JAX a variable and its average now are one array, which Keras gives away to predict.
    _assign(variables, _copies(variables))
    try:
        yield
    finally:
        _assign(variables, trained)


def _copies(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
