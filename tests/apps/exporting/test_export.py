"""Exported models: the same answers, in a process that knows nothing of this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import s2s_zoo
from s2s_zoo.apps.cli.main import main
from s2s_zoo.protocol.errors import CheckpointError, DataError

pytest.importorskip("tensorflow_text")

TEXTS = ["ein hund rennt", "", "die frau trinkt wasser im garten", "  ", "Ω?", "ein hund " * 40]
RUN = """
import json, sys
from pathlib import Path
import tensorflow as tf, tensorflow_text
sys.modules["s2s_zoo"] = None  # which makes importing it fail
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
name, given = sys.argv[2], json.loads(sys.argv[3])
if name == "images":
    given = [Path(path).read_bytes() for path in given]
found = serve(**{name: tf.constant(given)})
plain = {name: value.numpy() for name, value in found.items()}
decode = lambda x: [decode(y) for y in x] if isinstance(x, list) else x.decode()
print(json.dumps({name: decode(value.tolist()) if value.dtype == object else value.tolist()
                  for name, value in plain.items()}))
"""


def run(directory, sources, name="texts"):
    """What the exported model gives in a process of its own."""
    command = [sys.executable, "-c", RUN, str(directory), name, json.dumps(sources)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.converters
@pytest.mark.filterwarnings("ignore:.*were cut there")
def test_the_answers_of_the_pipeline_elsewhere(tiny_pipeline, tmp_path):
    options = {"num_beams": 3, "num_return": 2, "length_penalty": 0.5}
    s2s_zoo.export(tiny_pipeline, tmp_path / "model", **options)
    found = run(tmp_path / "model", TEXTS)
    options |= {"split": False, "protect": False, "detect": False}  # an export has the search alone
    results = tiny_pipeline(TEXTS, return_scores=True, return_alignment=True, **options)
    assert found["texts"] == [[answer.text for answer in answers] for answers in results]
    assert any(text for texts in found["texts"] for text in texts)
    for i, answers in enumerate(results):
        for k, answer in enumerate(answers):
            if not answer.text and answer.score is None:
                assert not any(found["target_tokens"][i][k]) and not any(found["source_tokens"][i])
                assert found["scores"][i][k] == 0 and not np.any(found["alignments"][i][k])
                continue
            np.testing.assert_allclose(found["scores"][i][k], answer.score, rtol=1e-4)
            written = [token for token in found["target_tokens"][i][k] if token]
            assert written == list(answer.target_tokens)
            read = [token for token in found["source_tokens"][i] if token]
            assert read == list(answer.source_tokens)
            alignment = np.array(found["alignments"][i][k])[: len(written), : len(read)]
            np.testing.assert_allclose(alignment, answer.alignment, atol=1e-5)


@pytest.mark.converters
def test_greedy_with_a_prefix_and_a_limit_without_alignments(tiny_pipeline, tmp_path):
    options = {"num_beams": 1, "max_length": 7, "forced_prefix": "a dog"}
    s2s_zoo.export(tiny_pipeline, tmp_path / "model", return_alignment=False, **options)
    found = run(tmp_path / "model", TEXTS[:3])
    assert [row[0] for row in found["texts"]] == tiny_pipeline(TEXTS[:3], **options)
    assert "alignments" not in found


def test_command(tiny_checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["export", "--model", str(tiny_checkpoint), "--num-beams", "1", "out"]
    assert main(command) == 0
    assert capsys.readouterr().out == "out\n" and (tmp_path / "out" / "saved_model.pb").is_file()
    assert main(command) == 1
    assert "exists and is not empty" in capsys.readouterr().err
    assert main(["export", "--model", str(tiny_checkpoint), "--format", "onxx", "b"]) == 1
    assert "Unknown export format. Received: 'onxx'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_exported(tiny_pipeline, hub_marian, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="nor be exported"):
        s2s_zoo.export(s2s_zoo.from_pretrained(hub_marian), tmp_path / "a")
    with pytest.raises(ValueError, match="num_beems"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "a", num_beems=3)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="exists and is not empty"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.converters
def test_images_are_read_in_the_graph(sighted_captioner, photos, tmp_path):
    s2s_zoo.export(sighted_captioner, tmp_path / "model")
    files = [path for path, _ in photos[1][:4]] + [camera(tmp_path / "turned.jpg")]
    found = run(tmp_path / "model", files, "images")
    results = sighted_captioner(files, return_scores=True, return_alignment=True)
    assert [texts[0] for texts in found["texts"]] == [result.text for result in results]
    assert len({result.score for result in results}) == len(files)
    assert "source_tokens" not in found
    for i, result in enumerate(results):
        written = [token for token in found["target_tokens"][i][0] if token]
        assert written == list(result.target_tokens)
        np.testing.assert_allclose(found["scores"][i][0], result.score, rtol=1e-5)
        alignment = np.array(found["alignments"][i][0])[: len(written)]
        np.testing.assert_allclose(alignment, result.alignment, atol=1e-5)


def camera(path):
    """A photo of a camera that was held upright: (64, 48) on its side, in Exif's orientation 6."""
    picture, exif = Image.new("RGB", (64, 48), "gray"), Image.Exif()
    picture.paste("red", (0, 0, 64, 12))
    exif[0x0112] = 6
    picture.save(path, exif=exif)
    return str(path)


@pytest.mark.converters
def test_the_other_kind_of_source_is_refused(tiny_pipeline, tiny_captioner, photos, tmp_path):
    import tensorflow as tf

    photo = Path(photos[1][0][0]).read_bytes()
    with pytest.raises(TypeError, match="bytes"):
        tiny_pipeline(photo)
    with pytest.raises(DataError, match="a dog cannot be read"):
        tiny_captioner("a dog")
    for pipeline, name, given, message in (
        (tiny_captioner, "images", b"a dog", "Expected the bytes of a JPEG or PNG file"),
        (tiny_pipeline, "texts", photo, "Expected UTF-8"),
    ):
        directory = tmp_path / pipeline.task
        s2s_zoo.export(pipeline, directory, num_beams=1, return_alignment=False)
        serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            serve(**{name: tf.constant([given])})


def test_an_export_says_what_it_does_not_do(tiny_pipeline, tmp_path, monkeypatch):
    from s2s_zoo.apps.exporting import export as exporting

    monkeypatch.setitem(exporting.FORMATS, "saved_model", lambda *given: given[2].mkdir())
    s2s_zoo.export(tiny_pipeline, tmp_path / "silent")
    monkeypatch.setattr(tiny_pipeline.processor, "normalize", True)
    with pytest.warns(UserWarning, match="reads one sentence at a time"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "told")
