"""What an attention is told of the steps before it, and what a decoder keeps for that.

An attention says with its attribute `history` what it needs as an argument of that name:

    None         nothing; the attribute may be missing too
    "alignment"  (N, S) float32, its weights of the last step
    "coverage"   (N, S) float32, the sum of its weights over all earlier steps
    "index"      the 0-based target position, () in a step or (T,) for all positions at once

It may also have `initial_alignment(mask)`, the (N, S) weights before the first step; zeros where
it has not. And it may have `draw_noise(mask, length)`, which gives the (N, T, S) noise of a call in
training, or None; of that it gets the (N, S) of each step as `noise`. Random numbers are drawn
before the loop over time, since JAX has none within it.
"""

import keras
from keras import ops

from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.types import Nest, Tensor


def history_of(attention: keras.layers.Layer | None) -> str | None:
    """What `attention` (or None) needs of the steps before: a name of the list above, or None."""
    return getattr(attention, "history", None)


def is_sequential(attention: keras.layers.Layer | None) -> bool:
    """Whether a step of `attention` needs the result of the step before."""
    return history_of(attention) in ("alignment", "coverage")


def initial_history(attention: keras.layers.Layer | None, mask: Tensor) -> Nest:
    """The part of a decoder's state that belongs to its attention.

    Args:
        attention: layer, or None.
        mask: (N, S) bool, True where the source is real.

    Returns:
        dict of (N, S) float32: "alignment", and "coverage" where the attention needs it; empty
        without attention.
    """
    if attention is None:
        return {}
    zeros = ops.zeros_like(mask, dtype="float32")
    first = getattr(attention, "initial_alignment", lambda mask: zeros)
    state = {"alignment": ops.cast(first(mask), "float32")}
    return {**state, "coverage": zeros} if history_of(attention) == "coverage" else state


def attended(attention: keras.layers.Layer | None, encoded: EncoderOutput) -> Nest:
    """The part of a decoder's memory that its attention reads.

    Args:
        attention: layer, or None.
        encoded: EncoderOutput.

    Returns:
        dict of "mask" (B, S); with attention also "keys", what its `project` makes of the memory,
        and "values" (B, S, D).
    """
    if attention is None:
        return {"mask": encoded.mask}
    keys = attention.project(encoded.memory)
    return {"mask": encoded.mask, "keys": keys, "values": encoded.memory}


def with_noise(attention: keras.layers.Layer | None, memory: Nest, length: Tensor) -> Nest:
    """A memory for training: with "noise" (N, T, S) in it, if the attention draws some.

    Args:
        attention: layer, or None.
        memory: dict with "mask" (N, S).
        length: int, T.
    """
    if attention is None or not hasattr(attention, "draw_noise"):
        return memory
    noise = attention.draw_noise(memory["mask"], length)
    return memory if noise is None else {**memory, "noise": noise}


def attend(
    attention: keras.layers.Layer,
    query: Tensor,
    memory: Nest,
    state: Nest,
    index: Tensor,
    training: bool = False,
) -> tuple[Tensor, Nest]:
    """Asks an attention, telling it what it needs to know of the past.

    Args:
        attention: layer.
        query: (N, U), or (N, T, U) if the attention is not sequential.
        memory: dict of "keys", "values" and "mask"; in training perhaps "noise".
        state: dict with the entries of `initial_history`.
        index: int, the position of the query, or (T,) those of all queries.
        training: bool.

    Returns:
        context (N, [T,] D), and the state after this step.
    """
    history = history_of(attention)
    told = {}
    if history is not None:
        told["history"] = index if history == "index" else state[history]
    if "noise" in memory:
        told["noise"] = ops.take(memory["noise"], index, axis=1)
    context, weights = attention(
        query, memory["keys"], memory["values"], mask=memory["mask"], training=training, **told
    )
    state = {**state, "alignment": weights}
    if history == "coverage":
        state["coverage"] = state["coverage"] + weights
    return context, state
