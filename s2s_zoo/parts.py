"""The loss in parts: logits of a large vocabulary that never exist all at once."""

import contextlib
import contextvars

import keras
from keras import ops

_deferred = contextvars.ContextVar("deferred", default=False)


@contextlib.contextmanager
def deferred(wanted=True):
    """Within it the call of a decoder ends before the logits: see `logits_of`."""
    token = _deferred.set(wanted)
    try:
        yield
    finally:
        _deferred.reset(token)


def is_deferred():
    """Whether `logits_of` leaves the logits to the loss."""
    return _deferred.get()


def logits_of(decoder, readout):
    """Returns `decoder.logits(readout)` (B, T, V), or where they are deferred the readout."""
    return readout if _deferred.get() else decoder.logits(readout)


def loss_in_parts(decoder, loss, labels, readout, weights, parts):
    """The loss of logits that are made for one part of the tokens, and again for its gradient.

    Chen et al. 2016 (1604.06174), section 3, with the last layer alone made twice.

    Args:
        decoder: has `logits`, a function of (..., R) to (..., V).
        loss: `SmoothedCrossEntropy`.
        labels: (B, T) int.
        readout: (B, T, R), what the decoder's call gives where logits are deferred.
        weights: (B, T), 0 at padding, or None.
        parts: int, K; at most B T / K tokens have logits at a time.

    Returns:
        What `loss(labels, logits, weights)` would.
    """
    if weights is None:
        weights = ops.ones_like(labels, dtype="float32")
    labels, weights = ops.reshape(labels, (1, -1)), ops.reshape(weights, (1, -1))
    readout = ops.reshape(readout, (1, -1, readout.shape[-1]))
    tokens = ops.shape(labels)[1]
    each = -(-tokens // parts)
    under_policy = UnderPolicy(dtype=decoder.dtype_policy)

    @keras.remat
    def add(so_far, readout, labels, weights):
        # The zeros let each part wait for the one before, and its gradient for the one behind.
        readout = readout + ops.cast(0 * ops.stop_gradient(so_far), readout.dtype)
        logits = under_policy(function=lambda: decoder.logits(readout))
        total = ops.sum(loss.call(labels, logits) * ops.cast(weights, "float32"))
        return so_far * (1 + 0 * ops.stop_gradient(total)) + total

    total = ops.zeros(())
    for i in range(parts):
        part = (x[:, i * each : (i + 1) * each] for x in (readout, labels, weights))
        total = add(total, *part)
    return total / loss.share(weights)


class UnderPolicy(keras.layers.Layer):
    """Calls a function while weights are read in the dtype that the policy computes in."""

    def call(self, function):
        return function()
