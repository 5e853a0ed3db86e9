"""Scorer: the log-probability a model gives to a text."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.forward import compile_forward, outputs_of
from s2s_zoo.generation.scores import log_softmax
from s2s_zoo.protocol import PAD, START
from s2s_zoo.protocol.types import Tensor


class Scorer(keras.Model):
    """Scores given targets by teacher forcing, compiled once per input shape.

        log P(Y|X) = sum_t log P(y_t | y_1 .. y_{t-1}, X)

    Args:
        model: `model({"source", "target"}, training)` -> logits (B, T, V). Shared, not copied.
        jit_compile, run_eagerly: as in `Generator`.

    Call arguments:
        inputs: dict of "source" and "target" (B, T): the ids, END, then PAD.

    Returns:
        dict of "tokens" (B, T) float32, the log-probability of each, 0 of PAD, "log_probs" (B,)
        float32, their sums, and "lengths" (B,) int32, the tokens with END.
    """

    def __init__(
        self, model: Any, jit_compile: bool | Literal["auto"] = "auto", run_eagerly: bool = False
    ) -> None:
        super().__init__(name="scorer", dtype=model.dtype_policy)
        self.model = model
        self.built = True
        compile_forward(self, jit_compile, run_eagerly)

    def call(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        target = ops.cast(inputs["target"], "int32")
        inputs = {"source": inputs["source"], "target": after_start(target)}
        tokens = log_probs_of(target, self.model(inputs, training=False))
        return {
            "tokens": tokens,
            "log_probs": ops.sum(tokens, axis=1),
            "lengths": ops.sum(ops.cast(target != PAD, "int32"), axis=1),
        }

    def score(self, source: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Scores a batch.

        Args:
            source: array, a batch of what the encoder reads.
            target: (B, T) int, the ids, END, then PAD; START is not part of it.

        Returns:
            log_probs: (B,) float32. `normalise` turns them into the scores of beam search.
            lengths: (B,) int32, the tokens of each target, END counted.
        """
        outputs = self._outputs(source, target)
        return outputs["log_probs"], outputs["lengths"]

    def score_tokens(self, source: Tensor, target: Tensor) -> np.ndarray:
        """As `score`, but returns the log-probability of each token, (B, T) float32, 0 of PAD."""
        return self._outputs(source, target)["tokens"]

    def _outputs(self, source, target):
        return outputs_of(self, {"source": source, "target": np.asarray(target, "int32")})


def after_start(target: Tensor) -> Tensor:
    """What a decoder reads to predict `target` (B, T): START, and all but the last token."""
    return ops.concatenate([ops.full_like(target[:, :1], START), target[:, :-1]], axis=1)


def log_probs_of(target: Tensor, logits: Tensor) -> Tensor:
    """The log-probability (B, T) float32 of each token of `target` (B, T), 0 of PAD."""
    chosen = ops.take_along_axis(log_softmax(logits), target[:, :, None], axis=-1)[:, :, 0]
    return ops.where(target != PAD, chosen, 0.0)
