"""Initial weights, which cost time and memory where a file is about to replace them."""

from contextlib import contextmanager
from contextvars import ContextVar

_replaced = ContextVar("replaced", default=False)


@contextmanager
def to_be_loaded():
    """Within it `initializer` gives zeros: drawing 70 million numbers takes two seconds."""
    token = _replaced.set(True)
    try:
        yield
    finally:
        _replaced.reset(token)


def initializer(default):
    """Returns `default`, an initializer, or zeros within `to_be_loaded`."""
    return "zeros" if _replaced.get() else default
