"""Streamer: greedy search that gives every token when it is chosen."""

from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.forward import compile_forward, outputs_of
from s2s_zoo.generation.generator import call_inputs, keys_of, options_in
from s2s_zoo.generation.greedy import best
from s2s_zoo.generation.loop import advance, begin, result_of
from s2s_zoo.generation.narrowing import narrowed
from s2s_zoo.generation.options import check_search
from s2s_zoo.generation.rules import Rules
from s2s_zoo.layers.policy import UnderPolicy
from s2s_zoo.protocol import SearchResult
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Tensor


class Streamer(keras.Model):
    """Greedy search a step at a time: the step is compiled, and the loop is the caller's.

    Args:
        model: as `Generator` has it.
        max_length: int, T, the most tokens of a target, END counted.
        jit_compile, run_eagerly: as `Generator` has them.
        return_scores, return_alignments: bool.
        **rules: of `Rules`, the same for every row and call.

    Call arguments:
        inputs: dict of "source" to begin, or of "carry" and "memory" as the call before gave
            them, with "max_lengths" (B,) and "forced_prefix" (B, P) where wanted, for one token
            more. "ids", "allowed" and numbers as `Generator` has them.

    Returns:
        dict of "carry" and "memory", or of "carry" and "result", the fields of SearchResult.

    Raises:
        ValueError: for an unknown option; the message names the nearest.
    """

    def __init__(
        self,
        model: Any,
        max_length: int = 128,
        jit_compile: bool | Literal["auto"] = "auto",
        run_eagerly: bool = False,
        return_scores: bool = True,
        return_alignments: bool = False,
        **rules: Any,
    ) -> None:
        # The dtypes of a carry are its own; only the weights are cast, in `UnderPolicy`.
        super().__init__(name="streamer", dtype=model.dtype_policy, autocast=False)
        check_keys(rules, keys_of("greedy"), "greedy search")
        check_search("greedy", rules, max_length, model.decoder)
        self.model = model
        self.max_length = max_length
        self.recorded = (return_scores, return_alignments)
        self.rules = rules
        self.under_policy = UnderPolicy(dtype=model.dtype_policy)
        self.built = True
        compile_forward(self, jit_compile, run_eagerly)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        part = self._advance if "carry" in inputs else self._begin
        return self.under_policy(function=lambda: part(inputs))

    def stream(
        self,
        source: Tensor,
        max_lengths: Tensor | None = None,
        forced_prefix: Tensor | None = None,
        ids: Tensor | None = None,
        allowed: Tensor | None = None,
        **numbers: float,
    ) -> Iterator[SearchResult]:
        """Searches, and yields what there is after every step.

        Args:
            source: array, a batch of what the encoder reads.
            max_lengths: (B,) int or None, the limit of each row.
            forced_prefix: (B, P) int or None, padded with PAD.
            ids, allowed, **numbers: as `Generator.generate` has them.

        Yields:
            SearchResult of numpy arrays with K = 1 and T the number of steps so far. The last one
            is that of `greedy_search`, without the padding that all rows share.
        """
        inputs: dict[str, Any] = call_inputs(max_lengths, forced_prefix, ids, allowed, **numbers)
        inputs.update(outputs_of(self, {"source": source}))
        if self.rules.get("encoder_no_repeat_ngram_size"):
            inputs["source"] = source
        unfinished = True
        while unfinished:
            outputs = outputs_of(self, inputs)
            inputs["carry"] = outputs["carry"]
            index, _, unfinished, *_ = outputs["carry"]
            unfinished = bool(np.any(unfinished))
            result = SearchResult(*map(outputs["result"].get, SearchResult._fields))
            yield SearchResult(
                *(x if x is None or x.ndim == 2 else x[:, :, : int(index)] for x in result)
            )

    def _begin(self, inputs):
        encoded = self.model.encode(inputs["source"], training=False)
        memory, state = self.model.decoder.init(encoded, self.max_length)
        rows = ops.shape(encoded.memory)[0]
        return {"carry": begin(state, rows, self.max_length, *self.recorded), "memory": memory}

    def _advance(self, inputs):
        options = {**self.rules, **options_in(inputs), "source": inputs.get("source")}
        rules = Rules(self.max_length, **options)
        step, memory = self.model.decoder.step, inputs["memory"]
        if "ids" in inputs:
            step, memory = narrowed(self.model.decoder, memory, inputs["ids"], inputs["allowed"])
        carry = advance(step, memory, rules, best, *inputs["carry"])
        result = result_of(*carry[3:5])
        if "ids" in inputs:
            result = result._replace(tokens=ops.take(inputs["ids"], result.tokens))
        result = result._asdict()
        result = {name: value for name, value in result.items() if value is not None}
        return {"carry": carry, "result": result}
