"""Serving, exported models and bulk: what is counted and compared."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SENTENCES

pytestmark = pytest.mark.benchmarks


def test_latencies_of_clients_are_compared_with_batches_and_without(load, capsys):
    pytest.importorskip("httpx2")
    serve = load("serve")
    assert [serve.percentile([3, 1, 2, 4], percent) for percent in (1, 50, 75, 95)] == [1, 2, 3, 4]
    answers = {
        ("batches up to 64", 8): [{"seconds": 0.5, "latencies": [0.1, 0.3]}] * 2,
        ("one at a time", 8): [{"seconds": 2.0, "latencies": [0.2, 0.4]}] * 2,
    }
    result, claims = serve.show(answers)
    assert result["batches up to 64, 8 clients"]["requests_per_second"] == [4.0, 4.0]
    assert result["one at a time, 8 clients"]["p95_ms"] == [400.0, 400.0]
    out = capsys.readouterr().out
    assert "| one at a time | 8 | 1.0 (1.0–1.0) | 200.0 (200.0–200.0) |" in out
    assert "8 clients, with batches over without: 4.00" in out
    assert [found["ratio"] for found in claims] == [4.0]
    with pytest.raises(SystemExit):
        serve.parse(["--model", "m", "--texts", "t", "--clients", "0"])


def test_exported_answers_are_counted_and_those_that_differ_are_shown(load, capsys):
    export = load("export")
    sources = ["a b c", "a", "a b", "d"]
    batches, order = export.batches_of(sources, 3, by_length=True)
    assert batches == [["a", "d", "a b"], ["a b c"]] and order == [1, 3, 2, 0]
    answers = {
        "pipeline": [{"seconds": 2.0, "texts": ["A", "D", "AB", "ABC"]}] * 2,
        "SavedModel": [{"seconds": 0.5, "texts": ["A", "D", "BA", "ABC"]}] * 2,
    }
    result = export.show(sources, order, answers)
    assert result["equal"] == 3 and result["ratio"]["ratio"] == 4
    assert result["different"] == [{"source": "a b", "pipeline": "AB", "SavedModel": "BA"}]
    out = capsys.readouterr().out
    assert "equal texts: 3 of 4" in out and "| SavedModel | 8.0 (8.0–8.0) |" in out


@pytest.mark.converters
def test_an_exported_model_in_turns_with_its_pipeline(load, tiny_checkpoint, tmp_path, capsys):
    pytest.importorskip("tensorflow_text")
    texts = tmp_path / "pairs.tsv"
    texts.write_text("".join(f"{b}\t{a}\n" for a, b in SENTENCES) + "\t\n", encoding="utf-8")
    given = ["--model", str(tiny_checkpoint), "--texts", str(texts), "--column", "2"]
    report = tmp_path / "report.json"
    load("export").main([*given, "--batch-size", "4", "--repeats", "1", "--json", str(report)])
    found = json.loads(report.read_text())
    assert found["equal"] == found["sources"] == len(SENTENCES)
    assert "equal texts: 6 of 6" in capsys.readouterr().out


@pytest.mark.processes
@pytest.mark.parametrize("lost", [None, 3])
def test_what_a_killed_actor_leaves_is_counted(load, tiny_checkpoint, tmp_path, monkeypatch, lost):
    bulk = load("bulk")
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{a}\n" for a, _ in SENTENCES), encoding="utf-8")
    actor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    running = iter([[], [actor.pid]])
    monkeypatch.setattr(bulk, "pids_of_actors", lambda: next(running))
    run = bulk.bulk.run

    def here(writer, inputs, folder, shard_size, actors):
        for i, shard in enumerate(run(writer, inputs, folder, shard_size=shard_size)):
            if i == lost:
                Path(shard["shard"]).unlink()
            yield shard

    monkeypatch.setattr(bulk.bulk, "run", here)
    report = tmp_path / "report.json"
    given = ["--model", str(tiny_checkpoint), "--texts", str(texts), "--sentences", "4"]
    sizes = ["--shard-size", "2", "--kill", "9", "--repeats", "1"]
    bulk.main([*given, *sizes, "--json", str(report)])
    assert actor.wait() == -signal.SIGKILL
    fault = json.loads(report.read_text())["fault"]
    assert fault["missing"] == (0 if lost is None else 2)
    assert (fault["double"], fault["other_output"], fault["killed"]) == (0, 0, actor.pid)
