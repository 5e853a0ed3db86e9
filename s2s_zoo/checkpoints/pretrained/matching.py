"""The tensors of a directory and the weights of the model they are for: names, shapes, numbers."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.weights import check_finite, weight_shapes, weights_by_name
from s2s_zoo.layers.kernels import native
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

# What a file may hold that a model does not need: fixed positions and copies of tied tensors.
NEEDLESS = (
    "embed_positions.weight",
    "embed_positions.weights",
    "embed_tokens.weight",
    "shared.weight",
    "lm_head.weight",
    "final_logits_bias",
)
OPTIONAL = "decoder/output_bias"
FLOATS = ("float64", "float32", "float16", "bfloat16")
WHOLE = "Use a checkpoint with an encoder and a decoder."


def match(
    described: Config, tensors: Tensors, directory: Path, family: Family, config: Config
) -> dict[str, str]:
    """Returns {name of a weight: that of its tensor}; no weight is made yet.

    Args:
        described: the configuration of our `Seq2Seq`.
        tensors: those of the directory.
        directory: for the errors.
        family: whose names they have.
        config: the unified config.json.

    Raises:
        CheckpointError: if a name, a shape or a dtype is another; the message names it.
    """
    found, faults = {}, []
    for name, shape in _shapes(described).items():
        candidates = family.names(name, config)
        theirs = next((candidate for candidate in candidates if candidate in tensors), None)
        if theirs is None:
            if name != OPTIONAL:
                faults.append(f"{' or '.join(candidates)} is missing")
            continue
        found[name] = theirs
        expected = shape[::-1] if name.endswith("kernel") else shape
        expected = (1, *shape) if name == OPTIONAL else expected
        tensor = tensors[theirs]
        if tensor.shape != expected:
            faults.append(f"{theirs} is {tensor.shape} where {expected} is expected")
        elif tensor.dtype not in FLOATS:
            faults.append(f"{theirs} is {tensor.dtype} where {', '.join(FLOATS)} is expected")
    unused, needless = tensors.keys() - set(found.values()), (*NEEDLESS, *family.needless)
    faults += [f"{name} is unexpected" for name in unused if not name.endswith(needless)]
    for half in ("encoder", "decoder"):
        if not any(name.startswith(f"{half}.") for name in found.values()):
            raise CheckpointError(f"{directory} holds no {half}. {WHOLE}")
    if faults:
        listed = "; ".join(sorted(faults)[:10]) + ("; …" if len(faults) > 10 else "")
        raise CheckpointError(
            f"The weights in {directory} do not fit its config.json: {listed}. Download the "
            "checkpoint again."
        )
    return found


def assign(
    model: Seq2Seq,
    found: dict[str, str],
    tensors: Tensors,
    directory: Path,
    family: Family,
    config: Config,
    processor: Any,
) -> None:
    """Gives the model the tensors of the directory.

    Args:
        model: a built `Seq2Seq`.
        found: what `match` gave.
        tensors, directory, family, config: as there.
        processor: it knows the order of the tokens.

    Raises:
        CheckpointError: if a tensor cannot be read, or holds what is no finite number.
    """
    weights = weights_by_name(model)
    # The largest first, while the others take no memory yet.
    for name, theirs in sorted(found.items(), key=lambda pair: -math.prod(weights[pair[0]].shape)):
        value = _read(tensors[theirs], theirs, directory)
        if name.endswith("kernel"):
            value = value.T
        if name.endswith("embedding/embeddings"):
            side = "source" if name.startswith("encoder") else "target"
            value = value[getattr(processor, f"{side}_tokenizer").order]
        elif name in (OPTIONAL, "decoder/output/kernel"):
            value = value.reshape(weights[name].shape)[..., processor.order]
        factor = family.scale(name, config)
        value = np.asarray(value, "float32") * np.float32(factor) if factor != 1 else value
        weights[name].assign(native.tensor(value, weights[name].dtype))


def _shapes(described):
    """{name: shape} of the weights of a model, of which nothing is made but a layer of each stack.

    The other layers are like it, but for an encoder whose stages have layers of their own.
    """
    heights = {half: described[half]["layers"] for half in ("encoder", "decoder")}
    heights = {half: height for half, height in heights.items() if isinstance(height, int)}
    low = {half: {**described[half], "layers": 1} for half in heights}
    shapes = {}
    for name, shape in weight_shapes({**described, **low}).items():
        first = "/stack/layer_0/" in name
        for i in range(heights[name.split("/")[0]] if first else 1):
            shapes[name.replace("/stack/layer_0/", f"/stack/layer_{i}/")] = shape
    return shapes


def _read(tensor, name, directory):
    """The numbers of a tensor, which are finite, also as the float32 a model is made of."""
    try:
        value = tensor.read()
    except Exception as error:  # of NumPy or HDF5, about numbers that are not where they should be
        raise CheckpointError(
            f"{name} in {directory} cannot be read: {error!r:.200}. Download the checkpoint again."
        ) from error
    if value.dtype == "float64":
        with np.errstate(over="ignore"):
            value = value.astype("float32")
    check_finite(value, name, directory)
    return value
