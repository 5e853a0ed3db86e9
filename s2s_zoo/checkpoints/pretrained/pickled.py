"""`pytorch_model.bin` by an unpickler that can build tensors and nothing else.

A pickle is a program. This one may only name the few functions below, which are ours, and the
dtypes; anything else it asks for is refused before it is called.
"""

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import AGAIN, Tensor, Tensors, tensor_at
from s2s_zoo.protocol.errors import CheckpointError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class _Storage(NamedTuple):
    key: str
    dtype: str
    numbers: int


class _Strided(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def _rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _Strided(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _rebuild_parameter(data, *_):
    return data


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise CheckpointError(
                f"asks for {module}.{name}, which no weights need. It was refused and nothing was "
                "run. Do not use this checkpoint."
            )
        return ALLOWED[module, name]

    def persistent_load(self, saved_id):
        kind, dtype, key, _, numbers, *view = saved_id
        if kind != "storage" or dtype not in STORAGES.values() or any(view):
            raise pickle.UnpicklingError(f"an unknown reference {saved_id!r:.80}")
        return _Storage(str(key), dtype, int(numbers))


def read_pickle(path: Path) -> Tensors:
    """Returns {name: Tensor} of a file that `torch.save` wrote, of either of its formats.

    Raises:
        CheckpointError: if the pickle asks for anything but tensors, or is truncated or corrupt.
    """
    try:
        found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from error
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise CheckpointError(
            f"{path} is truncated, or no file of PyTorch weights: {error!r}. {AGAIN}"
        ) from error
    return found


def _read_zip(path):
    """The format of torch 1.6 and later: a zip whose entries are stored as they are."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        state = _Unpickler(io.BytesIO(archive.read(name))).load()
        folder, places, sizes = name.removesuffix("data.pkl"), {}, {}
        with path.open("rb") as file:
            for entry in archive.infolist():
                if not entry.filename.startswith(f"{folder}data/"):
                    continue
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{entry.filename} is compressed")
                file.seek(entry.header_offset + 26)
                lengths = file.read(4)
                skipped = sum(int.from_bytes(lengths[i : i + 2], "little") for i in (0, 2))
                key = entry.filename.removeprefix(f"{folder}data/")
                places[key] = entry.header_offset + 30 + skipped
                sizes[key] = entry.file_size
    return _tensors(path, state, places, sizes)


def _read_legacy(path):
    """The format before torch 1.6: pickles one after the other, then the numbers."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != LEGACY_MAGIC:
            raise ValueError("the magic number is another")
        _Unpickler(file).load()  # the version of the protocol
        _Unpickler(file).load()  # the machine it was written on
        state = _Unpickler(file).load()
        keys = _Unpickler(file).load()
        widths = {
            value.storage.key: value.storage.dtype
            for value in state.values()
            if isinstance(value, _Strided)
        }
        places, sizes, size = {}, {}, path.stat().st_size
        for key in map(str, keys):
            numbers = int.from_bytes(file.read(8), "little")
            places[key] = file.tell()
            sizes[key] = numbers * _width(widths.get(key, "float32"))
            if places[key] + sizes[key] > size:
                raise EOFError(f"the storage {key} is cut off")
            file.seek(sizes[key], io.SEEK_CUR)
    return _tensors(path, state, places, sizes)


def _tensors(path, state, places, sizes):
    if not isinstance(state, dict):
        raise ValueError("no dict of tensors")
    tensors = {}
    for name, value in state.items():
        if not isinstance(value, _Strided):
            continue
        storage, offset, shape, strides = value
        width = _width(storage.dtype)
        if len(shape) != len(strides) or min((offset, *shape, *strides)) < 0:
            raise ValueError(f"{name} has no shape")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if (last + 1) * width > sizes[storage.key]:
            raise ValueError(f"{name} is longer than its storage")
        start = places[storage.key] + offset * width
        tensors[str(name)] = Tensor(
            shape, tensor_at(path, start, storage.dtype, shape, strides).read
        )
    return tensors


def _width(dtype):
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
