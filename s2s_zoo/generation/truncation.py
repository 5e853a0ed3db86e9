"""Which tokens a draw leaves out, beside those beyond `top_k`."""

from collections.abc import Callable

from keras import ops

from s2s_zoo.protocol.types import Tensor

FEWEST = 1e-30  # of top_p: float32 may take less for 0


def truncated(probs: Tensor, **cuts: float | Tensor | None) -> Tensor:
    """Puts 0 where a token is left out, one rule of `RULES` after the other, as transformers does.

    Each rule sees the distribution that those before it left. The most probable token stays, but
    for `typical_p`, which keeps the most typical one.

    Args:
        probs: (N, V) float32, with `top_p` the most probable first.
        **cuts: number of each rule, or None.

    Returns:
        (N, V) float32; a row need not add up to 1.
    """
    for name, keeps in RULES.items():
        if (cut := cuts.get(name)) is not None:
            probs = probs / ops.sum(probs, axis=-1, keepdims=True)
            probs = ops.where(keeps(probs, cut), probs, 0.0)
    return probs


def _most_probable(probs, mass):
    """The smallest set of this probability (Holtzman et al. 2019, 1904.09751, section 3.1)."""
    before = ops.cumsum(probs, axis=-1) - probs
    return before < ops.maximum(mass, FEWEST)


def _near_the_first(probs, share):
    """At least this share of the highest probability (Nguyen et al. 2024, 2407.01082)."""
    return probs >= share * ops.max(probs, axis=-1, keepdims=True)


def _typical(probs, mass):
    """The set of this probability whose information is nearest to the entropy (Meister et al.
    2022, 2202.00666, section 4)."""
    information = -_log(probs)
    distance = ops.abs(information - _entropy(probs))
    distance = ops.where(probs > 0, distance, float("inf"))
    order = ops.argsort(distance, axis=-1)
    reached = ops.cumsum(ops.take_along_axis(probs, order, axis=-1), axis=-1)
    last = ops.sum(ops.cast(reached < mass, "int32"), axis=-1, keepdims=True)
    last = ops.minimum(last, probs.shape[-1] - 1)
    farthest = ops.take_along_axis(distance, ops.take_along_axis(order, last, axis=-1), axis=-1)
    return distance <= farthest


def _at_least(probs, epsilon):
    """At least this probability (Hewitt et al. 2022, 2210.15191, section 3)."""
    return _or_first(probs, epsilon)


def _at_least_by_entropy(probs, epsilon):
    """At least epsilon, or less where the entropy is high (the same, section 4)."""
    by_entropy = ops.sqrt(epsilon) * ops.exp(-_entropy(probs))
    return _or_first(probs, ops.minimum(epsilon, by_entropy))


RULES: dict[str, Callable[[Tensor, float | Tensor], Tensor]] = {
    "top_p": _most_probable,
    "min_p": _near_the_first,
    "typical_p": _typical,
    "epsilon_cutoff": _at_least,
    "eta_cutoff": _at_least_by_entropy,
}


def _or_first(probs, least):
    first = probs >= ops.max(probs, axis=-1, keepdims=True)
    return ops.logical_or(probs >= least, first)


def _log(probs):
    return ops.log(ops.where(probs > 0, probs, 1.0))


def _entropy(probs):
    return -ops.sum(probs * _log(probs), axis=-1, keepdims=True)
