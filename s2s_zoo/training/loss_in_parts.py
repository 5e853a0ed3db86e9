"""The loss in parts: logits of a large vocabulary that never exist all at once."""

from typing import Any

from keras import ops

from s2s_zoo.layers.policy import UnderPolicy
from s2s_zoo.protocol.types import Tensor
from s2s_zoo.training import on_tensorflow
from s2s_zoo.training.losses import SmoothedCrossEntropy


def loss_in_parts(
    decoder: Any,
    loss: SmoothedCrossEntropy,
    labels: Tensor,
    readout: Tensor,
    weights: Tensor | None,
    parts: int,
) -> Tensor:
    """The loss of logits that are made for one part of the tokens at a time (`summed`).

    Chen et al. 2016 (1604.06174), section 3, of the last layer alone.

    Args:
        decoder: has `logits`, a function of (..., R) to (..., V).
        loss: `SmoothedCrossEntropy`.
        labels: (B, T) int.
        readout: (B, T, R), what the decoder's call gives where logits are deferred.
        weights: as for `SmoothedCrossEntropy.weights`.
        parts: int, K; at most B T / K tokens have logits at a time.

    Returns:
        What `loss(labels, logits, weights)` would.
    """
    weights = loss.weights(labels, weights)
    labels, weights = ops.reshape(labels, (1, -1)), ops.reshape(weights, (1, -1))
    readout = ops.reshape(readout, (1, -1, readout.shape[-1]))
    tokens = ops.shape(labels)[1]
    each = -(-tokens // parts)
    under_policy = UnderPolicy(dtype=decoder.dtype_policy)

    def sum_of(readout, labels, weights):
        logits = under_policy(function=lambda: decoder.logits(readout))
        return ops.sum(loss.call(labels, logits) * weights)

    cells = [slice(i * each, (i + 1) * each) for i in range(parts)]
    total = on_tensorflow.summed(
        sum_of, [(readout[:, x], labels[:, x], weights[:, x]) for x in cells]
    )
    return total / loss.share(weights)
