"""Scores of a whole vocabulary: their largest, their normaliser, their cells."""

import numpy as np
from keras import ops

from s2s_zoo.protocol.types import Tensor

BLOCK = 50  # about the square root of a vocabulary over the candidates of a few beams


def log_softmax(logits: Tensor) -> Tensor:
    """Returns (..., V) float32, whatever the logits are."""
    return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)


def log_normaliser(logits: Tensor) -> Tensor:
    """Returns log sum_v exp(logits_v), (..., 1) float32, whatever the logits are."""
    logits = ops.cast(logits, "float32")  # first of all: the rest is slow in half precision
    highest = ops.max(logits, axis=-1, keepdims=True)
    return ops.log(ops.sum(ops.exp(logits - highest), axis=-1, keepdims=True)) + highest


def log_normaliser_by(logits: Tensor, largest: Tensor, token: Tensor) -> Tensor:
    """As `log_normaliser`, from the largest (N, 1) of the logits and its token (N, 1)."""
    probability = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    return largest - ops.log(ops.take(ops.reshape(probability, (-1,)), flat_cells(logits, token)))


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As `ops.top_k`, in less time where the vocabulary is large.

    The largest of each block of neighbours say in which blocks the largest of all are.

    Args:
        scores: (N, V).
        count: int, C <= V.

    Returns:
        (N, C) float32, largest first; (N, C) int32, where they stand in V.
    """
    scores, size = ops.cast(scores, "float32"), scores.shape[-1]
    blocks = -(-size // BLOCK)
    if blocks < 4 * count:
        best, places = ops.top_k(scores, count)
        return best, ops.cast(places, "int32")
    if size % BLOCK:
        scores = ops.pad(scores, ((0, 0), (0, blocks * BLOCK - size)), constant_values=-np.inf)
    scores = ops.reshape(scores, (-1, BLOCK))
    _, chosen = ops.top_k(ops.reshape(ops.max(scores, axis=-1), (-1, blocks)), count)
    chosen = ops.sort(ops.cast(chosen, "int32"), axis=-1)  # of equals the first is taken
    rows = ops.arange(ops.shape(chosen)[0], dtype="int32")[:, None]
    inside = ops.take(scores, chosen + rows * blocks, axis=0)
    best, places = ops.top_k(ops.reshape(inside, (-1, count * BLOCK)), count)
    places = ops.cast(places, "int32")
    block = ops.take_along_axis(chosen, places // BLOCK, axis=1)
    return best, ops.minimum(block * BLOCK + places % BLOCK, size - 1)


def flat_cells(scores: Tensor, tokens: Tensor) -> Tensor:
    """Where the scores (N, V) of tokens (N, ...) stand in the flattened scores."""
    rows, vocabulary_size = ops.shape(scores)[0], scores.shape[-1]
    starts = ops.arange(rows, dtype="int32") * vocabulary_size
    return ops.reshape(starts, (-1, *[1] * (len(tokens.shape) - 1))) + tokens
