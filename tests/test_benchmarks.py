"""What the benchmarks rest on: turns, figures, and that our side counts and does what it says."""

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import SENTENCES

ROOT = Path(__file__).parent.parent
ECHO = """
import json, sys
print("a line for people")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    work = json.loads(line)
    if "fail" in work:
        sys.exit("no more memory")
    print("noise")
    print(json.dumps({"twice": 2 * work["number"]}), flush=True)
"""


@pytest.fixture
def load(monkeypatch):
    """Imports a file of benchmarks/ as its scripts do."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module
    for name in ("measure", "train", "decode", "ours", "lsh"):
        sys.modules.pop(name, None)


@pytest.fixture
def data(tmp_path):
    for split in ("train", "test_2016_flickr"):
        for language, column in (("de", 0), ("en", 1)):
            lines = "".join(pair[column] + "\n" for pair in SENTENCES)
            (tmp_path / f"{split}.{language}").write_text(lines, encoding="utf-8")
    return tmp_path


def test_a_side_answers_every_piece_of_work(load):
    side = load("measure").Side([sys.executable, "-c", ECHO], threads=1)
    assert side.facts == {"ready": True}
    assert [side.ask(number=n) for n in (3, 5)] == [{"twice": 6}, {"twice": 10}]
    side.close()
    assert side.process.returncode == 0


def test_a_side_that_ends_too_soon_says_why(load, capsys):
    side = load("measure").Side([sys.executable, "-c", ECHO], threads=1)
    with pytest.raises(SystemExit, match="exit code 1"):
        side.ask(fail=True)
    assert "no more memory" in capsys.readouterr().err


def test_turns_alternate_and_the_first_round_is_dropped(load):
    measure = load("measure")
    order = []

    def job(name):
        return lambda: order.append(name) or len(order)

    jobs = measure.alternate({"a": job("a"), "b": job("b")}, {"x": job("x")})
    answers = measure.take_turns(jobs, repeats=2)
    assert order == ["a", "x", "b"] * 3
    assert answers == {"a": [4, 7], "x": [5, 8], "b": [6, 9]}


def test_ratio_is_that_of_the_medians_of_the_best(load):
    measure = load("measure")
    figures = {
        ("ours", "float32"): measure.Figure((10.0, 12.0, 11.0)),
        ("ours", "bfloat16"): measure.Figure((30.0, 36.0, 33.0)),
        ("peer", "float32"): measure.Figure((20.0, 24.0, 22.0)),
        ("peer", "bfloat16"): measure.Figure((15.0, 50.0, 16.0)),
    }
    (name, mine), (other, peers) = (measure.best(figures, side) for side in ("ours", "peer"))
    assert (name, other) == (("ours", "bfloat16"), ("peer", "float32"))
    assert measure.ratio(mine, peers) == {"ratio": 1.5, "lowest": 1.5, "highest": 1.5}
    uneven = measure.ratio(figures["ours", "float32"], figures["peer", "bfloat16"])
    assert uneven == pytest.approx({"ratio": 11 / 16, "lowest": 0.24, "highest": 11 / 16})
    assert measure.Figure((1234.0, 999.0, 1500.4)).text() == "1,234 (999–1,500)"


def test_a_training_rate_is_tokens_over_seconds(load):
    turns = [
        {"tokens": [100, 200, 300], "seconds": [1.0, 1.0, 2.0]},
        {"tokens": [100, 200, 300], "seconds": [2.0, 2.0, 2.0]},
    ]
    whole, step = load("train").figures({("ours", "float32"): turns})
    assert whole["ours", "float32"].values == (150.0, 100.0)
    assert step["ours", "float32"].values == (150.0, 100.0)
    turns[0]["seconds"] = [10.0, 1.0, 1.0]
    whole, step = load("train").figures({("ours", "float32"): turns[:1]})
    assert whole["ours", "float32"].values == (50.0,)
    assert step["ours", "float32"].values == (200.0,)


@pytest.fixture
def ours(load):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the benchmarks measure TensorFlow")
    return load("ours")


def test_our_training_counts_the_labels_of_the_steps_it_times(
    ours, data, tiny_checkpoint, tiny_pipeline, tmp_path
):
    config = json.loads(ours.CONFIG.read_text(encoding="utf-8"))
    config["model"]["encoder"].update(embedding_dim=4, units=4)
    config["model"]["decoder"].update(embedding_dim=4, units=8)
    config["training"]["batch_tokens"] = 1  # one pair a batch, so that few pairs make many
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = ("--data", data, "--source", "de", "--target", "en", "--precision", "float32")
    train = ("--config", path, "--tokenizer", tiny_checkpoint / "tokenizer.model", "--steps")
    args = ours.parse(["train", *map(str, (*arguments, *train, 2))])
    model, work = ours.trainer(args)
    first, second = work(), work()
    assert first["tokens"] == second["tokens"]
    pairs = tiny_pipeline.batches(SENTENCES, batch_tokens=1, seed=1)
    expected = [int(np.sum(labels != 0)) for _, labels, _ in pairs.as_numpy_iterator()]
    assert second["tokens"] == expected[1:3]
    assert len(second["seconds"]) == 2 and min(second["seconds"]) > 0
    assert int(model.optimizer.iterations) == 6

    args.steps = 3
    with pytest.raises(SystemExit, match="6 batches"):
        ours.trainer(args)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_our_decoding_is_the_same_through_pipeline_and_search(ours, data, tiny_checkpoint, search):
    args = Namespace(checkpoint=tiny_checkpoint, data=data, source="de", precision="float32")
    _, work = ours.decoder(args)
    answers = {
        (through, batch_size): work(4, search, batch_size, through)
        for through, batch_size in [("pipeline", 3), ("search", 3), ("pipeline", 1), ("search", 1)]
    }
    texts = [answer["texts"] for answer in answers.values()]
    assert len(texts[0]) == 4 and texts == [texts[0]] * 4
    pipeline, search = answers["pipeline", 3], answers["search", 3]
    assert pipeline["tokens"] is None
    assert search["tokens"] == answers["search", 1]["tokens"] >= 4


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA counts for JAX")
def test_the_cost_of_hashed_attention_grows_with_the_length_and_of_full_with_its_square(load):
    lsh = load("lsh")
    full, hashed = (
        [lsh.cost(make(length), length)[2] for length in (256, 1024)]
        for make in (lambda length: lsh.full(), lambda length: lsh.hashed(length, 1))
    )
    assert full[1] / full[0] > 8
    assert 3 < hashed[1] / hashed[0] < 5
