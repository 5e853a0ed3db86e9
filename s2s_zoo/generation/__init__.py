"""Search: pure functions of a step, and the models that compile them.

Importing the package loads no Keras: what needs it is imported when first asked for, so that the
command line can read the options of a search before it loads a model.
"""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s2s_zoo.generation.beam import beam_search
    from s2s_zoo.generation.generator import Generator
    from s2s_zoo.generation.greedy import greedy_search
    from s2s_zoo.generation.penalties import normalise
    from s2s_zoo.generation.sampling import sample
    from s2s_zoo.generation.scorer import Scorer
    from s2s_zoo.generation.strategies import STRATEGIES
    from s2s_zoo.generation.streamer import Streamer

_LAZY = {
    "STRATEGIES": "strategies",
    "Generator": "generator",
    "Scorer": "scorer",
    "Streamer": "streamer",
    "beam_search": "beam",
    "greedy_search": "greedy",
    "normalise": "penalties",
    "sample": "sampling",
}

__all__ = [
    "STRATEGIES",
    "Generator",
    "Scorer",
    "Streamer",
    "beam_search",
    "greedy_search",
    "normalise",
    "sample",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
