"""Initial weights, which cost time and memory where a file is about to replace them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_replaced = ContextVar("replaced", default=False)


@contextmanager
def to_be_loaded() -> Iterator[None]:
    """Within it `initializer` gives unset memory: drawing 70 million numbers takes two seconds."""
    token = _replaced.set(True)
    try:
        yield
    finally:
        _replaced.reset(token)


def initializer(default: Any) -> Any:
    """Returns `default`, an initializer, or one that sets nothing within `to_be_loaded`."""
    if not _replaced.get():
        return default
    from s2s_zoo.layers.kernels import native  # which imports Keras

    return native.empty
