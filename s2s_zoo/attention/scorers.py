"""The attentions whose scores serve inside other attentions."""

import keras

from s2s_zoo.attention.bahdanau import BahdanauAttention
from s2s_zoo.attention.history import history_of
from s2s_zoo.attention.location import LocationAttention
from s2s_zoo.attention.luong import LuongAttention
from s2s_zoo.layers.config import LayerSpec, build_from, config_of
from s2s_zoo.protocol.types import Config

# What is in it has `scores(query, keys)` and `align`.
SCORERS = {
    "bahdanau": BahdanauAttention,
    "location": LocationAttention,
    "luong": LuongAttention,
}


def scorer_of(scores: LayerSpec, owner: str) -> keras.layers.Layer:
    """Makes the layer that scores for another attention.

    Args:
        scores: a layer of SCORERS, the name of one, or its config.
        owner: str, the class that asks, for the error.

    Raises:
        ValueError: for an unknown name or option, a layer that does not score, or scores that look
            back at earlier weights.
    """
    layer = build_from(SCORERS, scores, "attention to score with", name="scores")
    if not callable(getattr(layer, "scores", None)):
        raise ValueError(
            f"{owner} expected a layer with scores(query, keys) to score with. Received: "
            f"{type(layer).__name__}. Use one of {', '.join(map(repr, SCORERS))}."
        )
    if history_of(layer) is not None:
        raise ValueError(
            f"{owner} takes scores that need nothing of earlier steps. "
            f"Received: {scores!r}, which needs the {history_of(layer)}. Use it by itself, or "
            "leave that option."
        )
    return layer


def config_of_scorer(layer: keras.layers.Layer) -> Config | None:
    """The plain-JSON config from which `scorer_of` makes the layer again."""
    return config_of(SCORERS, layer)
