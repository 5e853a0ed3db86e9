"""Weights in int8: the numbers by an independent computation, and the files they are in."""

import json

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save

import s2s_zoo
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import quantization
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.checkpoints.quantization import channel_axis, dequantize, quantize
from s2s_zoo.checkpoints.weights import check_header, weights_by_name
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file
from s2s_zoo.protocol.safetensors_file import read_header


def one_channel(weights):
    """What a channel becomes, number by number."""
    scale = max(map(abs, weights)) / 127
    return [round(w / scale) if scale else 0 for w in weights], scale


@pytest.mark.parametrize("axis", [0, 1])
def test_numbers(axis):
    matrix = np.random.default_rng(0).normal(size=(7, 5)) * 10.0 ** np.arange(-3, 2)
    matrix[:, 2] = 0
    matrix[4] = 0
    values, scales = quantize(matrix, axis)
    assert (values.dtype, scales.dtype, scales.shape) == ("int8", "float32", (matrix.shape[axis],))
    turned = zip(np.moveaxis(matrix, axis, 0), np.moveaxis(values, axis, 0), scales, strict=True)
    for weights, found, scale in turned:
        expected = one_channel(weights.tolist())
        assert found.tolist() == expected[0]
        np.testing.assert_allclose(scale, expected[1], rtol=1e-6)
    again = dequantize(values, scales, axis)
    half = np.expand_dims(scales, 1 - axis) / 2
    assert (abs(again - matrix) <= half * (1 + 1e-5)).all()


def test_by_hand():
    values, scales = quantize(np.array([[1.0, -0.5], [254.0, 3.0]]), 0)
    assert values.tolist() == [[127, -64], [127, 2]]
    np.testing.assert_allclose(scales, [1 / 127, 2], rtol=1e-6)
    np.testing.assert_allclose(dequantize(values, scales, 0), [[1, -64 / 127], [254, 4]], rtol=1e-6)


@pytest.mark.parametrize(
    "name, shape, axis",
    [
        ("decoder/embedding/embeddings", (8000, 256), 0),
        ("decoder/output/kernel", (256, 8000), 1),
        ("encoder/conv/kernel", (3, 3, 32, 64), 3),
        ("encoder/conv_dw/kernel", (3, 3, 512, 1), 2),
        ("decoder/output_bias", (8000,), None),
        ("decoder/small/kernel", (32, 32), None),
    ],
)
def test_channels(name, shape, axis):
    assert channel_axis(name, shape) == axis


@pytest.fixture
def stored(tiny_pipeline, tmp_path, monkeypatch):
    """The directory of the tiny checkpoint in int8, all of its matrices."""
    monkeypatch.setattr(quantization, "FEWEST", 8)
    tiny_pipeline.save(tmp_path / "int8", weights_dtype="int8")
    return tmp_path / "int8"


def test_round_trip(stored, tiny_pipeline):
    header = read_header(stored / "model.safetensors")
    assert header["decoder/embedding/embeddings"] == ((60, 6), "I8")
    assert header["decoder/embedding/embeddings.scale"] == ((60,), "F32")
    assert header["decoder/output_bias"] == ((60,), "F32")
    exact = weights_by_name(tiny_pipeline.model)
    for name, weight in weights_by_name(load_checkpoint(stored).model).items():
        found, expected = np.asarray(weight), np.asarray(exact[name])
        if header[name][1] == "I8":
            axis = 0 if name.endswith("embeddings") else 1
            step = abs(expected).max(axis=1 - axis, keepdims=True) / 127
            assert (abs(found - expected) <= step / 2 * (1 + 1e-5)).all(), name
            assert not np.array_equal(found, expected)
        else:
            np.testing.assert_array_equal(found, expected, name)


def test_show_counts_no_scales(stored, tiny_pipeline, capsys):
    assert main(["show", str(stored)]) == 0
    assert f"parameters  {tiny_pipeline.model.count_params():,}\n" in capsys.readouterr().out


def test_in_bfloat16(stored):
    exact = weights_by_name(load_checkpoint(stored).model)
    half = load_checkpoint(stored, dtype="bfloat16")
    for name, weight in weights_by_name(half.model).items():
        np.testing.assert_allclose(
            np.asarray(weight).astype("float32"), np.asarray(exact[name]), rtol=2**-8
        )


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x.pop("decoder/embedding/embeddings.scale"), "embeddings.scale is missing"),
        (
            lambda x: x.update({"decoder/embedding/embeddings.scale": np.ones(6, "float32")}),
            r"embeddings.scale is \(6,\) where \(60,\) is expected",
        ),
        (
            lambda x: x.update({"decoder/embedding/embeddings.scale": np.ones(60, "int8")}),
            "embeddings.scale is I8 where F32, F16, BF16",
        ),
        (
            lambda x: x.update({"decoder/embedding/embeddings": np.ones((60, 6), "float32")}),
            "embeddings.scale is unexpected",
        ),
        (
            lambda x: x.update({"decoder/output_bias": np.ones(60, "int8")}),
            "output_bias is I8 where F32, F16, BF16",
        ),
    ],
)
def test_files_that_do_not_fit(stored, change, message):
    path = stored / "model.safetensors"
    kinds = {"I8": "int8", "F32": "float32"}
    arrays = {
        name: np.frombuffer(x["data"], kinds[x["dtype"]]).reshape(x["shape"])
        for name, x in safetensors.deserialize(path.read_bytes())
    }
    change(arrays)
    path.write_bytes(save(arrays))
    config = json.loads((stored / "config.json").read_text())
    config["files"][path.name] = describe_file(path)
    (stored / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(stored)


ABSTRACT = "We translate from German to English with a neural network, and translate faster."


def test_a_bundled_checkpoint_in_half_of_float16(tmp_path):
    summarize = s2s_zoo.from_pretrained("summarization-titles-en")
    before = summarize.score([ABSTRACT], ["Neural machine translation"])
    summarize.save(tmp_path / "int8", weights_dtype="int8")
    small = s2s_zoo.from_pretrained(tmp_path / "int8")
    assert small(ABSTRACT) == summarize(ABSTRACT)
    after = small.score([ABSTRACT], ["Neural machine translation"])
    assert 0 < abs(before - after)[0] < 0.2
    path = tmp_path / "int8" / "model.safetensors"
    assert path.stat().st_size < 1.05 * summarize.model.count_params()
    check_header(read_header(path), small.model.get_config(), path)
