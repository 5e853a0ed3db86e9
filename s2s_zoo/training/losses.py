"""Training losses."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.kernels import softmax
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.protocol import PAD
from s2s_zoo.protocol.types import Config, Tensor
from s2s_zoo.training import on_tensorflow


@keras.saving.register_keras_serializable("s2s_zoo")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with label smoothing, averaged over the weighted tokens.

        L = logsumexp(z) - (1 - eps) z_y - eps mean(z)

    that is, the target distribution is 1 - eps + eps / V for the label and eps / V elsewhere
    (Szegedy et al. 2016, 1512.00567, section 7). Computed in float32 whatever the logits are.

    Args:
        label_smoothing: float in [0, 1), eps.

    Call arguments:
        y_true: (B, T) int labels.
        y_pred: (B, T, V) logits.
        sample_weight: as for `weights`.

    Returns:
        The mean over the tokens, weighted: padding does not dilute it.

    Raises:
        ValueError: if `label_smoothing` is outside [0, 1), or for weights of another shape.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "loss", **kwargs: Any) -> None:
        super().__init__(name=name, reduction="mean_with_sample_weight", **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "SmoothedCrossEntropy expected label_smoothing in [0, 1). "
                f"Received: label_smoothing={label_smoothing}."
            )
        self.label_smoothing = label_smoothing

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        # Without the parent's cast, which copies mixed-precision logits to float32 and back.
        weight = self.weights(y_true, sample_weight)
        return ops.sum(self.call(y_true, y_pred) * weight) / self.share(weight)

    def weights(self, labels: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """What each token counts, (B, T) float32.

        Args:
            labels: (B, T) int.
            sample_weight: (B, T), as they are to count, 0 at padding; (B,) of rows, whose padding
                does not count; or None: 1, and 0 at padding.
        """
        real = ops.cast(ops.not_equal(labels, PAD), "float32")
        if sample_weight is None:
            return real
        shape = tuple(sample_weight.shape)
        sizes = zip(shape, labels.shape, strict=False)
        if len(shape) not in (1, 2) or any(a != b for a, b in sizes if None not in (a, b)):
            raise ValueError(
                "SmoothedCrossEntropy expected sample_weight (B,) of rows, or (B, T) of tokens, "
                f"for labels of {tuple(labels.shape)}. Received: {shape}."
            )
        weight = ops.cast(sample_weight, "float32")
        return weight if len(shape) == 2 else real * ops.expand_dims(weight, 1)

    def share(self, weights: Tensor) -> Tensor:
        """What a sum over tokens is divided by to be the mean: the sum of the weights (B, T).

        The gradients of replicas are added, and one may have more tokens than another: theirs are
        summed up.
        """
        total = on_tensorflow.sum_over_replicas(ops.sum(ops.cast(weights, "float32")))
        return ops.maximum(total, 1.0)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the loss of each token, (B, T) float32."""
        labels = ops.cast(y_true, "int32")
        if kernels_available():
            return softmax.cross_entropy(y_pred, labels, self.label_smoothing)
        logits = ops.cast(y_pred, "float32")
        label_logits = ops.squeeze(
            ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1), -1
        )
        loss = ops.logsumexp(logits, axis=-1) - (1 - self.label_smoothing) * label_logits
        if self.label_smoothing:
            loss = loss - self.label_smoothing * ops.mean(logits, axis=-1)
        return loss

    def get_config(self) -> Config:
        return {"name": self.name, "label_smoothing": self.label_smoothing}
