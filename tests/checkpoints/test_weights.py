"""The safetensors file: its header against the config before anything is allocated."""

import copy
import json
import struct
import time
import tracemalloc

import keras
import pytest

from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.checkpoints.weights import (
    assign,
    check_header,
    weights_by_name,
)
from s2s_zoo.layers.recurrence import Orthogonal, recurrent_layer
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file, read_json
from s2s_zoo.protocol.safetensors_file import MAX_HEADER, read_header


@pytest.fixture
def path(tiny_checkpoint):
    return tiny_checkpoint / "model.safetensors"


@pytest.fixture
def config(tiny_checkpoint):
    return read_json(tiny_checkpoint / "config.json")["model"]


def test_header(path, tiny_pipeline):
    header = read_header(path)
    assert header == {
        name: (tuple(weight.shape), "F32")
        for name, weight in weights_by_name(tiny_pipeline.model).items()
    }
    assert list(header) == sorted(header)


def test_the_right_config_passes(path, config):
    check_header(read_header(path), config, path)


def test_header_of_a_hundred_gigabytes(path, tmp_path):
    for length in (MAX_HEADER + 1, 100 << 30, (1 << 64) - 1):
        bad = tmp_path / "model.safetensors"
        bad.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
        start = time.perf_counter()
        with pytest.raises(CheckpointError, match=f"a header of {length:,} bytes"):
            read_header(bad)
        assert time.perf_counter() - start < 1


def write(path, header, values=b""):
    data = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(data)) + data + values)


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": {}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [1 << 62, 8], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "pickle", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F4", "shape": [1], "data_offsets": [0, 8]}},
    ],
)
def test_header_that_does_not_describe_the_file(tmp_path, header):
    write(tmp_path / "model.safetensors", header, b"\0" * 8)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is corrupt.*Delete"):
        read_header(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "part, key, value, message",
    [
        ("encoder", "units", 1 << 40, r"lstm_cell/bias is \(16,\) where \(4398046511104,\)"),
        ("decoder", "units", 1 << 40, "where"),
        ("encoder", "vocabulary_size", 1 << 50, r"\(60, 6\) where \(1125899906842624, 6\)"),
        ("decoder", "vocabulary_size", 10**400, "embeddings"),
        ("encoder", "embedding_dim", 10**400, "does not describe a model"),
        ("encoder", "layers", 1 << 40, "1099511627776 layers, where there are 1[0-9] tensors"),
        ("decoder", "layers", 2, "layer_1.* is missing"),
        ("decoder", "cell", "gru", "does not fit"),
        ("decoder", "cell", "__import__", "does not describe a model"),
        ("decoder", "attention", {"name": "keras.layers.Lambda"}, "Unknown attention"),
        ("decoder", "attention", {"class_name": "Lambda", "config": {}}, "described by"),
        ("encoder", "name", "os.system", "Unknown encoder"),
        ("encoder", "units", "4", "does not describe a model"),
    ],
)
def test_a_config_that_asks_for_more_than_the_weights_hold(path, config, part, key, value, message):
    """Neither memory nor time is spent on it."""
    made_up = copy.deepcopy(config)
    made_up[part][key] = value
    header = read_header(path)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=message) as caught:
        check_header(header, made_up, path)
    assert time.perf_counter() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert len(str(caught.value)) < 2000


def test_what_was_refused_takes_no_memory_later(path, config):
    """Keras gives values to what was left without, when the next scope of this thread ends."""
    import keras

    made_up = copy.deepcopy(config)
    made_up["encoder"]["vocabulary_size"] = 1 << 50
    with pytest.raises(CheckpointError):
        check_header(read_header(path), made_up, path)
    with keras.StatelessScope():
        pass


def test_dtypes(path, config, tmp_path):
    header = read_header(path)
    first = next(iter(header))
    for dtype in ("I64", "F64", "F8_E4M3"):
        with pytest.raises(CheckpointError, match=f"{first} is {dtype} where F32, F16, BF16"):
            check_header({**header, first: (header[first][0], dtype)}, config, path)
    for dtype in ("F16", "BF16"):
        check_header({**header, first: (header[first][0], dtype)}, config, path)


def test_assign(tiny_checkpoint, path, config):
    import numpy as np

    from s2s_zoo import Seq2Seq

    model = Seq2Seq.from_config(config)
    assign(model, path)
    expected = weights_by_name(load_checkpoint(tiny_checkpoint).model)
    for name, weight in weights_by_name(model).items():
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected[name]), name)


def test_nothing_of_a_config_is_imported(tiny_checkpoint, tmp_path, monkeypatch):
    """A module that a config names stays unread, wherever the name stands."""
    import shutil
    import sys

    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    directory = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    config = read_json(directory / "config.json")
    lambda_config = {
        "module": "evil_module",
        "class_name": "Lambda",
        "registered_name": "evil_module>Lambda",
        "config": {"function": "evil_module.run"},
    }
    for place in ("encoder", "decoder"):
        changed = copy.deepcopy(config)
        changed["model"][place] = lambda_config
        (directory / "config.json").write_text(json.dumps(changed))
        with pytest.raises(CheckpointError):
            load_checkpoint(directory)
    processor = read_json(directory / "processor.json")
    processor["type"] = "evil_module.Processor"
    (directory / "processor.json").write_text(json.dumps(processor))
    config["files"]["processor.json"] = describe_file(directory / "processor.json")
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="Unknown processor type"):
        load_checkpoint(directory)
    assert "evil_module" not in sys.modules


def test_no_recurrent_weight_is_drawn_before_the_file_replaces_it(tiny_checkpoint, monkeypatch):
    drawn = []

    def draw(self, shape, dtype=None):
        drawn.append(tuple(shape))
        return keras.ops.zeros(shape, dtype)

    for initializer in (Orthogonal, keras.initializers.GlorotUniform):
        monkeypatch.setattr(initializer, "__call__", draw)
    model = load_checkpoint(tiny_checkpoint).model
    layers = [*sum(model.encoder.stack, []), *model.decoder.stack]
    assert not {tuple(weight.shape) for layer in layers for weight in layer.weights} & set(drawn)
    recurrent_layer("lstm", 4, "layer").build((None, None, 3))
    assert {(3, 16), (4, 16)} <= set(drawn)
