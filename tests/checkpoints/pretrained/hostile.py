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


# ---- configs


def _config(folder, changes):
    edit(folder, **changes)


NOT_A_MODEL = (
    r"config.json|holds no encoder|The weights in|The tokenizer has|A checkpoint (needs|expected)"
)
several(
    BOMBS,
    NOT_A_MODEL,
    "config",
    _config,
    {
        "vocabulary": {"vocab_size": 1 << 40},
        "width": {"d_model": 1 << 40},
        "feed_forward": {"encoder_ffn_dim": 1 << 36},
        "million_layers": {"encoder_layers": 1_000_000},
        "thousand_layers": {"encoder_layers": 1_000, "decoder_layers": 1_000},
        "heads": {"encoder_attention_heads": 1 << 40},
        "decoder_vocabulary": {
            "share_encoder_decoder_embeddings": False,
            "decoder_vocab_size": 1 << 40,
        },
    },
)


def _t5(folder, changes):
    """As a T5, which is refused for its tensors at the latest."""
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "d_kv": 8}
    config |= {"d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    edit(folder, **{**config, **changes})
    shutil.copy(folder / "source.spm", folder / "spiece.model")


several(
    BOMBS,
    NOT_A_MODEL,
    "t5",
    _t5,
    {
        "distance": {"relative_attention_max_distance": 10**10},
        "buckets": {"relative_attention_num_buckets": 1 << 40},
        "layers": {"num_layers": 10**9},
    },
)


@bomb("tokenizer_config.json expected extra_ids from 0 to 9,999")
def t5_extra_ids(folder):
    _t5(folder, {})
    edit(folder, "tokenizer_config.json", extra_ids=10**9)


@bomb("The tokenizer has ids up to 10000000000")
def vocabulary_of_a_vast_id(folder):
    edit(folder, "vocab.json", x=10**10)


several(
    WRONG,
    NOT_A_MODEL,
    "config",
    _config,
    {
        "no_end": {"eos_token_id": []},
        "end_is_text": {"eos_token_id": "x"},
        "no_padding": {"pad_token_id": None},
        "negative_padding": {"pad_token_id": -1},
        "architectures_are_a_number": {"architectures": 5},
        "architectures_of_numbers": {"architectures": [5]},
        "start_far_beyond": {"decoder_start_token_id": 10**9},
        "start_before": {"decoder_start_token_id": -5},
        "start_is_a_list": {"decoder_start_token_id": [1]},
        "layers_are_text": {"encoder_layers": "2"},
        "no_layers": {"encoder_layers": 0},
        "no_heads": {"encoder_attention_heads": 0},
        "negative_heads": {"encoder_attention_heads": -2},
        "dropout_is_nan": {"dropout": float("nan")},
        "width_is_infinite": {"d_model": float("inf")},
        "activation_is_a_list": {"activation_function": ["gelu"]},
        "negative_length": {"max_position_embeddings": -64},
        "length_is_text": {"max_position_embeddings": "64"},
        "prefixes_are_a_list": {"task_specific_params": [1]},
        "no_model_type": {"model_type": ["marian"]},
    },
)
several(
    WRONG,
    NOT_A_MODEL,
    "t5",
    _t5,
    {
        "no_buckets": {"relative_attention_num_buckets": 0},
        "no_distance": {"relative_attention_max_distance": 0},
        "negative_distance": {"relative_attention_max_distance": -3},
        "projection_is_a_number": {"feed_forward_proj": 5},
    },
)


def _generation(folder, changes):
    edit(folder, "generation_config.json", **changes)


several(
    WRONG,
    "generation_config.json|expected ids of tokens",
    "generation",
    _generation,
    {
        "many_beams": {"num_beams": 20_000},
        "no_beams": {"num_beams": 0},
        "beams_are_text": {"num_beams": "4"},
        "beams_are_a_fraction": {"num_beams": 2.5},
        "infinite_penalty": {"length_penalty": float("inf")},
        "penalty_is_nan": {"length_penalty": float("nan")},
        "penalty_is_a_list": {"length_penalty": [1]},
        "negative_repetition": {"repetition_penalty": -1},
        "vast_ngrams": {"no_repeat_ngram_size": 1 << 40},
        "length_is_text": {"max_length": "x"},
        "banned_beyond": {"bad_words_ids": [[10**9]]},
        "banned_before": {"bad_words_ids": [[-1]]},
        "banned_are_numbers": {"bad_words_ids": [5]},
        "banned_are_nested": {"bad_words_ids": [[[3]]]},
        "suppressed_beyond": {"suppress_tokens": [10**9]},
        "suppressed_is_a_number": {"suppress_tokens": 5},
        "early_stopping_is_text": {"early_stopping": "sometimes"},
    },
)


# ---- tokenizers


def _vocabulary(folder, data):
    (folder / "vocab.json").write_text(data if isinstance(data, str) else json.dumps(data))


several(
    WRONG,
    "vocab.json",
    "vocabulary",
    _vocabulary,
    {
        "nested": '{"a":' * 50_000 + "1" + "}" * 50_000,
        "of_lists": {"<unk>": 1, "a": [1]},
        "of_fractions": {"<unk>": 1, "a": 1.5},
        "negative": {"<unk>": 1, "a": -1},
        "true": {"<unk>": True},
        "is_a_list": ["<unk>"],
        "empty": {},
        "of_a_long_piece": {"<unk>": 1, "a" * 2000: 2},
    },
)


def model_with(*fields):
    """A message of protocol buffers: (number, bytes) each."""

    def number(value):
        found = b""
        while value > 127:
            found += bytes([value & 127 | 128])
            value >>= 7
        return found + bytes([value])

    return b"".join(number(key << 3 | 2) + number(len(data)) + data for key, data in fields)


@wrong("source.spm is no SentencePiece model, or one that makes long texts of short ones: a rule")
def pieces_of_a_rule_that_multiplies(folder):
    rules = model_with((2, struct.pack("<I", 0) + b"x" * 100_000 + b"\0"))
    path = folder / "source.spm"
    path.write_bytes(path.read_bytes() + model_with((3, rules)))


@wrong("source.spm is no SentencePiece model, or one that makes long texts of short ones: a piece")
def pieces_of_a_long_piece(folder):
    path = folder / "source.spm"
    path.write_bytes(path.read_bytes() + model_with((1, model_with((1, b"x" * 100_000)))))


@wrong("source.spm is no SentencePiece model")
def pieces_cut_off(folder):
    path = folder / "source.spm"
    path.write_bytes(path.read_bytes()[:1000])
