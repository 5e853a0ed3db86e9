"""What is checked of data that comes as arrays, before a model computes with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops


def check_parts(encoder: Any, decoder: Any) -> None:
    """Raises ValueError for what is no encoder, or no decoder, of a `Seq2Seq`."""
    says = ("source_shape", "memory_dim", "state_dim")
    lacking = {
        "encoder": [x for x in says if not hasattr(encoder, x)],
        "decoder": [x for x in ("init", "step") if not callable(getattr(decoder, x, None))],
    }
    if not any(lacking.values()):
        return
    missing = [f"{part} lacks {', '.join(names)}" for part, names in lacking.items() if names]
    if callable(getattr(encoder, "step", None)) and hasattr(decoder, "memory_dim"):
        remedy = "Give them in the other order: Seq2Seq(encoder, decoder)."
    else:
        remedy = (
            "Layers and models of other makes go into a functional model, which Generator searches "
            "too: keras.Model([source, target], decoder(target, encoder(source)))."
        )
    raise ValueError(
        "Seq2Seq expected an encoder with source_shape, memory_dim and state_dim, and a decoder "
        f"with init and step. Received: {type(encoder).__name__} and {type(decoder).__name__}; the "
        f"{', the '.join(missing)}. {remedy}"
    )


def check_inputs(inputs: Any) -> None:
    """Raises ValueError where a model was not given its two inputs by their names."""
    if isinstance(inputs, Mapping) and {"source", "target"} <= set(inputs):
        return
    names = sorted(inputs) if isinstance(inputs, Mapping) else type(inputs).__name__
    raise ValueError(
        'Seq2Seq expected a dict {"source": …, "target": …}, in a data set as the first of '
        f"(inputs, labels[, weights]). Received: {names}. Name the two."
    )


def check_arrays(model: Any, inputs: Any, labels: Any = None) -> None:
    """Checks what is given to `fit` and its like; nothing where it is no arrays.

    Args:
        model: a `Seq2Seq`.
        inputs: dict of arrays, or a data set, which is not looked into.
        labels: (B, T) int, or None.

    Raises:
        ValueError: for inputs without names, or ids that are none of the vocabulary: an embedding
            would read them as UNK, and a loss would learn from whatever it finds there.
    """
    if isinstance(inputs, tuple | list):
        check_inputs(inputs)
    if not isinstance(inputs, Mapping):
        return
    check_inputs(inputs)
    encoder, decoder = model.encoder, model.decoder
    copied = getattr(decoder, "extra_ids", 0)
    given = [("target", inputs["target"], decoder), ("labels", labels, decoder)]
    if hasattr(encoder, "vocabulary_size"):
        given.append(("source", inputs["source"], encoder))
    for name, ids, side in given:
        if ids is not None:
            _check_ids(name, np.asarray(ops.convert_to_numpy(ids)), side.vocabulary_size + copied)


def _check_ids(name, ids, limit):
    if ids.ndim != 2 or not ids.shape[1] or not _are_whole(ids):
        raise ValueError(
            f"Seq2Seq expected {name} (B, T), whole numbers, with T of at least 1. Received: "
            f"{ids.dtype} {ids.shape}. Encode the texts with the processor of this model."
        )
    if not ids.size or (0 <= ids.min() and ids.max() < limit):
        return
    *place, _ = np.argwhere((ids < 0) | (ids >= limit))[0]
    found = ids[(ids < 0) | (ids >= limit)][0]
    larger = f", or make a model with a vocabulary_size of {ids.max() + 1} and more"
    raise ValueError(
        f"Seq2Seq expected ids of {name} from 0 to {limit - 1}, those of its vocabulary; 0 is "
        f"padding. Received: {found} in row {place[0] if place else 0}. Encode the texts with the "
        f"processor of this model{larger * bool(ids.max() >= limit)}."
    )


def _are_whole(ids):
    return ids.dtype.kind in "iu" or (ids.dtype.kind == "f" and bool((ids == np.floor(ids)).all()))


def refuse_class_weight(class_weight: Any) -> None:
    """Raises ValueError for class weights, which Keras has for one label a row alone."""
    if class_weight is not None:
        raise ValueError(
            "Seq2Seq has many labels in a row, which class_weight of Keras does not know. Give "
            "sample_weight (B, T), such as numpy.asarray(weight_of_token)[labels] * (labels != 0)."
        )
