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

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.sequences import repeat_rows, unrolled_scan
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


def for_copies(
    attention: keras.layers.Layer | None, memory: Nest, copies: int, of_source: tuple[str, ...]
) -> Nest:
    """A memory for a state in which each row stands `copies` times, side by side: for beams.

    What an attention reads of a source is not repeated, unless it needs something of the steps
    before: `ask` asks for all copies of a row at once.

    Args:
        attention: layer, or None.
        memory: dict with "mask" (B, S).
        copies: int.
        of_source: names of the entries that `attention` reads, beside the mask.

    Returns:
        dict of (B * copies, ...); where copies share them, the entries `of_source` (B, ...) and
        the mask (B, 1, S).
    """
    shared: dict[str, Any] = {}
    if attention is not None and history_of(attention) is None:
        shared = {name: memory[name] for name in of_source}
        shared["mask"] = ops.expand_dims(memory["mask"], 1)
    others = {name: x for name, x in memory.items() if name not in shared}
    return shared | repeat_rows(others, copies)


def ask(
    attention: keras.layers.Layer,
    query: Tensor,
    value: Tensor | None,
    mask: Tensor,
    keys: Nest,
    **told: Any,
) -> tuple[Tensor, Tensor]:
    """Calls an attention; a mask (B, 1, S) says that neighbouring queries share a memory.

    Args:
        attention, query, value, keys: as of a call, the query (N, [T,] U).
        mask: (N, S) bool, or (B, 1, S), then value and keys have B rows, N a multiple of B.
        **told: further arguments.

    Returns:
        context (N, [T,] D) and weights (N, [T,] S).
    """
    if len(mask.shape) != 3:
        return attention(query, value, mask=mask, keys=keys, **told)
    together = ops.reshape(query, (ops.shape(mask)[0], -1, query.shape[-1]))
    found = attention(together, value, mask=ops.squeeze(mask, 1), keys=keys, **told)
    times = ops.shape(query)[1:-1]
    context, weights = (ops.reshape(x, (-1, *times, ops.shape(x)[-1])) for x in found)
    return context, weights


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
        memory: dict of "keys", "values" and "mask", perhaps `for_copies`; in training perhaps
            "noise".
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
    of_source = memory["values"], memory["mask"], memory["keys"]
    context, weights = ask(attention, query, *of_source, training=training, **told)
    state = {**state, "alignment": weights}
    if history == "coverage":
        state["coverage"] = state["coverage"] + weights
    return context, state


def first_positions(query: Tensor) -> Tensor:
    """The target positions from 0 on: 0 of a query (N, U), 0 to T - 1 (T,) of (N, T, U)."""
    return ops.arange(ops.shape(query)[1], dtype="int32") if len(query.shape) == 3 else 0


def from_the_first(
    attention: keras.layers.Layer,
    query: Tensor,
    value: Tensor,
    mask: Tensor | None,
    keys: Nest,
    training: bool = False,
) -> tuple[Tensor, Tensor]:
    """Asks a sequential attention that was told nothing of the past: there is none yet.

    Args:
        attention: layer.
        query: (N, U), the first step, or (N, T, U), one step after another.
        value, mask, keys: the memory, as of its call; the mask or None.
        training: bool.

    Returns:
        context (N, [T,] D) and weights (N, [T,] S).
    """
    mask = ops.ones(ops.shape(value)[:2], dtype="bool") if mask is None else mask
    memory = {"mask": mask, "keys": keys, "values": value}
    state = initial_history(attention, mask)
    single = len(query.shape) == 2
    if training:
        memory = with_noise(attention, memory, 1 if single else ops.shape(query)[1])
    if single:
        context, state = attend(attention, query, memory, state, 0, training)
        return context, state["alignment"]

    def step(carry, query, index):
        context, state = attend(attention, query, memory, carry[1], index, training)
        return context, state

    contexts, states = unrolled_scan(step, (ops.zeros_like(value[:, 0]), state), query)
    return contexts, states["alignment"]
