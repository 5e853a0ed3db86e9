"""What an attention is told of the steps before it, and what a decoder keeps for that.

An attention says with its attribute `history` what it needs as an argument of that name:

    None         nothing; the attribute may be missing too
    "alignment"  (N, S) float32, its weights of the last step
    "coverage"   (N, S) float32, the sum of its weights over all earlier steps
    "index"      the 0-based target position, () in a step or (T,) for all positions at once

It may also have `initial_alignment(mask)`, the (N, S) weights before the first step; zeros where
it has not.
"""

from keras import ops


def history_of(attention):
    """What `attention` (or None) needs of the steps before: a name of the list above, or None."""
    return getattr(attention, "history", None)


def is_sequential(attention):
    """Whether a step of `attention` needs the result of the step before."""
    return history_of(attention) in ("alignment", "coverage")


def initial_history(attention, mask):
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


def attend(attention, query, memory, state, index, training=False):
    """Asks an attention, telling it what it needs to know of the past.

    Args:
        attention: layer.
        query: (N, U), or (N, T, U) if the attention is not sequential.
        memory: dict of "keys", "values" and "mask".
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
    context, weights = attention(
        query, memory["keys"], memory["values"], mask=memory["mask"], training=training, **told
    )
    state = {**state, "alignment": weights}
    if history == "coverage":
        state["coverage"] = state["coverage"] + weights
    return context, state
