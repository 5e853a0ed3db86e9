"""`s2s-zoo evaluate` of recordings, its breakdown, and what it refuses of other tasks."""

import json

import pytest

from s2s_zoo.apps.cli import evaluate
from s2s_zoo.apps.cli.main import main
from s2s_zoo.data.audio_processor import AudioProcessor

WRITTEN = {"a.wav": "it's twenty-one", "b.wav": "Colour!"}


class Pipeline:
    """Writes what `WRITTEN` says of a file."""

    task = "transcription"
    held_out = AudioProcessor.held_out
    max_target_length = 448

    def __init__(self):
        self.processor, self.transcriber = self, object()
        self.generation, self.asked = {}, None

    def plan(self, options):
        return options

    def __call__(self, sources, **options):
        self.asked = options
        return [WRITTEN[source.rpartition("/")[2]] for source in sources]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    pipeline = Pipeline()
    monkeypatch.setattr(evaluate, "load", lambda name: pipeline)
    data = tmp_path / "said.tsv"
    data.write_text("a.wav\tIt is 21.\nb.wav\tcolor\n")

    def call(*arguments):
        code = main(["evaluate", "--model", "some", "--data", str(data), *arguments])
        return code, *capsys.readouterr(), pipeline

    return call


def test_recordings_are_counted_as_they_are_or_as_whisper_counts(run):
    code, out, *_ = run("--json")
    metrics = json.loads(out)["metrics"]
    assert code == 0 and [x["name"] for x in metrics] == ["wer", "cer"]
    assert metrics[0]["value"] == 100
    code, out, _, pipeline = run("--sounds", "there", "--normalize", "english", "--json")
    metrics = json.loads(out)["metrics"]
    assert [x["value"] for x in metrics] == [0, 0] and "norm:whisper-english" in out
    code, out, _, pipeline = run("--language", "German", "--num-beams", "5")
    assert pipeline.asked == {"num_beams": 5, "language": "German"}


def test_what_other_models_are_not_told(run, monkeypatch):
    code, _, said, pipeline = run()
    pipeline.transcriber = None
    code, _, said, _ = run("--language", "German")
    assert code == 1 and "what it was trained on alone" in said
    monkeypatch.setattr(Pipeline, "task", "translation")
    for flags in (["--normalize", "basic"], ["--language", "de"]):
        code, _, said, _ = run(*flags)
        assert code == 1 and f"{flags[0]} is for models of transcription" in said


def test_a_breakdown_of_recordings_is_by_what_is_said(run, tmp_path):
    train = tmp_path / "train.tsv"
    train.write_text("x.wav\tit is\n")
    code, out, *_ = run("--breakdown", "--train", str(train), "--normalize", "english", "--json")
    parts = {f"{x['kind']} {x['name']}": x for x in json.loads(out)["breakdown"]}
    assert code == 0 and parts["length 0-9"]["value"] == 0 and parts["length 0-9"]["unit"] == "wer"
    assert parts["words seen 1"]["number"] == 2 and parts["words seen 0"]["number"] == 2
    code, out, *_ = run("--breakdown")
    assert "numbers kept                 1    0.00 %" in out


def test_a_breakdown_is_refused_before_anything_is_written(run, monkeypatch, capsys):
    monkeypatch.setattr(Pipeline, "task", "captioning")
    code, _, said, pipeline = run("--breakdown")
    assert code == 1 and "Received: captioning" in said and pipeline.asked is None
    with pytest.raises(SystemExit):
        run("--train", "x.tsv")
    assert "--train: goes with --breakdown" in capsys.readouterr().err
