"""Search among a few tokens in place of the vocabulary."""

from typing import Any

import numpy as np
from keras import ops

from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.protocol.types import Step, Tensor


def narrowed(
    decoder: Any, memory: dict[str, Any], ids: Tensor, allowed: Tensor
) -> tuple[Step, dict[str, Any]]:
    """Narrows a decoder to some of its vocabulary, in which a token is its place in `ids`.

    Args:
        decoder: has `output_rows`, and a `step` that takes an `output`.
        memory: dict, what its `init` gave.
        ids: (L,) int32, the tokens; L is the same in every call of a compiled function.
        allowed: (B, L) bool, which of them each row may write.

    Returns:
        step: as that of the decoder, for places (N,) to logits (N, L) float32, -inf where not
            allowed.
        memory: dict, for that step.

    Raises:
        ValueError: if L is not known while the search is compiled.
    """
    if ids.shape[0] is None:
        raise ValueError(
            "A Generator expected shortlists of one length in all its calls. Received: another "
            "one. Make a Generator for each length."
        )
    ids = ops.cast(ids, "int32")
    rows, biases = decoder.output_rows(ids)
    memory = {**memory, "shortlist": ops.where(allowed, biases, -np.inf)}

    def step(places, index, state, memory):
        def output(x):
            return ops.cast(times_transposed(x, rows), "float32") + memory["shortlist"]

        return decoder.step(ops.take(ids, places), index, state, memory, output)

    return step, memory
