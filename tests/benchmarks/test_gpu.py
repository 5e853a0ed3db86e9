"""The benchmark of a GPU: what it counts, its pieces, and all of it in its smallest size."""

import json
import os
import subprocess
import sys

import keras
import pytest

from tests.benchmarks.conftest import ROOT

pytestmark = pytest.mark.benchmarks


def test_files_are_put_into_pieces_and_made_whole_again(load, tmp_path):
    pieces = load("pieces")
    (tmp_path / "best").mkdir()
    large, small = os.urandom(2500), b"small"
    (tmp_path / "best" / "model.safetensors").write_bytes(large)
    (tmp_path / "config.json").write_bytes(small)
    assert pieces.split(tmp_path, 1000) == 1
    files = [x for x in tmp_path.rglob("*") if x.is_file()]
    assert len(files) == 3 + 2 and max(x.stat().st_size for x in files) <= 1000
    pieces.join(tmp_path)
    assert (tmp_path / "best" / "model.safetensors").read_bytes() == large
    assert (tmp_path / "config.json").read_bytes() == small
    assert sum(x.is_file() for x in tmp_path.rglob("*")) == 2
    pieces.join(tmp_path)  # where nothing is in pieces there is nothing to do


def test_pieces_that_are_missing_or_damaged_are_named(load, tmp_path):
    pieces = load("pieces")
    (tmp_path / "state").write_bytes(bytes(30))
    pieces.split(tmp_path, 10)
    last = tmp_path / "state.piece-002"
    last.write_bytes(b"something!")
    with pytest.raises(SystemExit, match="not what was written"):
        pieces.join(tmp_path)
    last.unlink()
    with pytest.raises(SystemExit, match="lacks state.piece-002"):
        pieces.join(tmp_path)
    assert (tmp_path / "state.piece-000").exists()


def side(*losses):
    turns = [{"seconds": 2.0, "tokens": 100, "loss": loss, "memory": 2**20} for loss in losses]
    return {"turns": turns, "parameters": 7}


def test_losses_are_compared_with_what_a_seed_makes(load):
    gpu = load("gpu")
    results = {
        "ours, float32": side(3.0, 2.0),
        f"ours, {gpu.OTHER}": side(3.0, 2.01),
        "ours, bfloat16": side(3.0, 2.02),
        "ours, float16": side(3.0, 2.04),
        "PyTorch plain, float32": {"turns": [{"tokens": [1], "seconds": [1]}], "parameters": 7},
    }
    found = {name: x["within noise"] for name, x in gpu.losses(results).items()}
    assert found == {"bfloat16": True, "float16": False}
    del results["ours, float32"]
    assert gpu.losses(results) == {}


def test_a_rate_is_that_of_the_turns_after_the_one_that_compiles(load):
    gpu, mine = load("gpu"), side(3.0, 2.0, 1.0)
    mine["turns"][0]["seconds"] = 60.0
    calls = [{"rows": 8, "seconds": x} for x in (5.0, 0.5, 0.25)]
    (row,) = gpu.rows({"ours, float32": {**mine, "greedy": calls}})
    assert row == ["ours, float32", "50 (50–50)", "60.0", "1", "1.0000", "32 (5.0 s)", "", "7"]
    failed = {"failed": "gpu_side.py\nMemoryError\nended with exit code 1"}
    (row,) = gpu.rows({"ours, float16": failed})
    assert row[:2] == ["ours, float16", "MemoryError: ended with exit code 1"]


def test_a_part_is_not_begun_without_time_for_it(load):
    gpu = load("gpu")
    found = gpu.work(["nothing"], 1, (), until=gpu.time.monotonic() + 5)
    assert "s of --minutes were left" in found["left out"]


def run(output, *options):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XDG_CACHE_HOME": str(output.parent / "caches"),
    }
    script = ROOT / "benchmarks" / "gpu.py"
    return subprocess.run(
        [sys.executable, script, "--output", output, *options],
        env=environment,
        capture_output=True,
        text=True,
    )


with_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="measures JAX")


@pytest.mark.processes
@with_jax
def test_all_of_it_runs_in_its_smallest_size(tmp_path):
    pytest.importorskip("torch")
    options = ["--smallest", "--steps", "2", "--repeats", "1", "--rows", "4", "--peer", "plain"]
    done = run(tmp_path / "out", *options, "--precisions", "bfloat16", "--max-file-mb", "0.1")
    assert done.returncode == 0, done.stderr
    files = [x for x in (tmp_path / "out").rglob("*") if x.is_file()]
    assert max(x.stat().st_size for x in files) <= 0.1 * 2**20
    whole = json.loads((tmp_path / "out" / "gpu.json").read_text(encoding="utf-8"))
    assert {task: sorted(found) for task, found in whole["tasks"].items()} == {
        "translation": ["PyTorch plain, bfloat16", "ours, bfloat16"],
        "captioning": ["ours, bfloat16"],
    }
    for results in whole["tasks"].values():
        for name, found in results.items():
            assert len(found["turns"]) == 2
            if name.startswith("ours"):
                assert all(turn["loss"] > 0 for turn in found["turns"])
                assert len(found["greedy"]) == len(found["beam"]) == 3
    assert "| ours, bfloat16 |" in done.stdout


@pytest.mark.processes
@with_jax
def test_a_training_whose_time_is_over_goes_on_from_its_pieces(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "val"):
        for language in ("de", "en"):
            (data / f"{split}.{language}").write_text("a b\nb a\nc\n" * 9, encoding="utf-8")
    config = json.loads((ROOT / "recipes/translation/config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 9
    config["model"]["encoder"].update(embedding_dim=4, units=2)
    config["model"]["decoder"].update(embedding_dim=4, units=4)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    flags = ["--data", data, "--source", "de", "--target", "en"]
    flags += ["--config", tmp_path / "config.json", "--precision", "float32", "--epochs"]
    train = ["--train", "translation", "--max-file-mb", "0.005", "--"]
    for epochs in ("1", "2"):
        done = run(tmp_path / "out", *train, *flags, epochs)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "translation" / "pieces.json").exists()
    assert "epoch 1 done" in done.stderr
    assert run(tmp_path / "out", "--join").returncode == 0
    assert (tmp_path / "out" / "translation" / "best" / "model.safetensors").exists()
