"""What the benchmarks rest on: turns, figures, and that our side counts and does what it says."""

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.protocol import END
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
    for name in (
        "measure",
        "train",
        "decode",
        "marian",
        "ours",
        "lsh",
        "serve",
        "shortlist",
        "int8",
    ):
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


@pytest.mark.parametrize("num_beams", [1, 3])
def test_our_forced_decoding_speaks_the_ids_of_the_files(ours, hub_marian, num_beams):
    arguments = ["forced", "--checkpoint", str(hub_marian), "--precision", "float32"]
    _, work = ours.forced_decoder(ours.parse(arguments))
    rows, length = [[20, 31, 42, 0], [25, 36, 0, 0]], 5
    answer = work(rows, num_beams, length)
    assert answer["seconds"] > 0
    pipeline = s2s_zoo.from_pretrained(hub_marian)
    tokenizer = pipeline.processor.source_tokenizer
    search = {"strategy": "greedy"} if num_beams == 1 else {"num_beams": num_beams}
    rules = {"min_length": length - 1, "early_stopping": False, "score_forced": False}
    if num_beams == 1:
        rules = {"min_length": length - 1}
    generator = s2s_zoo.Generator(pipeline.model, max_length=length, **search, **rules)
    source = tokenizer.places[np.array(rows)].astype("int32")
    expected = generator.generate(source).tokens[:, 0]
    assert np.array_equal(tokenizer.places[np.array(answer["found"])], expected)
    # The end comes last, and it has another id in the files.
    assert (expected[:, -1] == END).all() and (np.array(answer["found"])[:, -1] == 0).all()


def test_full_size_figures_are_rates_beside_each_peer(load, capsys):
    marian = load("marian")
    answers = {
        ("ours", "bfloat16"): [{"seconds": 0.5, "found": [[1, 2], [3, 4]]}] * 2,
        ("ours", "float32"): [{"seconds": 1.0, "found": [[1, 2], [3, 5]]}] * 2,
        ("transformers", "float32"): [{"seconds": 2.0, "found": [[1, 2], [3, 5]]}] * 2,
        ("CTranslate2", "int8"): [{"seconds": 0.25, "found": [[1, 2], [3, 5]]}] * 2,
    }
    result = marian.show_task(4, 2, answers)
    assert result["sentences_per_second"]["ours, bfloat16"] == [4.0, 4.0]
    assert result["same"]["ours, bfloat16"] == 0.75
    assert result["ours in bfloat16 over transformers float32"]["ratio"] == 4
    assert result["ours in bfloat16 over CTranslate2 int8"]["ratio"] == 0.5
    assert "| ours | bfloat16 | 4.00 (4.00–4.00) | 250.0 | 75% |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        marian.parse(["--folder", "nowhere", "--peer-python", "python"])


def test_latencies_of_clients_are_compared_with_batches_and_without(load, capsys):
    pytest.importorskip("httpx2")
    serve = load("serve")
    assert [serve.percentile([3, 1, 2, 4], percent) for percent in (1, 50, 75, 95)] == [1, 2, 3, 4]
    answers = {
        ("batches up to 64", 8): [{"seconds": 0.5, "latencies": [0.1, 0.3]}] * 2,
        ("one at a time", 8): [{"seconds": 2.0, "latencies": [0.2, 0.4]}] * 2,
    }
    result = serve.show(answers)
    assert result["batches up to 64, 8 clients"]["requests_per_second"] == [4.0, 4.0]
    assert result["one at a time, 8 clients"]["p95_ms"] == [400.0, 400.0]
    out = capsys.readouterr().out
    assert "| one at a time | 8 | 1.0 (1.0–1.0) | 200.0 (200.0–200.0) |" in out
    assert "8 clients, with batches over without: 4.00" in out
    with pytest.raises(SystemExit):
        serve.parse(["--model", "m", "--texts", "t", "--clients", "0"])


def test_a_shortlist_is_compared_with_the_vocabulary(load, data, tiny_checkpoint, capsys):
    sizes = ["--per-source", "2", "--frequent", "4", "--num-beams", "1", "--repeats", "1"]
    sides = ["--source", "de", "--target", "en", "--precision", "float32"]
    load("shortlist").main(["--model", str(tiny_checkpoint), "--data", str(data), *sizes, *sides])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| 1 ")]
    assert [row[1] for row in rows] == ["vocabulary", "shortlist"]
    assert rows[0][4].startswith(f"{len(SENTENCES)} of {len(SENTENCES)}")
    assert "bytes" in " ".join(lines)


def test_every_product_is_about_the_same(load, capsys):
    int8 = load("int8")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 64)).astype("float32"), rng.normal(size=(64, 40)).astype("float32")
    for name, product in int8.products(x, w).items():
        found = np.asarray(product()).astype("float32")
        assert np.abs(found - x @ w).mean() < 0.03 * np.abs(x @ w).mean(), name
    int8.main(["--shapes", "2x16x24", "--repeats", "1"])
    assert "| 2 x 16 x 24 | " in capsys.readouterr().out
