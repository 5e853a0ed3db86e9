"""Copying from the source: the pointer-generator and its coverage loss (See et al. 2017)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.kernels import softmax
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.protocol import PAD
from s2s_zoo.protocol.types import Shape, Tensor

MOST_EXTRA_IDS = 10_000  # every step allocates them
LEAST_GENERATED = 1e-8  # keeps the logarithm of 1 - (1 - p_gen) finite
LEAST_COPIED = 1e-15
LOG_OF_NOTHING = -30.0  # the least log P_vocab, also of what only another source has


@keras.saving.register_keras_serializable("s2s_zoo")
class Pointer(ConfiguredLayer):
    """Mixes what the vocabulary proposes with the source words that the attention points at.

        p_gen = sigmoid(w [h_t ; c_t ; E y_{t-1}] + b)                     (1704.04368, equation 8)
        P(w)  = p_gen P_vocab(w) + (1 - p_gen) sum_{i: w_i = w} a_ti       (equation 9)

    over the vocabulary and `extra_ids` further ids: id V + k is the k-th word of the source that
    the vocabulary does not have. Where the weights a_t of a row sum to less than 1, as those of
    a source without words do, what they lack goes to P_vocab, so P always sums to 1.

    Args:
        vocabulary_size: int, V.
        extra_ids: int, X, the most words outside the vocabulary of one source; 0 with subwords.
    """

    def __init__(self, vocabulary_size: int, extra_ids: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(extra_ids, int) or not 0 <= extra_ids <= MOST_EXTRA_IDS:
            raise ValueError(
                f"Pointer expected extra_ids from 0 to {MOST_EXTRA_IDS}. "
                f"Received: extra_ids={extra_ids!r:.80}."
            )
        self.vocabulary_size = vocabulary_size
        self.extra_ids = extra_ids
        self.gate = keras.layers.Dense(1, name="gate")

    def build(self, features_shape: Shape) -> None:
        self.gate.build(features_shape)

    def generation(self, hidden: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """Returns p_gen (...,) float32 of h_t (..., U), c_t (..., D) and E y_{t-1} (..., E)."""
        features = ops.concatenate([hidden, context, embedded], axis=-1)
        return ops.sigmoid(ops.cast(self.gate(features)[..., 0], "float32"))

    def memory(self, tokens: Tensor | None) -> dict[str, Tensor]:
        """What `log_probabilities` needs of the source, once per source.

        Args:
            tokens: (B, S) int ids, up to V + X - 1.

        Returns:
            dict of "tokens" (B, S) and "first" (B, S) int32, where each word occurs first.

        Raises:
            ValueError: if `tokens` is None, as of a source that is no text.
        """
        if tokens is None:
            raise ValueError(
                "A pointer copies the ids of the source, and this encoder reads none. "
                "Use an encoder of text, or pointer=False."
            )
        tokens = ops.cast(tokens, "int32")
        same = ops.equal(ops.expand_dims(tokens, 2), ops.expand_dims(tokens, 1))
        return {"tokens": tokens, "first": ops.cast(ops.argmax(same, axis=-1), "int32")}

    def log_probabilities(
        self, logits: Tensor, alignment: Tensor, p_gen: Tensor, memory: dict[str, Tensor]
    ) -> Tensor:
        """Returns log P, (N, [T,] V + X) float32: its own log-softmax, so it stands for logits.

        Args:
            logits: (N, [T,] V), of P_vocab.
            alignment: (N, [T,] S) float32, a_t.
            p_gen: (N, [T]) float32.
            memory: what `memory` gave.
        """
        copied = ops.expand_dims(1 - p_gen, -1) * alignment
        kept = ops.maximum(1 - ops.sum(copied, axis=-1, keepdims=True), LEAST_GENERATED)
        generated = _log_softmax(logits) + ops.log(kept)
        if self.extra_ids:
            widths = [(0, 0)] * (len(logits.shape) - 1) + [(0, self.extra_ids)]
            generated = ops.pad(generated, widths, constant_values=LOG_OF_NOTHING)
        copied = _add(ops.zeros_like(copied), memory["first"], copied)
        known = _take(generated, memory["tokens"])
        # log(e^known + copied) - known: what copying adds to the words of the source.
        gained = ops.softplus(ops.log(copied + LEAST_COPIED) - known)
        gained = ops.where(copied > 0, gained, 0.0)
        return _add(generated, memory["tokens"], gained)


def _log_softmax(logits):
    """Log-softmax of logits (..., V) of any dtype in float32, and at least LOG_OF_NOTHING."""
    if kernels_available():
        return softmax.log_softmax(logits, LOG_OF_NOTHING)
    return ops.maximum(ops.log_softmax(ops.cast(logits, "float32")), LOG_OF_NOTHING)


def _cells(values, places):
    """Where the places (N, M) of each row of values (N, [T,] W) stand in the flattened values."""
    shape = ops.shape(values)
    if len(shape) == 3:
        places = ops.repeat(places, shape[1], axis=0)
    starts = ops.arange(ops.shape(places)[0], dtype="int32") * shape[-1]
    return ops.reshape(places + ops.expand_dims(starts, 1), (-1,))


def _take(values, places):
    """Returns values[n, [t,] places[n]], (N, [T,] M), of values (N, [T,] W)."""
    taken = ops.take(ops.reshape(values, (-1,)), _cells(values, places))
    return ops.reshape(taken, (*ops.shape(values)[:-1], ops.shape(places)[1]))


def _add(values, places, updates):
    """Adds updates (N, [T,] M) to values (N, [T,] W) at the places (N, M) of each row."""
    cells = ops.expand_dims(_cells(values, places), 1)
    flat, updates = ops.reshape(values, (-1,)), ops.reshape(updates, (-1,))
    added = ops.scatter_update(flat, cells, updates, reduction="add")
    return ops.reshape(added, ops.shape(values))


def coverage_loss(alignment: Tensor, target: Tensor) -> Tensor:
    """How much attention goes where attention has been: the mean over the target tokens of

        covloss_t = sum_i min(a_ti, c_ti),  c_t = sum_{t' < t} a_t'    (1704.04368, equation 12)

    Args:
        alignment: (B, T, S) float32, a_t.
        target: (B, T) int, PAD where there is no token.

    Returns:
        () float32, from 0 to 1.
    """
    coverage = ops.cumsum(alignment, axis=1) - alignment
    loss = ops.sum(ops.minimum(alignment, coverage), axis=-1)
    real = ops.cast(ops.not_equal(target, PAD), "float32")
    return ops.sum(loss * real) / ops.maximum(ops.sum(real), 1.0)
