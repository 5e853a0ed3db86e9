"""Greedy search."""

from typing import Any

from keras import ops

from s2s_zoo.generation.loop import decode
from s2s_zoo.generation.rules import Rules
from s2s_zoo.protocol import SearchResult
from s2s_zoo.protocol.types import Nest, Step, Tensor


def greedy_search(
    step: Step,
    state: Nest,
    memory: Nest,
    batch_size: int | Tensor,
    max_length: int,
    return_scores: bool = True,
    return_alignments: bool = False,
    **rules: Any,
) -> SearchResult:
    """Takes the most probable token at every step.

    Args:
        step: `step(tokens (B,) int32, index () int32, state, memory) -> (logits (B, V), state)`;
            the token at index 0 is START.
        state: nest of tensors, batch on axis 0.
        memory: nest of tensors, batch on axis 0, the same at every step.
        batch_size: int or scalar tensor, B.
        max_length: int, T, the most tokens of a text, END counted.
        return_scores: bool. Without scores no softmax is computed, which is faster.
        return_alignments: bool, return `state["alignment"]` (B, S) of the step that predicted
            each token.
        **rules: see `Rules`.

    Returns:
        SearchResult with K = 1. Scores are sums of log-probabilities, END included, not
        normalised by length.

    Raises:
        ValueError: for a rule outside its range, or alignments the decoder does not have.
    """
    return decode(
        step,
        state,
        memory,
        batch_size,
        max_length,
        Rules(max_length, **rules),
        best,
        return_scores,
        return_alignments,
    )


def best(scores: Tensor, index: Tensor) -> Tensor:
    """The most probable token (N,) of scores (N, V)."""
    return ops.cast(ops.top_k(scores, 1)[1][:, 0], "int32")
