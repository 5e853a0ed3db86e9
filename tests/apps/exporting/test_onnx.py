"""ONNX graphs give the greedy search of the pipeline, by a loop that knows neither Keras nor us."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.layers.kernels import native
from s2s_zoo.protocol.errors import CheckpointError

for package in ("tf2onnx", "onnxruntime"):
    pytest.importorskip(package, reason="needs pip install 's2s-zoo[onnx]'")

SCRIPT = Path(__file__).parents[3] / "recipes" / "onnx" / "greedy.py"
# tf2onnx has not been told of NumPy 2 and of what Python deprecates.
pytestmark = [pytest.mark.converters, pytest.mark.filterwarnings("ignore")]


def pipeline_of(tiny_pipeline, encoder, decoder):
    keras.utils.set_random_seed(11)
    size = {"vocabulary_size": tiny_pipeline.processor.target_tokenizer.vocabulary_size}
    size["embedding_dim"] = 6
    model = s2s_zoo.Seq2Seq.from_config(
        {"encoder": {**encoder, **size}, "decoder": {**decoder, **size}}
    )
    return s2s_zoo.Pipeline("translation", model, tiny_pipeline.processor, {"num_beams": 1})


def test_greedy_search_in_onnxruntime(tiny_pipeline, sentences, tmp_path):
    decoder = {"name": "recurrent", "units": 8, "attention": "luong"}
    pipeline = pipeline_of(tiny_pipeline, {"name": "recurrent", "units": 4}, decoder)
    texts = [source for source, _ in sentences]
    s2s_zoo.export(pipeline, tmp_path / "model", format="onnx")
    assert not native.plain.get()
    spec = importlib.util.spec_from_file_location("greedy", SCRIPT)
    greedy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(greedy)
    rows = pipeline.processor.encode_source(texts)
    source = pipeline.processor.pad(rows)
    limit = min(pipeline.processor.max_target_length, 2 * source.shape[1] + 10)
    found = greedy.Greedy(tmp_path / "model")(source, [limit] * len(rows))
    results = pipeline(texts, max_length=limit, return_scores=True)
    pieces = pipeline.processor.target_tokenizer
    assert pieces.decode(found) == [result.text for result in results]
    assert len(set(map(tuple, found))) > 1


def test_the_script_needs_nothing_of_this(tiny_pipeline, sentences, tmp_path):
    s2s_zoo.export(tiny_pipeline, tmp_path / "model", format="onnx")
    about = json.loads((tmp_path / "model" / "search.json").read_text())
    assert about["max_length"] == 20 and about["suppress"] == [3]
    text = sentences[0][0]
    command = [sys.executable, str(SCRIPT), str(tmp_path / "model")]
    done = subprocess.run(command, input=text + "\n", capture_output=True, text=True, check=True)
    assert done.stdout == tiny_pipeline(text, num_beams=1) + "\n"


def test_pixels(tiny_captioner, photos, tmp_path):
    s2s_zoo.export(tiny_captioner, tmp_path / "model", format="onnx")
    import onnxruntime

    pixels = np.stack(tiny_captioner.processor.encode_source([photos[1][0][0]])).astype("float32")
    session = onnxruntime.InferenceSession(tmp_path / "model" / "encoder.onnx")
    found = session.run(["memory_0"], {"source": pixels})[0]
    memory, _ = tiny_captioner.model.decoder.init(tiny_captioner.model.encode(pixels), 12)
    wanted = keras.ops.convert_to_numpy(keras.tree.flatten(memory)[0])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_options_of_a_search_are_refused(tiny_pipeline, tmp_path):
    with pytest.raises(ValueError, match="no search in them. Received: num_beams"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "model", format="onnx", num_beams=2)


def test_without_the_package(tiny_pipeline, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(CheckpointError, match=r"pip install 's2s-zoo\[onnx\]'"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "model", format="onnx")
    assert not (tmp_path / "model").exists()


def test_what_tf2onnx_cannot_convert_is_not_written(tiny_pipeline, tmp_path):
    part = {"name": "transformer", "layers": 1, "heads": 2, "hidden_dim": 8}
    pipeline = pipeline_of(tiny_pipeline, part, part)
    with pytest.raises(ValueError, match="does not give what the model gives"):
        s2s_zoo.export(pipeline, tmp_path / "model", format="onnx")
    assert not (tmp_path / "model").exists()
