"""The file model.bin of CTranslate2, read without the package."""

import struct
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import AGAIN, Tensor, Tensors, tensor_at
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.safetensors_file import MAX_RANK, numpy_dtype

VERSIONS = range(4, 7)  # of the file; before 4 a number did not say its type
DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
MOST_VARIABLES = 1 << 16
SCALE = "weight_scale"
SPECIFICATION = "specification"  # a tensor that holds no number: what kind of model, and which form


def read_model(path: Path) -> Tensors:
    """Returns {name: Tensor} of a model.bin; quantized matrices are float32 again.

    Attributes, such as "encoder/num_heads", are tensors without axes. One variable under a second
    name is the same `Tensor`.

    Raises:
        CheckpointError: for a file that is truncated, or of another version.
    """
    try:
        with path.open("rb") as file:
            found = _variables(file, path)
    except (struct.error, UnicodeDecodeError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no model of CTranslate2, or truncated: {error!s:.200}. {AGAIN}"
        ) from error
    for name in [name for name in found if name.endswith(f"/{SCALE}")]:
        _dequantize(found, name.removesuffix("_scale"), name)
    return found


def _variables(file: BinaryIO, path: Path) -> Tensors:
    [version] = _numbers(file, "I")
    if version not in VERSIONS:
        raise CheckpointError(
            f"{path} expected a model of CTranslate2, version {VERSIONS[0]} to {VERSIONS[-1]} of "
            f"the file. Received: {version}. Convert the original again with the present "
            "ctranslate2, or download the checkpoint again."
        )
    kind, [revision] = _text(file), _numbers(file, "I")
    size = path.stat().st_size
    found: Tensors = {SPECIFICATION: Tensor((), f"{kind} {revision}", partial(np.array, revision))}
    for _ in range(_count(file)):
        name, [rank] = _text(file), _numbers(file, "B")
        if rank > MAX_RANK:
            raise ValueError(f"{name:.80} has {rank} axes")
        shape = _numbers(file, f"{rank}I")
        kind_of, count = _numbers(file, "<BI")
        if kind_of >= len(DTYPES):
            raise ValueError(f"{name:.80} has an unknown type, {kind_of}")
        dtype, place = DTYPES[kind_of], file.tell()
        needed = int(np.prod(shape, dtype=object)) * numpy_dtype(dtype).itemsize if shape else count
        if needed != count or place + count > size:
            raise ValueError(f"{name:.80} has {count} bytes where {needed} are expected")
        found[name] = tensor_at(path, place, dtype, shape)
        file.seek(count, 1)
    for _ in range(_count(file)):
        alias, name = _text(file), _text(file)
        if name not in found:
            raise ValueError(f"{alias:.80} stands for {name:.80}, which is missing")
        found[alias] = found[name]
    return found


def _dequantize(found: Tensors, name: str, scale_name: str) -> None:
    """Replaces a matrix of whole numbers by what they stand for, wherever it is."""
    if name not in found:
        raise CheckpointError(f"model.bin has {scale_name} and no {name}. {AGAIN}")
    whole, scale = found[name], found.pop(scale_name)
    if whole.dtype not in ("int8", "int16"):  # the second name of one that was done
        return

    def read() -> np.ndarray:
        factors = np.asarray(scale.read(), "float32")
        factors = factors.reshape(-1, *[1] * (len(whole.shape) - 1)) if factors.ndim else factors
        return whole.read().astype("float32") / factors

    made = Tensor(whole.shape, "float32", read)
    for other in [other for other, tensor in found.items() if tensor is whole]:
        found[other] = made


def _count(file: BinaryIO) -> int:
    [count] = _numbers(file, "I")
    if count > MOST_VARIABLES:
        raise ValueError(f"{count} variables, where at most {MOST_VARIABLES} are read")
    return count


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    form = form if form.startswith("<") else f"<{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _text(file: BinaryIO) -> str:
    [length] = _numbers(file, "H")
    return file.read(length)[:-1].decode("utf-8")
