"""`pytorch_model.bin`, its pickle read as data.

A pickle is a program. This one is not run: its opcodes are read one by one, those of plain data and
the few functions below, which are ours; anything else is refused.
"""

import io
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import AGAIN, Tensors, tensor_at
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.safetensors_file import MAX_RANK

ENCRYPTED = 1  # the bit of an entry of a zip
MAX_PICKLE = 4 << 20  # bytes; a tensor takes about two hundred
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


class _Strided(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def _rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise pickle.UnpicklingError("a tensor without a shape")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in numbers):
        raise pickle.UnpicklingError("a tensor with a negative or no whole number")
    return _Strided(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(data, *_):
    return data


def _ordered(items=()):
    return dict(map(_entry, items))


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
}
# Opcodes that put something on the stack: what their argument says, or this.
VALUES = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING")),
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_opcodes(file: io.BytesIO) -> Any:
    """Returns what a pickle describes, and leaves the file behind its end.

    Raises:
        CheckpointError: if it asks for anything but tensors.
        ValueError, LookupError, TypeError, pickle.UnpicklingError: if it is no pickle.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []  # what was on the stack at each mark
    memo: dict[int, Any] = {}

    def since_mark():
        nonlocal stack
        found, stack = stack, below.pop()
        return found

    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in VALUES:
            make = VALUES[name]
            stack.append(make() if make else argument)
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else _expect(argument, int)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[_expect(argument, int)])
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name == "TUPLE":
            items = tuple(since_mark())  # before the stack is another
            stack.append(items)
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [_several(stack, TUPLES[name])]
        elif name in ("APPEND", "APPENDS"):
            found = [stack.pop()] if name == "APPEND" else since_mark()
            _expect(stack[-1], list).extend(found)
        elif name in ("SETITEM", "SETITEMS"):
            found = [stack.pop(-2), stack.pop()] if name == "SETITEM" else since_mark()
            pairs = zip(found[::2], found[1::2], strict=True)
            _expect(stack[-1], dict).update(map(_entry, pairs))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            words = argument.split(" ") if argument else [stack.pop(-2), stack.pop()]
            stack.append(_allowed(*words))
        elif name == "REDUCE":
            arguments = _expect(stack.pop(), tuple)
            if not callable(stack[-1]):
                raise pickle.UnpicklingError("a call of no function")
            stack[-1] = stack[-1](*arguments)
        elif name == "BINPERSID":
            stack.append(_stored(_expect(stack.pop(), tuple)))
        elif name == "BUILD":  # attributes of a dict, which no weights need
            stack.pop()
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise CheckpointError(
                f"holds the opcode {name}, which no weights need. It was refused and nothing was "
                "run. Do not use this checkpoint."
            )


def _allowed(module, name):
    if (module, name) not in ALLOWED:
        raise CheckpointError(
            f"asks for {module}.{name}, which no weights need. It was refused and nothing was "
            "run. Do not use this checkpoint."
        )
    return ALLOWED[module, name]


def _stored(saved_id):
    kind, dtype, key, _, _, *view = saved_id
    known = isinstance(dtype, str) and dtype in STORAGES.values()
    if kind != "storage" or not known or not isinstance(key, str) or any(view):
        raise pickle.UnpicklingError("an unknown reference")
    return _Storage(key, dtype)


def _entry(pair):
    key, value = pair
    if not isinstance(key, str | int):
        raise pickle.UnpicklingError("a dict whose keys are no names")
    return key, value


def _expect(value, kind):
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _several(stack, count):
    if len(stack) < count:
        raise IndexError("too little on the stack")
    return tuple(stack[-count:])


def read_pickle(path: Path) -> Tensors:
    """Returns {name: Tensor} of a file that `torch.save` wrote, of either of its formats.

    Raises:
        CheckpointError: if the pickle asks for anything but tensors, or is truncated or corrupt.
    """
    try:
        with warnings.catch_warnings():  # of an escape that Python does not know, in some text
            warnings.simplefilter("ignore", DeprecationWarning)
            found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from error
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        OSError,
    ) as error:
        raise CheckpointError(
            f"{path} is truncated, or no file of PyTorch weights: {error!r:.200}. {AGAIN}"
        ) from error
    return found


def _read_zip(path):
    """The format of torch 1.6 and later: a zip whose entries are stored as they are."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        entries = archive.infolist()
        (pickled,) = (entry for entry in entries if entry.filename.endswith("data.pkl"))
        folder, places, sizes = pickled.filename.removesuffix("data.pkl"), {}, {}
        numbers = [entry for entry in entries if entry.filename.startswith(f"{folder}data/")]
        for entry in (pickled, *numbers):
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
                raise ValueError(f"{entry.filename} is compressed or encrypted")
            file.seek(entry.header_offset + 26)
            lengths = file.read(4)
            skipped = sum(int.from_bytes(lengths[i : i + 2], "little") for i in (0, 2))
            key = entry.filename.removeprefix(f"{folder}data/")
            places[key] = entry.header_offset + 30 + skipped
            sizes[key] = entry.file_size
            if places[key] + sizes[key] > size:
                raise EOFError(f"{entry.filename} is cut off")
        if pickled.file_size > MAX_PICKLE:
            raise ValueError(f"data.pkl has more than {MAX_PICKLE:,} bytes")
        state = read_opcodes(io.BytesIO(archive.read(pickled)))
    return _tensors(path, state, places, sizes)


def _read_legacy(path):
    """The format before torch 1.6: pickles one after the other, then the numbers."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = io.BytesIO(file.read(MAX_PICKLE))
        if read_opcodes(head) != LEGACY_MAGIC:
            raise ValueError("the magic number is another")
        read_opcodes(head)  # the version of the protocol
        read_opcodes(head)  # the machine it was written on
        state, keys = (read_opcodes(head) for _ in range(2))
        widths = {
            value.storage.key: value.storage.dtype
            for value in _expect(state, dict).values()
            if isinstance(value, _Strided)
        }
        places, sizes = {}, {}
        file.seek(head.tell())
        for key in _expect(keys, list):
            _expect(key, str)
            numbers = int.from_bytes(file.read(8), "little")
            places[key] = file.tell()
            sizes[key] = numbers * _width(widths.get(key, "float32"))
            if places[key] + sizes[key] > size:
                raise EOFError(f"the storage {key:.80} is cut off")
            file.seek(sizes[key], io.SEEK_CUR)
    return _tensors(path, state, places, sizes)


def _tensors(path, state, places, sizes):
    tensors = {}
    for name, value in _expect(state, dict).items():
        if not isinstance(value, _Strided):
            continue
        storage, offset, shape, strides = value
        width = _width(storage.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if (last + 1) * width > sizes[storage.key]:
            raise ValueError(f"{name} is longer than its storage")
        if not _is_apart(shape, strides):
            raise ValueError(f"{name} has several numbers in one place")
        start = places[storage.key] + offset * width
        tensors[str(name)] = tensor_at(path, start, storage.dtype, shape, strides)
    return tensors


def _is_apart(shape, strides):
    """Whether every number has a place of its own: a shape can be no larger than its file then."""
    taken = 0
    for step, n in sorted((step, n) for n, step in zip(shape, strides, strict=True) if n != 1):
        if step <= taken:
            return False
        taken += (n - 1) * step
    return 0 not in shape


def _width(dtype):
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
