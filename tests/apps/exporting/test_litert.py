"""LiteRT models give the search of the pipeline, from built-in operations alone."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.apps.cli.main import main
from s2s_zoo.apps.exporting import litert as exporting_litert
from s2s_zoo.layers.kernels import native

tf = pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.converters, pytest.mark.filterwarnings("ignore")]  # of the interpreter
SCRIPT = Path(__file__).parents[3] / "recipes" / "litert" / "run.py"


def runner(directory):
    path = str(directory / "model.tflite")
    return tf.lite.Interpreter(model_path=path).get_signature_runner("serving_default")


def operations(directory):
    interpreter = tf.lite.Interpreter(model_path=str(directory / "model.tflite"))
    return {operation["op_name"] for operation in interpreter._get_ops_details()}


def test_the_search_of_the_pipeline(tiny_pipeline, sentences, tmp_path):
    options = {"num_beams": 3, "num_return": 2, "forced_prefix": "a dog"}
    s2s_zoo.export(tiny_pipeline, tmp_path / "model", format="litert", **options)
    assert not native.plain.get()
    assert not any("Flex" in name for name in operations(tmp_path / "model"))
    search = runner(tmp_path / "model")
    texts = [source for source, _ in sentences]
    results = tiny_pipeline(texts, return_scores=True, return_alignment=True, **options)
    rows = tiny_pipeline.processor.encode_source(texts)
    for row, answers in zip(rows, results, strict=True):
        found = search(source=np.array([row], "int32"))
        assert found["tokens"].shape == (1, 2, 20)
        written = tiny_pipeline.processor.decode(found["tokens"][0])
        assert written == [answer.text for answer in answers]
        np.testing.assert_allclose(found["scores"][0], [x.score for x in answers], rtol=1e-4)
        for weights, answer in zip(found["alignments"][0], answers, strict=True):
            np.testing.assert_allclose(
                weights[: len(answer.target_tokens)], answer.alignment, atol=1e-5
            )


def test_pixels(sighted_captioner, photos, tmp_path):
    s2s_zoo.export(sighted_captioner, tmp_path / "model", format="litert", return_alignment=False)
    search, files = runner(tmp_path / "model"), [path for path, _ in photos[1][:3]]
    results = sighted_captioner(files, return_scores=True)
    assert len({result.score for result in results}) == len(files)
    for pixels, result in zip(
        sighted_captioner.processor.encode_source(files), results, strict=True
    ):
        found = search(source=pixels[None].astype("float32"))
        assert found.keys() == {"tokens", "scores"}
        assert sighted_captioner.processor.decode(found["tokens"][0, 0]) == result.text
        np.testing.assert_allclose(found["scores"][0, 0], result.score, rtol=1e-4)
    about = json.loads((tmp_path / "model" / "search.json").read_text())
    assert about["size"] == [64, 96] and about["resize"] == "stretch"
    assert not (tmp_path / "model" / "source.model").exists()


def test_transformers(tiny_pipeline, sentences, tmp_path):
    keras.utils.set_random_seed(11)
    size = {"vocabulary_size": 60, "embedding_dim": 8}
    part = {"name": "transformer", "layers": 1, "heads": 2, "hidden_dim": 8, **size}
    model = s2s_zoo.Seq2Seq.from_config({"encoder": part, "decoder": part})
    pipeline = s2s_zoo.Pipeline("translation", model, tiny_pipeline.processor)
    s2s_zoo.export(pipeline, tmp_path / "model", format="litert")
    search, texts = runner(tmp_path / "model"), [source for source, _ in sentences]
    rows = pipeline.processor.encode_source(texts)
    found = [search(source=np.array([row], "int32"))["tokens"][0, 0] for row in rows]
    assert [pipeline.processor.decode(tokens) for tokens in found] == pipeline(texts)


def test_the_script_needs_nothing_of_this(tiny_checkpoint, tiny_pipeline, sentences, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="pip install ai-edge-litert")
    command = ["export", "--model", str(tiny_checkpoint), "--format", "litert"]
    assert main([*command, str(tmp_path / "model")]) == 0
    texts = [source for source, _ in sentences] + [""]
    command = [sys.executable, str(SCRIPT), str(tmp_path / "model")]
    given = "".join(text + "\n" for text in texts)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == tiny_pipeline(texts)


def test_what_cannot_be_converted_is_not_written(tiny_pipeline, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="LiteRT has nothing for .*format='saved_model'"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "a", format="litert", strategy="sample")
    monkeypatch.setattr(exporting_litert, "TOLERANCE", -1)
    with pytest.raises(ValueError, match="does not give what the model gives"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "a", format="litert", num_beams=1)
    assert not list(tmp_path.iterdir())
