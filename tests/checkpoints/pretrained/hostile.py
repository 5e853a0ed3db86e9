"""Folders in the layout of transformers that somebody made up: functions that spoil a good one.

Each takes the directory of a copy. `BOMBS` took all memory, or all time, before they were refused;
`WRONG` loaded without a word, or ended in an error that says nothing.
"""

import io
import json
import pickle
import shutil
import struct
import zipfile

import numpy as np
from safetensors.numpy import load_file, save_file

BOMBS, WRONG = {}, {}  # {name: (function, pattern of the error)}
FC1 = "model.encoder.layers.0.fc1.weight"
SHARED = "model.shared.weight"


def bomb(pattern):
    return _registered(BOMBS, pattern)


def wrong(pattern):
    return _registered(WRONG, pattern)


def _registered(table, pattern):
    def register(function):
        table[function.__name__] = function, pattern
        return function

    return register


def several(table, pattern, name, function, changes):
    """The same thing with different values."""
    for key, value in changes.items():
        table[f"{name}_{key}"] = (lambda folder, value=value: function(folder, value)), pattern


def edit(folder, name="config.json", **changes):
    path = folder / name
    value = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**value, **changes}))


def tensors_of(folder):
    return load_file(folder / "model.safetensors")


def write_header(folder, header, numbers):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(data)) + data + numbers)


def header_of(folder):
    data = (folder / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def change_header(folder, change):
    header, numbers = header_of(folder)
    change(header)
    write_header(folder, header, numbers)


def zipped(data, entries=(), method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in entries:
            archive.writestr(f"archive/data/{name}", content)
    return file.getvalue()


def _written(archive, place, byte):
    """A zip with another byte in its entry of the directory at the end."""
    place += archive.index(b"PK\x01\x02")
    return archive[:place] + bytes([byte]) + archive[place + 1 :]


def pickled(folder, data):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)


# ---- pickles


def strided(name, key, numbers, shape, strides, offset=0):
    """The opcodes of {name: tensor} with strides, as torch writes them."""

    def number(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    storage += number(numbers) + b"tQ"
    sizes, steps = (b"(" + b"".join(map(number, x)) + b"t" for x in (shape, strides))
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + sizes + steps
    tensor += b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}" + text(name) + tensor + b"s."


MEMO = b"\x80\x02}r" + struct.pack("<I", 0xFFFFFFF0) + b"."


def nested(depth=60):
    """A dict whose key is a tuple of itself twice, `depth` times: hashing it takes for ever."""
    return b"\x80\x02})" + b"".join(b"q\x00h\x00\x86" for _ in range(depth)) + b"Ns."


PICKLES = {
    "memo": MEMO,
    "memo_zipped": zipped(MEMO),
    "bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b".",
    "dicts": b"\x80\x02" + b"}" * (8 << 20) + b".",
    "dicts_zipped": zipped(b"\x80\x02" + b"}" * (8 << 20) + b"."),
    "inflated": zipped(b"\x80\x02" + b"N" * (3 << 28) + b".", method=zipfile.ZIP_DEFLATED),
    "hash": nested(),
    "hash_zipped": zipped(nested()),
    "zero_strides": zipped(strided(FC1, "0", 1, (1 << 20, 1 << 20), (0, 0)), [("0", bytes(4))]),
    "long_storage": zipped(strided(FC1, "0", 1 << 40, (1 << 40,), (1,)), [("0", bytes(4))]),
}
several(BOMBS, r"pytorch_model.bin (is truncated|holds)", "pickle", pickled, PICKLES)
# As wrong as these, and no bombs.
several(
    WRONG,
    "pytorch_model.bin (is truncated|asks for|holds)",
    "pickle",
    pickled,
    {
        "empty": b"",
        "no_stop": b"\x80\x02}",
        "nothing_on_the_stack": b"\x80\x02.",
        "no_mark": b"\x80\x02t.",
        "no_dict": b"\x80\x02N.",
        "builtins": pickle.dumps({"x": print}),
        "odd_items": b"\x80\x02}(K\x01u.",
        "key_is_a_list": b"\x80\x02}]Ns.",
        "call_of_a_text": b"\x80\x02X\x01\x00\x00\x00x)R.",
        "negative": zipped(strided(FC1, "0", 9, (-3, -3), (3, 1)), [("0", bytes(36))]),
        "before_its_storage": zipped(strided(FC1, "0", 9, (3,), (1,), -4), [("0", bytes(36))]),
        "in_one_place": zipped(strided(FC1, "0", 9, (3, 3), (1, 1)), [("0", bytes(36))]),
        "no_storage": zipped(strided(FC1, "1", 9, (3, 3), (3, 1)), [("0", bytes(36))]),
        "deflated": zipped(strided(FC1, "0", 9, (3,), (1,)), method=zipfile.ZIP_DEFLATED),
        "bzip2": zipped(strided(FC1, "0", 9, (3,), (1,)), method=zipfile.ZIP_BZIP2),
        "two_pickles": zipped(MEMO, [("data.pkl", MEMO)]),
        "encrypted": _written(zipped(MEMO), 8, 1),
        "unknown_method": _written(zipped(MEMO), 10, 99),
    },
)


# ---- safetensors


def _offsets(folder, place):
    header, numbers = header_of(folder)
    entries = [value for name, value in header.items() if name != "__metadata__"]
    entry = sorted(entries, key=lambda entry: entry["data_offsets"])[1]
    begin, end = entry["data_offsets"]
    entry["data_offsets"] = place(begin, end)
    write_header(folder, header, numbers)


several(
    WRONG,
    "model.safetensors is no safetensors file",
    "offsets",
    _offsets,
    {
        "negative": lambda begin, end: [-4, end],
        "overlapping": lambda begin, end: [begin - 4, end],
        "turned_round": lambda begin, end: [end, begin],
        "too_short": lambda begin, end: [begin, end - 4],
        "fraction": lambda begin, end: [float(begin), end],
        "one": lambda begin, end: [begin],
        "text": lambda begin, end: "ab",
        "true": lambda begin, end: [True, end],
    },
)


def _entry(folder, changes):
    change_header(folder, lambda header: header[FC1].update(changes))


several(
    WRONG,
    r"model.safetensors is (no safetensors file|truncated)|fc1.weight is \w+ where",
    "entry",
    _entry,
    {
        "of_whole_numbers": {"dtype": "I32"},
        "of_truth": {"dtype": "BOOL"},
        "half_as_wide": {"dtype": "F16"},
        "of_an_unknown_kind": {"dtype": "F4"},
        "of_a_fractional_shape": {"shape": [24.0, 16]},
        "of_a_negative_shape": {"shape": [-24, -16]},
        "of_many_sides": {"shape": [1] * 64},
        "of_no_shape": {"shape": None},
        "of_a_vast_shape": {"shape": [1 << 62, 1 << 62]},
    },
)


@wrong("model.safetensors is no safetensors file")
def header_nested(folder):
    write_header(folder, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, bytes(8))


@wrong("a header of 314,572,800 bytes")
def header_of_300_mb(folder):
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 300 << 20))
        file.truncate(301 << 20)  # no room on the disk


@wrong("is truncated")
def header_alone(folder):
    write_header(folder, {}, b"")


def _numbers(folder, value):
    tensors = tensors_of(folder)
    tensors[FC1] = tensors[FC1].copy()
    tensors[FC1][3, 5] = value
    save_file(tensors, folder / "model.safetensors")


several(
    WRONG,
    "fc1.weight holds numbers that are NaN or infinite",
    "weights",
    _numbers,
    {"nan": np.nan, "infinite": np.inf, "minus_infinite": -np.inf},
)


@wrong("fc1.weight holds numbers that are NaN or infinite")
def weights_beyond_float32(folder):
    tensors = tensors_of(folder)
    tensors[FC1] = tensors[FC1].astype("float64") + 1e300
    save_file(tensors, folder / "model.safetensors")


@wrong("model.safetensors is a link out of its directory")
def link(folder):
    shutil.move(folder / "model.safetensors", folder.parent / f"{folder.name}.elsewhere")
    (folder / "model.safetensors").symlink_to(folder.parent / f"{folder.name}.elsewhere")


# ---- HDF5


def _h5(folder, change):
    import h5py

    tensors = tensors_of(folder)
    (folder / "model.safetensors").unlink()
    with h5py.File(folder / "tf_model.h5", "w") as file:
        change(folder, file, tensors)
        for name, value in tensors.items():
            file[f"model/{name.removeprefix('model.').replace('.', '/')}:0"] = value


def _external(folder, file, tensors):
    value = tensors.pop(SHARED)
    place = folder.parent / f"{folder.name}.secret"
    place.write_bytes(value.tobytes())
    places = [(str(place), 0, value.nbytes)]
    file.create_dataset("model/shared/weight:0", value.shape, value.dtype, external=places)


def _virtual(folder, file, tensors):
    import h5py

    value = tensors.pop(SHARED)
    layout = h5py.VirtualLayout(value.shape, value.dtype)
    layout[:] = h5py.VirtualSource(folder.parent / "other.h5", "x", value.shape)
    file.create_virtual_dataset("model/shared/weight:0", layout)


def _linked(folder, file, tensors):
    import h5py

    del tensors[SHARED]
    file["model/shared/weight:0"] = h5py.ExternalLink(str(folder.parent / "other.h5"), "x")


def _soft(folder, file, tensors):
    import h5py

    file["model/again"] = h5py.SoftLink("/model/shared/weight:0")


def _unwritten(chunks):
    def change(folder, file, tensors):
        del tensors[FC1]
        place = "model/encoder/layers/0/fc1/weight:0"
        file.create_dataset(place, (1 << 18, 1 << 18), "float32", chunks=chunks)

    return change


def _packed(folder, file, tensors):
    value = tensors.pop(SHARED)
    file.create_dataset("model/shared/weight:0", data=value, compression="gzip")


def _texts(folder, file, tensors):
    import h5py

    del tensors[SHARED]
    file.create_dataset("model/shared/weight:0", data=["a", "b"], dtype=h5py.string_dtype())


def _empty(folder, file, tensors):
    import h5py

    del tensors[SHARED]
    file["model/shared/weight:0"] = h5py.Empty("float32")


several(
    BOMBS,
    "tf_model.h5 keeps .* elsewhere, or packed",
    "h5",
    _h5,
    {"unwritten": _unwritten(None), "unwritten_chunks": _unwritten((1 << 10, 1 << 10))},
)
several(
    WRONG,
    "tf_model.h5 keeps .* elsewhere, or packed",
    "h5",
    _h5,
    {
        "external": _external,
        "virtual": _virtual,
        "external_link": _linked,
        "soft_link": _soft,
        "packed": _packed,
        "empty": _empty,
    },
)
several(WRONG, r"shared.weight is \(2,\) where", "h5", _h5, {"texts": _texts})
