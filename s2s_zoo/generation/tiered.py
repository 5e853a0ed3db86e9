"""A search of single rows that is compiled further where it is asked for often."""

import collections
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from s2s_zoo.protocol import SearchResult

OFTEN = 50  # calls of one shape after which compiling it is worth a processor's seconds
TURNS = 3


class TieredGenerator:
    """Runs a graph, and what XLA makes of it for the shapes that are asked for often.

    In a graph most of the time of a single row goes into starting operations; XLA starts hardly
    any, but takes seconds to compile. A thread does that while the graph goes on answering, and it
    keeps a shape where XLA cannot compile the search, is not faster or finds other tokens.
    A program that ends meanwhile ends when the thread has, some seconds later.

    Args:
        make: function of the options `jit_compile` and none to a `Generator`.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make, self._graph = make, make()
        self._xla: Any = None
        self._calls = collections.Counter[tuple[Any, ...]]()
        self._compiled: set[tuple[Any, ...]] = set()
        self._one_at_a_time = threading.Lock()

    def generate(self, **inputs: Any) -> SearchResult:
        """As `Generator.generate`."""
        shapes = tuple((name, np.shape(x)) for name, x in sorted(inputs.items()))
        if shapes in self._compiled:
            return self._xla.generate(**inputs)
        self._calls[shapes] += 1
        if self._calls[shapes] == OFTEN:
            threading.Thread(target=self._try, args=(shapes, inputs), name="s2s_zoo XLA").start()
        return self._graph.generate(**inputs)

    def _try(self, shapes, inputs):
        with self._one_at_a_time:
            try:
                self._xla = self._xla or self._make(jit_compile=True)
                compiled, seconds = self._timed(self._xla, inputs)
                expected, longer = self._timed(self._graph, inputs)
            except Exception:  # whatever XLA does not know: the graph serves as well
                logging.getLogger(__name__).info("XLA did not compile a search", exc_info=True)
                return
            if seconds < longer and np.array_equal(compiled.tokens, expected.tokens):
                self._compiled.add(shapes)

    @staticmethod
    def _timed(generator, inputs):
        """What a generator finds, once it is compiled, and the least seconds it takes."""
        result, seconds = generator.generate(**inputs), []
        for _ in range(TURNS):
            start = time.perf_counter()
            generator.generate(**inputs)
            seconds.append(time.perf_counter() - start)
        return result, min(seconds)
