"""From scores to weights to a context: the part every mechanism shares.

An alignment function is called with scores (N, S), (N, T, S) or (N, H, T, S) and a mask: (N, S)
bool, True where the position is real; or one that broadcasts to the scores and has their rank; or
None. It returns float32 weights of the shape of the scores, computed in float32. A masked position
has weight 0; a row without a real position has nothing else.
"""

from collections.abc import Callable
from typing import TypeAlias

from keras import ops

from s2s_zoo.layers.config import build_from
from s2s_zoo.layers.kernels import attention as kernels_attention
from s2s_zoo.layers.kernels import loop as kernels_loop
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.protocol.types import Config, Tensor

Alignment: TypeAlias = Callable[..., Tensor]


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """exp(z_s) / sum_j exp(z_j). See the module for arguments and result."""
    scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.softmax(scores)
    weights = ops.softmax(ops.where(_of_rank(mask, scores), scores, -1e9))
    return _without_masked(weights, mask)


def sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """The point of the simplex nearest to z (Martins & Astudillo 2016, 1602.02068, equation 2).

        p_s = max(z_s - tau, 0);  tau = max_k (z_(1) + ... + z_(k) - 1) / k

    with z_(1) the largest score. See the module for arguments and result.
    """
    z = _below_zero(ops.cast(scores, "float32"), mask)
    count, ordered = _ordered(z)
    tau = ops.max((ops.cumsum(ordered, axis=-1) - 1) / count, axis=-1, keepdims=True)
    support, size = _support(z, tau)
    tau = (ops.sum(z * support, axis=-1, keepdims=True) - 1) / size
    return _without_masked(ops.maximum(z - tau, 0.0) * support, mask)


def entmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """1.5-entmax, between softmax and sparsemax (Peters, Niculae & Martins 2019, 1905.05702).

        p_s = max(z_s / 2 - tau, 0)^2,  tau such that they sum to 1

    by the exact algorithm: over the k largest of y = z / 2 the sum is 1 at
    tau_k = mean_k - sqrt((1 - sum_{i<=k} (y_(i) - mean_k)^2) / k), and k is the last with
    tau_k <= y_(k). See the module for arguments and result.
    """
    y = _below_zero(ops.cast(scores, "float32") / 2, mask)
    count, ordered = _ordered(y)
    mean = ops.cumsum(ordered, axis=-1) / count
    spread = ops.cumsum(ops.square(ordered), axis=-1) - count * ops.square(mean)
    taus = mean - ops.sqrt(ops.maximum(1 - spread, 0.0) / count)
    # They rise up to the last k.
    tau = ops.max(ops.where(taus <= ordered, taus, -1.0), axis=-1, keepdims=True)
    # Once more, over a given support: here the square root has a gradient.
    support, size = _support(y, tau)
    mean = ops.sum(y * support, axis=-1, keepdims=True) / size
    spread = ops.sum(ops.square(y - mean) * support, axis=-1, keepdims=True)
    tau = mean - ops.sqrt(ops.maximum((1 - spread) / size, 1e-12))
    return _without_masked(ops.square(ops.maximum(y - tau, 0.0)) * support, mask)


def top_k(k: int) -> Alignment:
    """Makes an alignment function: the softmax over the k best scores of a row.

    Positions as good as the k-th are kept too, so ties keep more than k.

    Args:
        k: int, at least 1.

    Raises:
        ValueError: for a smaller k.
    """
    if k < 1:
        raise ValueError(f"The alignment top_k expected k of at least 1. Received: k={k}.")

    def align(scores, mask=None):
        scores = ops.cast(scores, "float32")
        mask = ops.ones_like(scores, dtype="bool") if mask is None else _of_rank(mask, scores)
        # Always k of them, however short the source.
        padding = [(0, 0)] * (len(scores.shape) - 1) + [(0, k)]
        padded = ops.pad(ops.where(mask, scores, -1e9), padding, constant_values=-1e9)
        last = ops.top_k(ops.stop_gradient(padded), k)[0][..., -1:]
        return masked_softmax(scores, ops.logical_and(mask, scores >= last))

    return align


# What makes the function of the options in its config.
ALIGNMENTS = {
    "softmax": lambda: masked_softmax,
    "sparsemax": lambda: sparsemax,
    "entmax": lambda: entmax,
    "top_k": top_k,
}


def alignment_function(alignment: str | Config) -> Alignment:
    """Makes an alignment function.

    Args:
        alignment: "softmax", "sparsemax", "entmax" or {"name": "top_k", "k": 5}.

    Raises:
        ValueError: for an unknown name or option (the nearest are named), or one out of range.
    """
    return build_from(ALIGNMENTS, alignment, "alignment")


def _of_rank(mask, scores):
    while len(mask.shape) < len(scores.shape):
        mask = ops.expand_dims(mask, 1)
    return mask


def _below_zero(z, mask):
    """z shifted so that the best of a row is 0 and cut at -1, from where weights are 0 anyway."""
    if mask is not None:
        z = ops.where(_of_rank(mask, z), z, -1e9)
    return ops.maximum(z - ops.stop_gradient(ops.max(z, axis=-1, keepdims=True)), -1.0)


def _ordered(z):
    """1 to S, and the scores of every row from the largest down; both without gradient."""
    count = ops.cast(ops.arange(1, ops.shape(z)[-1] + 1), "float32")
    return count, ops.flip(ops.sort(ops.stop_gradient(z), axis=-1), axis=-1)


def _support(z, tau):
    """1 where z is above tau, else 0; and how many are."""
    support = ops.cast(z > ops.stop_gradient(tau), "float32")
    return support, ops.sum(support, axis=-1, keepdims=True)


def _without_masked(weights, mask):
    if mask is None:
        return weights
    return weights * ops.cast(_of_rank(mask, weights), "float32")


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """The context: (N, S) or (N, T, S) weights over (N, S, D) values give (N, D) or (N, T, D)."""
    weights = ops.cast(weights, values.dtype)
    if len(weights.shape) == 3:
        return ops.matmul(weights, values)
    if kernels_available() and kernels_loop.inside():
        return kernels_loop.weighted_sum(weights, values)
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), values), 1)


def dot_scores(query: Tensor, keys: Tensor) -> Tensor:
    """Inner products: (N, A) or (N, T, A) queries with (N, S, A) keys give (N, S) or (N, T, S)."""
    if len(query.shape) == 3:
        return times_transposed(query, keys)
    return ops.squeeze(ops.matmul(keys, ops.expand_dims(query, -1)), -1)


def additive_scores(query: Tensor, keys: Tensor, vector: Tensor) -> Tensor:
    """v . tanh(query + key): queries (N, [T,] A), keys (N, S, A), vector (A,) give (N, [T,] S)."""
    if len(query.shape) == 3:
        keys = ops.expand_dims(keys, 1)
    if kernels_available() and query.shape[0] != 1:
        return kernels_attention.additive_scores(query, keys, vector)
    hidden = ops.tanh(ops.expand_dims(query, -2) + keys)
    return ops.squeeze(ops.matmul(hidden, ops.expand_dims(vector, -1)), -1)
