"""Files of a checkpoint that somebody made up: nothing but our own error comes of them.

20,700 inputs with `--hypothesis-profile fuzz`, a twentieth of them without, nearly all real files
with one or two things changed, which reach further than noise.
"""

import copy
import json
import shutil
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.contents import check_generation, check_opened, open_directory
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.checkpoints.weights import check_header
from s2s_zoo.data import TextProcessor
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.files import describe_file, read_json
from s2s_zoo.protocol.safetensors_file import read_header

pytestmark = pytest.mark.fuzz

ODD = [
    *(None, True, False, 0, -1, 1, 2, 3, 4, 1 << 31, 1 << 40, 1 << 63, 10**400, -(10**400)),
    *(0.5, -0.0, 1e308, float("inf"), float("nan")),
    *(
        "",
        "luong",
        "recurrent",
        "lstm",
        "model.safetensors",
        "../x",
        "/",
        "\0",
        "\ud800",
        "é" * 300,
    ),
    *("os.system", "keras.layers.Lambda", "F32", "BF16", "F64", "F4", "I64", "__metadata__"),
    *([], {}, [0, 8], [8, 0], [[]], [1 << 62, 4], [0], {"name": "luong"}, {"": None}),
]
GENERATION = {"length_penalty": 1.0, "suppress_tokens": [3], "top_k": 5, "max_length": None}
VALUES = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 999), st.sampled_from(["put", "add", "drop", "copy"]), VALUES),
    min_size=1,
    max_size=2,
)
NOISE = st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8), st.booleans())


def places(value, found):
    """Every (container, key) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, dict | list):
            places(inner, found)
    return found


def change(document, changes):
    """A copy of a JSON object with a few things put, added, dropped or copied elsewhere."""
    document = copy.deepcopy(document)
    for number, what, value in changes:
        found = places(document, [])
        if not found:
            break
        container, key = found[number % len(found)]
        value = copy.deepcopy(value)
        if what == "put":
            container[key] = value
        elif what == "drop":
            del container[key]
        elif what == "copy":
            other, its_key = found[number * 7 % len(found)]
            container[key] = copy.deepcopy(other[its_key])
        elif isinstance(container, dict):
            container[value if isinstance(value, str) else f"{key}_"] = value
        else:
            container.append(value)
    return document


def garble(data, noise):
    """Bytes with some written over, and the rest cut off or not."""
    place, written, cut = noise
    place %= len(data) + 1
    return data[:place] + written + (b"" if cut else data[place + len(written) :])


def encode(document):
    return json.dumps(document).encode("utf-8", "surrogatepass")


def fuzz(number):
    """Settings for a number of examples."""
    share = 1 if settings.get_current_profile_name() == "fuzz" else 20
    return settings(
        max_examples=number // share,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def is_refused_properly(function, *arguments):
    try:
        function(*arguments)
    except S2SZooError as error:
        assert str(error)


@pytest.fixture(scope="module")
def folder(tiny_checkpoint, tmp_path_factory):
    return shutil.copytree(tiny_checkpoint, tmp_path_factory.mktemp("fuzz") / "checkpoint")


class Good:
    """What the files of a checkpoint hold: JSON by file name, the header and what follows it."""

    def __init__(self, directory):
        self.json = {path.name: read_json(path) for path in directory.glob("*.json")}
        data = (directory / "model.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.header, self.values = json.loads(data[8 : 8 + length]), data[8 + length :]


@pytest.fixture(scope="module")
def good(tiny_checkpoint):
    return Good(tiny_checkpoint)


@fuzz(5000)
@given(changes=CHANGES)
def test_config(folder, good, changes):
    path = folder / "config.json"
    path.write_bytes(encode(change(good.json[path.name], changes)))
    is_refused_properly(lambda path: check_opened(open_directory(path), ("config.json",)), folder)


@fuzz(3000)
@given(changes=CHANGES)
def test_processor(folder, good, changes):
    path = folder / "processor.json"
    path.write_bytes(encode(change(good.json[path.name], changes)))
    is_refused_properly(TextProcessor.load, folder)


@fuzz(3000)
@given(changes=CHANGES)
def test_generation(folder, good, changes):
    path = folder / "generation.json"
    path.write_bytes(encode(change({**GENERATION, **good.json[path.name]}, changes)))
    is_refused_properly(lambda path: check_generation(read_json(path), path), path)


@fuzz(100)
@given(changes=CHANGES)
def test_pipeline(tiny_checkpoint, folder, good, changes):
    for path in tiny_checkpoint.iterdir():
        shutil.copy(path, folder)
    path = folder / "generation.json"
    path.write_bytes(encode(change({**GENERATION, **good.json[path.name]}, changes)))
    is_refused_properly(from_pretrained, folder)


@fuzz(5000)
@given(changes=CHANGES, length=st.sampled_from([0] * 9 + [1, -1, 7, 1 << 33, 1 << 63]))
def test_header(folder, good, changes, length):
    path = folder / "model.safetensors"
    header = encode(change(good.header, changes))
    length = (len(header) + length) % (1 << 64)
    path.write_bytes(struct.pack("<Q", length) + header + good.values)
    is_refused_properly(read_header, path)


@fuzz(4000)
@given(
    noise=NOISE,
    name=st.sampled_from(["config.json", "processor.json", "generation.json", "model.safetensors"]),
)
def test_bytes(tiny_checkpoint, folder, noise, name):
    path = folder / name
    path.write_bytes(garble((tiny_checkpoint / name).read_bytes(), noise))
    is_refused_properly(read_header if name.endswith("safetensors") else read_json, path)


@fuzz(500)
@given(changes=CHANGES)
def test_model(tiny_checkpoint, good, changes):
    """The shapes of a made up model, against the weights of the real one."""
    path = tiny_checkpoint / "model.safetensors"
    header = read_header(path)
    model = change(good.json["config.json"]["model"], changes)
    is_refused_properly(check_header, header, model, path)


@fuzz(100)
@given(changes=CHANGES, name=st.sampled_from(["config.json", "processor.json"]))
def test_whole_checkpoint(tiny_checkpoint, folder, good, changes, name):
    """With hashes that are right, as whoever makes a repository up would write them."""
    for path in tiny_checkpoint.iterdir():
        shutil.copy(path, folder)
    (folder / name).write_bytes(encode(change(good.json[name], changes)))
    config = read_json(folder / "config.json")
    files = config.get("files")
    if isinstance(files, dict):
        files["processor.json"] = describe_file(folder / "processor.json")
        (folder / "config.json").write_bytes(encode(config))
    is_refused_properly(load_checkpoint, folder)
