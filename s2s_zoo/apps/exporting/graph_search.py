"""A search as exported graphs hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from s2s_zoo.generation import Generator
from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.protocol.types import Tensor

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.pipeline import Pipeline


class GraphSearch:
    """The search of a call of the pipeline, as a function that a graph can be made of.

    Args:
        pipeline: a `Pipeline`.
        search: its `Search`.

    Call arguments:
        source: (B, S) int32 ids, or (B, H, W, 3) pixels.
        lengths: (B,) int32, the real length of each source.

    Returns:
        dict of the fields of SearchResult that were computed.
    """

    def __init__(self, pipeline: Pipeline, search: Search) -> None:
        self.limit = search.max_length or pipeline.processor.max_target_length
        self.longest = None if search.max_length else TASKS[pipeline.task].longest_target
        self.prefix = search.prefix
        self.generator = Generator(
            pipeline.model, search.strategy, self.limit, **dict(search.options)
        )

    def __call__(self, source: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        inputs = {"source": source}
        if self.longest is not None:
            longest = tf.minimum(self.longest(lengths), self.limit)
            inputs["max_lengths"] = tf.broadcast_to(longest, tf.shape(lengths))
        if self.prefix is not None:
            inputs["forced_prefix"] = tf.tile(self.prefix[None], [tf.shape(lengths)[0], 1])
        return self.generator.call(inputs)

    @property
    def captured(self) -> list[Tensor]:
        """The weights. What a function captures is saved only if the module of it holds it."""
        return [variable.value for variable in self.generator.variables]
