"""The dtype policies that something is made or computed under."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras


class UnderPolicy(keras.layers.Layer):
    """Calls a function while weights are read in the dtype that the policy computes in."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def call(self, function: Callable[[], Any]) -> Any:
        return function()


@contextmanager
def dtype_policy(dtype: Any) -> Iterator[None]:
    """The Keras dtype policy of what is built in the block; None changes nothing."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if dtype is None else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def under_policy(dtype: Any, make: Callable[..., Any], *arguments: Any) -> Any:
    """What `make` makes of its arguments under a dtype policy."""
    with dtype_policy(dtype):
        return make(*arguments)
