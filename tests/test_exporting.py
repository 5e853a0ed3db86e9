"""Exported models: the same answers, in a process that knows nothing of this package."""

import json
import subprocess
import sys

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.cli import main
from s2s_zoo.errors import CheckpointError

pytest.importorskip("tensorflow_text")

TEXTS = ["ein hund rennt", "", "die frau trinkt wasser im garten", "  ", "Ω?", "ein hund " * 40]
RUN = """
import json, sys
import tensorflow as tf, tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
found = serve(texts=tf.constant(json.loads(sys.argv[2])))
plain = {name: value.numpy() for name, value in found.items()}
decode = lambda x: [decode(y) for y in x] if isinstance(x, list) else x.decode()
print(json.dumps({name: decode(value.tolist()) if value.dtype == object else value.tolist()
                  for name, value in plain.items()}))
print("s2s_zoo" in sys.modules)
"""


def run(directory, texts):
    """What the exported model gives in a process of its own."""
    command = [sys.executable, "-c", RUN, str(directory), json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=True)
    answers, known = done.stdout.splitlines()[-2:]
    assert known == "False"
    return json.loads(answers)


@pytest.mark.filterwarnings("ignore:.*were cut there")
def test_the_answers_of_the_pipeline_elsewhere(tiny_pipeline, tmp_path):
    options = {"num_beams": 3, "num_return": 2, "length_penalty": 0.5}
    s2s_zoo.export(tiny_pipeline, tmp_path / "model", **options)
    found = run(tmp_path / "model", TEXTS)
    results = tiny_pipeline(TEXTS, return_scores=True, return_alignment=True, **options)
    assert found["texts"] == [[answer.text for answer in answers] for answers in results]
    assert any(text for texts in found["texts"] for text in texts)
    for i, answers in enumerate(results):
        for k, answer in enumerate(answers):
            if not answer.text and answer.score is None:
                assert not any(found["target_tokens"][i][k])
                continue
            np.testing.assert_allclose(found["scores"][i][k], answer.score, rtol=1e-4)
            written = [token for token in found["target_tokens"][i][k] if token]
            assert written == list(answer.target_tokens)
            read = [token for token in found["source_tokens"][i] if token]
            assert read == list(answer.source_tokens)
            alignment = np.array(found["alignments"][i][k])[: len(written), : len(read)]
            np.testing.assert_allclose(alignment, answer.alignment, atol=1e-5)


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
