"""The weights of a model in a safetensors file, compared before anything is allocated for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.checkpoints.quantization import (
    SCALE,
    channel_axis,
    dequantize,
    quantize,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN
from s2s_zoo.protocol.safetensors_file import Header, numpy_dtype, parse_tensors
from s2s_zoo.protocol.types import Config

if TYPE_CHECKING:
    from s2s_zoo.model.seq2seq import Seq2Seq

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
STORED = {**DTYPES, "int8": "I8"}
BLOCK = 1 << 17  # numbers that fit in a cache
LARGEST = 1 << 20  # a number of a config that is no side of a matrix, such as a distance
MOST_LAYERS = 1024
SIDES = ("units", "vocabulary_size")  # nothing is made of them before they were compared


def weights_by_name(model: Seq2Seq) -> dict[str, Any]:
    """Returns {name: variable}: the path of each weight below the name of the model."""
    named = {weight.path.split("/", 1)[1]: weight for weight in model.weights}
    if len(named) != len(model.weights):
        raise ValueError("Two weights of the model share a path: give its layers distinct names.")
    return named


def pack(model: Seq2Seq, weights_dtype: str) -> bytes:
    """Returns the bytes of the safetensors file of a model, what LoRA learned merged.

    Args:
        model: a built `Seq2Seq`.
        weights_dtype: a key of `STORED`. In "int8" the large matrices are, each beside its scales
            (`s2s_zoo.checkpoints.quantization`), and the rest float32.

    Raises:
        ValueError: if a weight is not finite in `weights_dtype`.
    """
    from keras import ops
    from safetensors.numpy import save

    floats = "float32" if weights_dtype == "int8" else weights_dtype
    dtype = numpy_dtype(floats)
    arrays, weights = {}, weights_by_name(model)
    for name, weight in weights.items():
        if "/lora_kernel_" in name:
            continue
        value = ops.convert_to_numpy(weight.value)
        factors = [name.removesuffix("kernel") + f"lora_kernel_{x}" for x in "ab"]
        if name.endswith("/kernel") and factors[0] in weights:
            value = value + np.matmul(*(ops.convert_to_numpy(weights[x]) for x in factors))
        with np.errstate(over="ignore"):
            arrays[name] = np.ascontiguousarray(value, dtype).reshape(value.shape)
        if not np.isfinite(arrays[name].astype("float32")).all():
            raise ValueError(
                f"save expected finite weights that fit {weights_dtype}. Received: {name} up to "
                f"{np.abs(value).max()}. Save in float32 or bfloat16, or train again if it is nan."
            )
        if weights_dtype == "int8" and (axis := channel_axis(name, value.shape)) is not None:
            arrays[name], arrays[name + SCALE] = quantize(value, axis)
    return save(arrays)


def check_header(header: Header, config: Config, path: Path) -> None:
    """Raises CheckpointError unless a header holds the weights of a model and nothing else.

    A weight in int8 is one that `pack` would write so, beside its scales.

    Args:
        header: {name: (shape, dtype)}.
        config: dict, of `Seq2Seq`.
        path: of the file, for the error.
    """
    try:
        check_numbers(config, [shape for shape, _ in header.values()], but=SIDES)
        shapes = weight_shapes(config)
    except Exception as error:  # whatever it is, a config from elsewhere provoked it
        raise CheckpointError(
            f"{path.parent} does not describe a model of this version of s2s_zoo: "
            f"{' '.join(str(error).split()):.300}"
        ) from error
    scales = {
        name + SCALE: (shape[axis],)
        for name, shape in shapes.items()
        if header.get(name, (None, None))[1] == "I8"
        and (axis := channel_axis(name, shape)) is not None
    }
    shapes |= scales
    faults = [f"{name} is missing" for name in shapes if name not in header]
    faults += [f"{name} is unexpected" for name in header if name not in shapes]
    for name in shapes.keys() & header.keys():
        shape, dtype = header[name]
        if shape != shapes[name]:
            faults.append(f"{name} is {shape} where {shapes[name]} is expected")
        elif dtype not in DTYPES.values() and not (dtype == "I8" and name + SCALE in scales):
            faults.append(f"{name} is {dtype} where {', '.join(DTYPES.values())} is expected")
    if faults:
        listed = "; ".join(sorted(faults)[:10]) + ("; …" if len(faults) > 10 else "")
        raise CheckpointError(f"{path} does not fit the model of its config: {listed}. {AGAIN}")


def assign(model: Seq2Seq, path: Path) -> None:
    """Gives `model` the tensors of a file whose header was checked.

    Raises:
        CheckpointError: for a number that is NaN or infinite.
    """
    from s2s_zoo.layers.kernels import native

    tensors = parse_tensors(path.read_bytes())
    for name, weight in weights_by_name(model).items():
        values = tensors[name]
        axis = channel_axis(name, values.shape) if values.dtype == "int8" else None
        if axis is not None:
            scales = tensors[name + SCALE].astype("float32")
            check_finite(scales, name + SCALE, path)
            values = dequantize(values, scales, axis)
        else:
            check_finite(values, name, path)
        weight.assign(native.tensor(values, weight.dtype))


def check_finite(values: np.ndarray, name: str, path: Path) -> None:
    """Raises CheckpointError if a number of a tensor of floats is NaN or infinite."""
    numbers = values.reshape(-1, order="A")
    exponent = {"float16": 0x7C00, "bfloat16": 0x7F80}.get(values.dtype.name)
    for i in range(0, numbers.size, BLOCK):
        block = numbers[i : i + BLOCK]
        if exponent is None:
            finite = np.isfinite(block).all()
        else:  # ten times as fast as `isfinite`, which makes other floats of them
            finite = (block.view("uint16") & exponent).max() < exponent
        if not finite:
            raise CheckpointError(
                f"{path}: {name} holds numbers that are NaN or infinite, with which a model "
                "answers nothing. Use a checkpoint of a training that went well."
            )


def check_numbers(
    config: Config, shapes: Collection[Sequence[int]], but: Collection[str] = ()
) -> None:
    """Raises ValueError unless the numbers of a config are of the size of the weights it is for.

    Args:
        config: dict, of `Seq2Seq`.
        shapes: those of the tensors. A stack cannot be higher than there are tensors, nor can
            another number be beyond their longest side and `LARGEST`.
        but: keys of numbers that may be anything.
    """
    longest = max((side for shape in shapes for side in shape), default=0)
    places: list[tuple[str, Any]] = [("config", config)]
    while places:
        key, value = places.pop()
        if isinstance(value, dict):
            places += value.items()
        elif isinstance(value, list | tuple):
            places += [(key, item) for item in value]
        elif not isinstance(value, int | float) or key in but:
            continue
        elif key == "layers" and value > min(MOST_LAYERS, len(shapes)):
            raise ValueError(
                f"{value!r:.30} layers, where there are {len(shapes)} tensors, and no model has "
                f"more than {MOST_LAYERS}."
            )
        elif not abs(value) <= (most := max(LARGEST, longest)):
            raise ValueError(f"{key}={value!r:.30}, where the weights allow {most} at most.")


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns {name: shape} of the model of a config, none of it allocated."""
    import keras

    from s2s_zoo.model.seq2seq import Seq2Seq

    def build():
        with keras.StatelessScope(initialize_variables=False):
            weights = weights_by_name(Seq2Seq.from_config(config))
            return {name: tuple(weight.shape) for name, weight in weights.items()}

    # Keras keeps the variables that a scope left without values in a list of the thread, and
    # gives them values when the next scope ends: they go with a thread of their own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(build).result()
