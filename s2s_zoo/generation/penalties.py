"""How beam search compares hypotheses of different lengths and coverage."""

from typing import Literal

from keras import ops

from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Tensor

LENGTH_PENALTIES = {
    "power": lambda length, alpha: length**alpha,
    "gnmt": lambda length, alpha: ((5.0 + length) / 6.0) ** alpha,
}
SMALLEST_COVERAGE = 1e-7


def normalise(
    log_probs: Tensor,
    lengths: Tensor,
    length_penalty: float | Tensor = 1.0,
    length_penalty_form: Literal["power", "gnmt"] = "power",
) -> Tensor:
    """Divides log-probabilities by the penalty of their length.

        power: |Y|^alpha        gnmt: ((5 + |Y|) / 6)^alpha     (Wu et al. 2016, 1609.08144)

    |Y| counts the generated tokens with END and without START: "a b END" has length 3.

    Args:
        log_probs: (...) float32, sums over the tokens of each text, END included.
        lengths: (...) or scalar, |Y|.
        length_penalty: float, alpha. 0 leaves the sums as they are; larger favours longer text.
        length_penalty_form: "power" or "gnmt".

    Returns:
        (...) float32.

    Raises:
        ValueError: for an unknown form.
    """
    form = lookup(LENGTH_PENALTIES, length_penalty_form, "length penalty form")
    if not hasattr(length_penalty, "shape") and length_penalty == 0:
        return log_probs
    alpha = ops.cast(length_penalty, "float32")
    return ops.divide(log_probs, form(ops.cast(lengths, "float32"), alpha))


def coverage_score(coverage: Tensor, mask: Tensor, coverage_penalty: float | Tensor) -> Tensor:
    """What attending too little to some source positions costs.

        beta * sum_s log(min(sum_t a_ts, 1))            (Wu et al. 2016, 1609.08144, equation 14)

    over the real source positions; t runs over the steps of the hypothesis, END's included. A
    position that got less than 1e-7 counts as 1e-7, so that the sum stays finite.

    Args:
        coverage: (N, S) float32, the sum over t of the attention weights.
        mask: (N, S) bool, True where the source is real.
        coverage_penalty: float, beta >= 0.

    Returns:
        (N,) float32, at most 0.
    """
    covered = ops.clip(coverage, SMALLEST_COVERAGE, 1.0)
    return coverage_penalty * ops.sum(ops.where(mask, ops.log(covered), 0.0), axis=-1)
