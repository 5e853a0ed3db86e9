"""`s2s-zoo transcribe`: what it prints of one recording and of several, and what it refuses."""

import json

import pytest

from s2s_zoo.apps.cli import transcribe
from s2s_zoo.apps.cli.main import main
from s2s_zoo.pipeline.transcript import Segment, Transcript
from s2s_zoo.protocol.errors import DataError


class Pipeline:
    """Says what it was asked for; b.wav cannot be read."""

    task, transcriber = "transcription", object()

    def __init__(self):
        self.processor = self
        self.asked = []

    def collect(self, source):
        return (["a.wav", "b.wav"], False) if source == "folder" else ([source], True)

    def __call__(self, source, return_timestamps=False, **options):
        self.asked.append(options)
        if source == "b.wav":
            raise DataError("b.wav cannot be decoded.")
        if options.get("num_beams") == 3:
            raise ValueError("three is too many")
        text = f"{source} speaks."
        found = Transcript(text, (Segment(text, 0.0, 1.0),), "de", 1.0)
        return found if return_timestamps else text


@pytest.fixture
def run(monkeypatch, capsys):
    pipeline = Pipeline()
    monkeypatch.setattr(transcribe, "load", lambda name: pipeline)

    def call(*arguments):
        code = main(["transcribe", "--model", "some", *arguments])
        return code, *capsys.readouterr(), pipeline

    return call


def test_formats_of_one_recording(run):
    assert run("a.wav")[:2] == (0, "a.wav speaks.\n")
    assert run("a.wav", "--format", "srt")[1].startswith("1\n00:00:00,000 --> 00:00:01,000\na.wav")
    assert run("a.wav", "--format", "vtt")[1].startswith("WEBVTT\n\n00:00:00.000")
    assert run("a.wav", "--format", "tsv")[1].splitlines()[1] == "0\t1000\ta.wav speaks."
    found = json.loads(run("a.wav", "--format", "json")[1])
    assert found["file"] == "a.wav" and found["segments"][0]["end"] == 1.0


def test_what_is_asked_for(run):
    *_, pipeline = run("a.wav", "--translate", "--language", "German", "--num-beams", "5")
    assert pipeline.asked == [{"language": "German", "task": "translate", "num_beams": 5}]


def test_of_several_the_name_stands_before_each_and_the_bad_are_named(run):
    code, out, said, _ = run("folder", "c.wav")
    assert (code, out) == (1, "a.wav\ta.wav speaks.\nc.wav\tc.wav speaks.\n")
    assert "1 of 3 files could not be transcribed: b.wav" in said
    code, out, *_ = run("folder", "--format", "json")
    assert code == 1 and [x["file"] for x in json.loads(out)] == ["a.wav"]
    code, out, said, _ = run("b.wav")
    assert (code, out) == (1, "") and "b.wav cannot be decoded" in said


def test_options_that_are_none_are_usage_errors(run, capsys):
    for arguments in (["--num-beams", "3"], ["--format", "ass"], ["--num-beams", "0"]):
        with pytest.raises(SystemExit) as left:
            run("a.wav", *arguments)
        assert left.value.code == 2


def test_a_model_of_another_task_is_refused(run, monkeypatch):
    monkeypatch.setattr(Pipeline, "task", "translation")
    code, _, said, _ = run("a.wav")
    assert code == 1 and "model of transcription" in said and "s2s-zoo translate" in said


def test_a_model_of_ones_own_is_told_nothing_and_gives_no_times(run, monkeypatch):
    monkeypatch.setattr(Pipeline, "transcriber", None)
    code, out, _, pipeline = run("a.wav", "--num-beams", "2")
    assert (code, out, pipeline.asked) == (0, "a.wav speaks.\n", [{"num_beams": 2}])
    code, out, *_ = run("a.wav", "--format", "json")
    assert json.loads(out) == {"file": "a.wav", "text": "a.wav speaks."}
    for flags in (["--language", "de"], ["--translate"], ["--format", "srt"]):
        code, out, said, _ = run("a.wav", *flags)
        assert (code, out) == (1, "") and f"Received: {flags[0]}" in said and "Whisper" in said


def test_a_picture_is_of_one_recording(run, monkeypatch, capsys):
    from s2s_zoo.pipeline import plots

    drawn = []

    def draw(pipeline, name, path, **options):
        drawn.append((name, path, options))
        return Transcript("Hello.")

    monkeypatch.setattr(plots, "plot_transcription", draw)
    code, out, *_ = run("a.wav", "--plot", "words.png", "--language", "de")
    assert (code, out) == (0, "Hello.\n")
    assert drawn == [("a.wav", "words.png", {"language": "de"})]
    for arguments in (["folder"], ["a.wav", "--format", "srt"]):
        with pytest.raises(SystemExit):
            run(*arguments, "--plot", "words.png")
