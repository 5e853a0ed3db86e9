"""Files of a folder of theirs that somebody made up: nothing but our own error comes of them.

19,000 inputs with `--hypothesis-profile fuzz`, a twentieth of them without. As in
`tests/checkpoints/test_fuzz.py`, nearly all are good files with one or two things changed. What is
read by C++ is read in a process of its own, 8,000 files in each of three tests.
"""

import io
import json
import shutil
import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained.ctranslate2_file import read_model
from s2s_zoo.checkpoints.pretrained.limits import check_tokenizer
from s2s_zoo.checkpoints.pretrained.npz_file import read_npz
from s2s_zoo.checkpoints.pretrained.pickled import read_pickle
from s2s_zoo.checkpoints.pretrained.vocabularies import read_numbered, read_pieces_list
from s2s_zoo.protocol.safetensors_file import read_places
from tests.checkpoints.pretrained.hostile import header_of, strided, write_header, zipped
from tests.checkpoints.pretrained.test_limits import DOUBLING, made
from tests.checkpoints.test_fuzz import (
    CHANGES,
    NOISE,
    change,
    encode,
    fuzz,
    garble,
    is_refused_properly,
)

pytestmark = pytest.mark.fuzz
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
PICKLES = [strided("a", "0", 9, (3, 3), (3, 1)), LEGACY]


@pytest.fixture(scope="module")
def folder(hub_marian, tmp_path_factory):
    return shutil.copytree(hub_marian, tmp_path_factory.mktemp("fuzz") / "theirs")


def loads_or_refuses(folder):
    """Warnings name what is not done, which is right."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        is_refused_properly(from_pretrained, folder)


@fuzz(400)
@given(
    changes=CHANGES,
    name=st.sampled_from(["config.json"] * 3 + ["generation_config.json", "tokenizer_config.json"]),
)
def test_settings(hub_marian, folder, changes, name):
    path = folder / name
    path.write_bytes(encode(change(json.loads((hub_marian / name).read_text()), changes)))
    try:
        loads_or_refuses(folder)
    finally:
        shutil.copy(hub_marian / name, path)


@fuzz(200)
@given(changes=CHANGES)
def test_vocabulary(hub_marian, folder, changes):
    path = folder / "vocab.json"
    path.write_bytes(encode(change(json.loads((hub_marian / path.name).read_text()), changes)))
    try:
        loads_or_refuses(folder)
    finally:
        shutil.copy(hub_marian / path.name, path)


@fuzz(5000)
@given(changes=CHANGES)
def test_header(hub_marian, tmp_path_factory, changes):
    header, numbers = header_of(hub_marian)
    folder = tmp_path_factory.getbasetemp()
    write_header(folder, encode(change(header, changes)), numbers)
    is_refused_properly(read_places, folder / "model.safetensors")


@fuzz(5000)
@given(noise=NOISE, which=st.sampled_from([0, 1]), packed=st.booleans())
def test_pickle(tmp_path_factory, noise, which, packed):
    data = PICKLES[which]
    path = tmp_path_factory.getbasetemp() / "pytorch_model.bin"
    path.write_bytes(garble(zipped(data, [("0", bytes(36))]) if packed else data, noise))
    is_refused_properly(read_pickle, path)


def text(name):
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def of_ctranslate2():
    """A small model.bin: a matrix in bytes, its scale, an attribute, and a second name."""
    variables = (
        ("a/weight", (2, 3), 1, bytes(range(6))),
        ("a/weight_scale", (2,), 0, struct.pack("<2f", 1, 2)),
        ("decoder/num_heads", (), 2, struct.pack("<h", 2)),
    )
    data = struct.pack("<I", 6) + text("TransformerSpec") + struct.pack("<II", 7, len(variables))
    for name, shape, kind, numbers in variables:
        axes = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        data += text(name) + axes + struct.pack("<BI", kind, len(numbers)) + numbers
    return data + struct.pack("<I", 1) + text("b/weight") + text("a/weight")


def of_marian():
    """A small .npz, of a matrix in either order and of settings."""
    file, ones = io.BytesIO(), np.ones((2, 3), "float32")
    settings = np.frombuffer(b"type: transformer\n", "int8")
    np.savez(file, Wemb=ones, other=np.asfortranarray(ones), **{"special:model.yml": settings})
    return file.getvalue()


@fuzz(3000)
@given(noise=NOISE, reader=st.sampled_from([read_model, read_npz]))
def test_models_of_other_programs(tmp_path_factory, noise, reader):
    path = tmp_path_factory.getbasetemp() / "model.other"
    path.write_bytes(garble({read_model: of_ctranslate2, read_npz: of_marian}[reader](), noise))
    is_refused_properly(reader, path)


@fuzz(2000)
@given(noise=NOISE)
def test_vocabularies_of_other_programs(noise):
    good = b'"a": 0\n? "\\L"\n: 1\n\'b\': 2\nc: 3\n'
    is_refused_properly(lambda data: read_numbered("x.yml", data), garble(good, noise))
    listed = garble(b'["a", "b"]', noise)
    is_refused_properly(lambda data: read_pieces_list("x.json", data), listed)


@fuzz(1400)
@given(changes=CHANGES)
def test_tokenizer_json(changes):
    pre_tokenizer = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Isolated"}
    normalizer = {**DOUBLING, "normalizers": DOUBLING["normalizers"][:2]}
    good = json.loads(made(normalizer=normalizer, pre_tokenizer=pre_tokenizer))
    is_refused_properly(check_tokenizer, encode(change(good, changes)))


@pytest.fixture(scope="module")
def processor(hub_marian):
    return from_pretrained(hub_marian).processor


@fuzz(2000)
@given(text=st.text(max_size=200))
def test_texts_of_an_imported_model(processor, text):
    """Any text becomes ids of the vocabulary, and any of these ids a text."""
    [row] = processor.encode_source([text])
    assert row.min() >= 0 and row.max() < processor.source_tokenizer.vocabulary_size
    ids = np.frombuffer(text.encode("utf-8", "replace"), "uint8") % len(processor.order)
    [found] = processor.target_tokenizer.decode([ids])
    assert isinstance(found, str)


READ = """
import os, random, resource, sys
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.tokenizers import read_pieces
from s2s_zoo.checkpoints.pretrained.weights import read_h5
from s2s_zoo.protocol.errors import S2SZooError

kind, good, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
data, spoilt = good.read_bytes(), good.with_name(f"spoilt-{good.name}")
resource.setrlimit(resource.RLIMIT_AS, (8 << 30,) * 2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what SentencePiece has to say
loaded = 0
for number in range(count):
    rng = random.Random(number)
    place = number % len(data)
    byte = rng.choice([data[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
    changed = data[:place] + bytes([byte]) + data[place + 1 :]
    print(number, flush=True)
    try:
        if kind == "h5":
            spoilt.write_bytes(changed)
            for tensor in read_h5(spoilt).values():
                try:
                    tensor.read()
                except Exception:
                    pass  # `matching.assign` names the tensor
        else:
            pieces = read_pieces({"x": changed}, "x")
            pieces.decode(pieces.encode("ein kleiner Hund rennt 在公园里 ﬁn"))
        loaded += 1
    except S2SZooError:
        pass
print("loaded", loaded)
"""


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["pieces", "rules", "h5"])
def test_files_that_are_read_by_other_languages(tmp_path, kind):
    """Byte by byte: no process dies of one."""
    if kind == "h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(io.BytesIO(), "w") as file:
            file["model/shared/weight:0"] = np.ones((4, 3), "float32")
            file["model/encoder/fc1/kernel:0"] = np.ones((3, 4), "float32")
            file.flush()
            data = file.id.get_file_image()
    else:
        from tests.checkpoints.pretrained.lines import pieces_model

        rule = "identity" if kind == "pieces" else "nmt_nfkc"
        data = pieces_model(120, normalization_rule_name=rule)[0]
    good = tmp_path / "good"
    good.write_bytes(data)
    command = [sys.executable, "-c", READ, kind, str(good), "8000"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stdout[-100:]
    loaded = int(ran.stdout.split()[-1])
    assert 0 < loaded < 8000
