"""Safetensors files: the header before the numbers, and never more of it than is allowed.

Eight bytes that say how long the header is, the header, which is JSON, and the numbers.
"""

import json
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN

Header: TypeAlias = dict[str, tuple[tuple[int, ...], str]]  # shape and dtype of each tensor
MAX_HEADER = 10 << 20  # bytes; a tensor takes about a hundred
MAX_RANK = 32
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of a name such as "float32", or "bfloat16", which numpy itself has not."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, name))


def read_header(path: Path) -> Header:
    """Returns {name: (shape, dtype)} of a safetensors file, in alphabetical order.

    Raises:
        CheckpointError: if the header is no such header, is longer than `MAX_HEADER`, or does not
            describe exactly the bytes that follow it.
    """
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        _check_length(path, int.from_bytes(file.read(8), "little"))
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_slice(name) for name in sorted(file.keys())}
            return {
                name: (tuple(tensor.get_shape()), tensor.get_dtype())
                for name, tensor in tensors.items()
            }
    except SafetensorError as error:
        raise CheckpointError(f"{path} is corrupt: {error}. {AGAIN}") from error


def read_places(path: Path) -> dict[str, tuple[int, str, tuple[int, ...]]]:
    """Returns {name: (offset, dtype of numpy, shape)} of a file that transformers wrote.

    Raises:
        CheckpointError: if it is no such file, its header is too long, it was cut off, or the
            tensors are not exactly the bytes that follow the header.
    """
    again = "Download the checkpoint again."
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            start = 8 + length
            if whole := start <= size:
                _check_length(path, length)
            header = json.loads(file.read(length)) if whole else {}
        header.pop("__metadata__", None)
        ends = [start + entry["data_offsets"][1] for entry in header.values()]
        if not ends or max(ends) != size:
            expected = f"{max(ends)} are expected" if ends else "its header is cut off"
            raise CheckpointError(f"{path} is truncated: {size} bytes where {expected}. {again}")
        places, end = {}, 0
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            _check_span(name, entry, end, size)
            begin, end = entry["data_offsets"]
            places[name] = (start + begin, DTYPES[entry["dtype"]], tuple(entry["shape"]))
        return places
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is no safetensors file: {error!r:.200}. {again}") from error


def _check_span(name, entry, end, size):
    """Raises ValueError unless a tensor begins where the one before ends and is as long as said."""
    shape, offsets = entry["shape"], entry["data_offsets"]
    if len(shape) > MAX_RANK or not all(type(n) is int and 0 <= n <= size for n in shape):
        raise ValueError(f"{name} has the shape {shape!r:.50}")
    width = numpy_dtype(DTYPES[entry["dtype"]]).itemsize
    if not all(type(n) is int for n in offsets) or offsets != [end, end + math.prod(shape) * width]:
        raise ValueError(
            f"{name} lies at {offsets!r:.50}, where {entry['dtype']} {shape} after byte {end} is "
            f"expected at {[end, end + math.prod(shape) * width]}"
        )


def parse_tensors(data: bytes) -> dict[str, np.ndarray]:
    """Returns {name: array} of the bytes of a safetensors file.

    Raises:
        ValueError: if they are no such file.
    """
    import safetensors

    try:
        found = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    return {
        name: np.frombuffer(tensor["data"], numpy_dtype(DTYPES[tensor["dtype"]])).reshape(
            tensor["shape"]
        )
        for name, tensor in found
    }


def parse_metadata(data: bytes) -> dict[str, str]:
    """Returns what the header of a safetensors file says beside its tensors."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _check_length(path: Path, length: int) -> None:
    if length > MAX_HEADER:
        raise CheckpointError(
            f"{path} is corrupt: a header of {length:,} bytes, where at most {MAX_HEADER:,} are "
            f"read. {AGAIN}"
        )
