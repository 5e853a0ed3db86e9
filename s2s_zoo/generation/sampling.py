"""Sampling."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.loop import decode
from s2s_zoo.generation.options import check_values
from s2s_zoo.generation.rows import static_shapes
from s2s_zoo.generation.rules import Rules
from s2s_zoo.generation.scores import log_softmax
from s2s_zoo.generation.truncation import truncated
from s2s_zoo.layers.sequences import repeat_rows
from s2s_zoo.protocol import SearchResult
from s2s_zoo.protocol.types import Nest, Step, Tensor

COLDEST = 1e-30  # of temperature: float32 may take less for 0


def sample(
    step: Step,
    state: Nest,
    memory: Nest,
    batch_size: int | Tensor,
    max_length: int,
    temperature: float | Tensor = 1.0,
    top_k: int | None = None,
    top_p: float | Tensor | None = None,
    min_p: float | Tensor | None = None,
    typical_p: float | Tensor | None = None,
    epsilon_cutoff: float | Tensor | None = None,
    eta_cutoff: float | Tensor | None = None,
    seed: Any = None,
    num_return: int = 1,
    noise: Tensor | None = None,
    kept: Tensor | None = None,
    return_alignments: bool = False,
    for_copies: Callable[[Nest, int], Nest] = repeat_rows,
    **rules: Any,
) -> SearchResult:
    """Draws texts token by token from the distribution of the model.

    The rules come first, then the temperature, then the `top_k` most probable tokens (Fan et al.
    2018, 1805.04833), then of these the smallest set with probability `top_p` (Holtzman et al.
    2019, 1904.09751, section 3.1), then `min_p`, `typical_p`, `epsilon_cutoff` and `eta_cutoff`,
    each of what those before it left; see `truncated`.

    Args:
        step, state, memory, batch_size, max_length: as in `greedy_search`.
        temperature: float > 0, divides the log-probabilities; below 1 is more careful.
        top_k: int or None.
        top_p: float in (0, 1] or None.
        min_p: float in [0, 1] or None, the least share of the probability of the first token.
        typical_p: float in (0, 1] or None, the probability of the most typical tokens.
        epsilon_cutoff: float in [0, 1] or None, the least probability.
        eta_cutoff: float in [0, 1] or None, the same, and less where many tokens may come.
        seed: int, keras.random.SeedGenerator or None (the global generator of Keras). An int
            draws the same texts on every call.
        num_return: int, K, texts drawn for each row.
        noise: (T, B * K) float32 from 0 to 1, the latter excluded, in place of a seed; or None.
        kept: () int or None, how many of the `top_k` tokens count.
        return_alignments: bool.
        for_copies: as in `beam_search`.
        **rules: see `Rules`.

    Returns:
        SearchResult, the most probable text first. Scores are sums of log-probabilities under
        the model itself, at temperature 1 and before `top_k` and the others, END included, not
        normalised by length.

    Raises:
        ValueError: for an option outside its range, or alignments the decoder does not have.
    """
    cuts = {
        "top_p": top_p,
        "min_p": min_p,
        "typical_p": typical_p,
        "epsilon_cutoff": epsilon_cutoff,
        "eta_cutoff": eta_cutoff,
    }
    check_values(temperature=temperature, top_k=top_k, num_return=num_return, **cuts)
    rows = batch_size * num_return
    if noise is None:
        noise = keras.random.uniform((max_length, rows), dtype="float32", seed=seed)

    def draw(scores, index):
        scores = ops.cast(scores, "float32")
        if top_k is not None or top_p is not None:
            vocabulary_size = scores.shape[-1]
            scores, ids = ops.top_k(scores, min(top_k or vocabulary_size, vocabulary_size))
        if kept is not None:
            scores = ops.where(ops.less(np.arange(scores.shape[-1]), kept), scores, -np.inf)
        # The largest is 0 now, so the smallest temperature takes it alone.
        scores = scores - ops.max(scores, axis=-1, keepdims=True)
        probs = ops.exp(log_softmax(scores / ops.maximum(temperature, COLDEST)))
        places = _categorical(truncated(probs, **cuts), ops.take(noise, index, axis=0))
        if top_k is not None or top_p is not None:
            places = ops.take_along_axis(ids, places, axis=-1)
        return ops.cast(places[:, 0], "int32")

    with static_shapes():  # the noise belongs to places in the batch
        result = decode(
            step,
            repeat_rows(state, num_return),
            memory if num_return == 1 else for_copies(memory, num_return),
            rows,
            max_length,
            Rules(max_length, num_return, **rules),
            draw,
            True,
            return_alignments,
        )
    return result if num_return == 1 else _best_first(result, batch_size, num_return)


def _categorical(probs, noise):
    """Inverts the cumulative distribution: probs (N, V), noise (N,) in [0, 1) to ids (N, 1)."""
    # Rounding can make the sums fall, so tokens of probability 0 are left out by name.
    cumulative = ops.where(probs > 0, ops.cumsum(probs, axis=-1), 0.0)
    threshold = ops.expand_dims(noise, -1) * ops.max(cumulative, axis=-1, keepdims=True)
    above = ops.cast(cumulative > threshold, "int32")
    return ops.argmax(above, axis=-1, keepdims=True)


def _best_first(result, batch_size, num_return):
    scores = ops.reshape(result.scores, (batch_size, num_return))
    scores, order = ops.top_k(scores, num_return)
    starts = ops.expand_dims(ops.arange(batch_size, dtype="int32") * num_return, 1)
    order = ops.reshape(ops.cast(order, "int32") + starts, (-1,))

    def arrange(x):
        x = ops.take(x, order, axis=0)
        return ops.reshape(x, (batch_size, num_return, *ops.shape(x)[2:]))

    records = [None if x is None else arrange(x) for x in (result.alignments, result.p_gen)]
    return SearchResult(arrange(result.tokens), scores, *records)
