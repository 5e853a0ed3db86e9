"""What a training tells: a line for each epoch, samples in TensorBoard, a page at the end."""

import html
import re
from types import SimpleNamespace

import pytest

from s2s_zoo.training import progress
from s2s_zoo.training.callbacks import GenerationMetrics
from s2s_zoo.training.progress import EpochLine, TensorBoardSamples
from s2s_zoo.training.report import page


class Stub:
    stop_training = False


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def epoch(line, clock, number, seconds, scoring=0.0, **logs):
    line.on_epoch_begin(number)
    clock[0] += seconds
    line.on_train_batch_end(0)
    clock[0] += scoring
    line.on_epoch_end(number, logs)


def test_a_line_for_each_epoch(clock, capsys, tiny_pipeline):
    metrics = GenerationMetrics(tiny_pipeline, [("ein hund", "a dog")])
    line = EpochLine(12_000, metrics)
    line.set_params({"epochs": 3, "steps": 1})
    line.set_model(Stub())
    metrics.history = [{"epoch": 1, "bleu": 20.0}]
    epoch(line, clock, 0, 8, 2, loss=3.14159, val_bleu=20.0)
    metrics.history.append({"epoch": 2, "bleu": 18.0})
    epoch(line, clock, 1, 4000, loss=2.0, val_bleu=18.0)
    line.model.stop_training = True
    epoch(line, clock, 2, 8, loss=1.5)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/3: loss 3.142, bleu 20.00, best bleu 20.00 of epoch 1, 1,500 tokens/s, 0:10, "
        "0:20 left",
        "epoch 2/3: loss 2.000, bleu 18.00, best bleu 20.00 of epoch 1, 3 tokens/s, 1:06:40, "
        "33:25 left",
        "epoch 3/3: loss 1.500, best bleu 20.00 of epoch 1, 1,500 tokens/s, 0:08",
    ]
    again = EpochLine()
    again.set_state(line.get_state())
    assert [row["loss"] for row in again.history] == [3.14159, 2.0, 1.5]


def test_samples_of_each_epoch_are_in_tensorboard(tiny_pipeline, sentences, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = GenerationMetrics(tiny_pipeline, sentences[:2])
    samples = TensorBoardSamples(metrics, tmp_path)
    samples.set_model(tiny_pipeline.model)
    for number in range(2):
        metrics.on_epoch_end(number)
        samples.on_epoch_end(number)
    samples.on_train_end()
    assert [row["epoch"] for row in metrics.sampled] == [1, 2]
    found = EventAccumulator(str(tmp_path)).Reload()
    tags = found.Tags()["tensors"]
    assert set(tags) == {"sample 1", "sample 2", "looked at 1", "looked at 2"}
    text = found.Tensors("sample 1")[1].tensor_proto.string_val[0].decode()
    assert sentences[0][0] in text and f"= {sentences[0][1]}" in text
    width, height, picture = found.Tensors("looked at 1")[0].tensor_proto.string_val
    assert int(width) > 0 < int(height) and picture.startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")
@pytest.mark.parametrize("text", ["__init__ 3 * 4", ""])
def test_tensorboard_shows_a_sample_as_it_is(tmp_path, monkeypatch, text):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugin_util import markdown_to_safe_html

    source = "# 1. *Klick* auf <b>{name}</b> &amp; `a_b_c`,\n\n    - [x](y) C:\\*.txt"
    monkeypatch.setattr(progress, "aligned", lambda metrics: [])
    samples = TensorBoardSamples(SimpleNamespace(samples=[(source, text, "> it")]), tmp_path)
    samples.on_epoch_end(0)
    samples.on_train_end()
    (found,) = EventAccumulator(str(tmp_path)).Reload().Tensors("sample 1")
    shown = markdown_to_safe_html(found.tensor_proto.string_val[0].decode())
    assert re.sub("<.*?>", "", shown).splitlines() == [
        html.escape(" ".join(source.split()), quote=False),
        f"→ {text}",
        "= &gt; it",
    ]


def test_a_report_of_what_there_is():
    bare = page({"epochs": [{"epoch": 1, "bleu": 3.0}]})
    assert "<h2>Samples" not in bare and "Looked at" not in bare and "1 epochs" in bare
    summary = {
        "minutes": 2.0,
        "best": {"epoch": 2},
        "epochs": [{"epoch": 1, "bleu": 3.0}, {"epoch": 2, "bleu": 9.0}],
        "progress": [{"epoch": 2, "loss": float("nan"), "seconds": 1.0}],
        "samples": [{"epoch": 2, "samples": [["<script>alert(1)</script>", "a & b", "c"]]}],
        "looked": [{"source": ["a", "</s>"], "target": ["b"], "weights": [[0.25, 0.75]]}],
        "signatures": {"bleu": "nrefs:1"},
        "command": "python train.py --data 'my data'",
    }
    written = page(summary)
    assert "<script>" not in written and "&lt;script&gt;" in written and "a &amp; b" in written
    assert "the best is 2" in written and "nrefs:1" in written and "my data" in written
    assert 'title="0.75"' in written and "&lt;/s&gt;" in written
    assert len(re.findall("<svg", written)) == 1  # a loss that is none has no curve
    assert not re.search(r"https?://|src=", written)
