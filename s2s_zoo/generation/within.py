"""The decoder that a functional model ends in: its step searches without the model around it."""

from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.layers.encoded import encoder_output
from s2s_zoo.layers.sequences import carried_mask
from s2s_zoo.protocol.types import Tensor


def decoder_within(model: Any) -> tuple[Callable[..., Any], Any] | None:
    """Finds what a model made with the functional API is for a search.

    Args:
        model: keras.Model.

    Returns:
        encode: function of a source to what the decoder was given in the model.
        decoder: a layer with `init` and `step`, which read the target of the model and gave its
            logits. None instead of both where there is no such layer.
    """
    inputs, logits = getattr(model, "input", None), getattr(model, "output", None)
    if isinstance(inputs, dict):
        names = inputs if len(inputs) == 2 else {"source", "target"} & inputs.keys()
        inputs = [inputs[name] for name in names]
    if not isinstance(inputs, list | tuple) or len(inputs) != 2:
        return None
    for layer in model.layers:
        has_step = callable(getattr(layer, "init", None)) and callable(getattr(layer, "step", None))
        if not has_step or getattr(layer, "output", None) is not logits:
            continue
        target, *given = keras.tree.flatten(layer.input)
        source = [x for x in inputs if x is not target]
        if len(source) == 1 and given:
            if len(given) == 1 and (mask := carried_mask(given[0])) is not None:
                given.append(mask)
            try:
                return _encode(keras.Model(source[0], given)), layer
            except ValueError:  # it needs the target too
                return None
    return None


def _encode(encoder):
    def encode(source: Tensor) -> Any:
        given = keras.tree.flatten(encoder(source, training=False))
        if len(given) > 2:
            return given
        return encoder_output(*given)

    return encode
