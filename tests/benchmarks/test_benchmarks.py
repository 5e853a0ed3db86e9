"""What the benchmarks rest on: turns, figures, and that our side counts and does what it says."""

import contextlib
import importlib
import json
import signal
import subprocess
import sys
import types
from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.checkpoints.catalog import resolve
from s2s_zoo.protocol import END
from tests.conftest import SENTENCES

ROOT = Path(__file__).parents[2]
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
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__main__"}
    for name in (*scripts, "benchmarks.__main__"):
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


def test_more_rounds_may_warm_up(load):
    turns = iter(range(10))
    found = load("measure").take_turns({"a": lambda: next(turns)}, repeats=2, warm_up=3)
    assert found == {"a": [3, 4]}


@pytest.mark.parametrize(
    "flags, known, precisions",
    [
        ("fpu avx2 fma", ["avx2"], ("float32",)),
        ("avx2 avx512f avx512_bf16", ["avx2", "avx512f", "avx512_bf16"], ("float32", "bfloat16")),
    ],
)
def test_bfloat16_is_measured_where_the_processor_has_it(load, tmp_path, flags, known, precisions):
    measure = load("measure")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: A 1\nflags\t\t: {flags}\n\n")
    assert measure.processor(cpuinfo) == ("A 1", known)
    assert measure.precisions(known) == precisions
    assert measure.processor(tmp_path / "none")[1] == []


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


def test_claims_become_one_table(load):
    measure = load("measure")
    ours = (("ours", "bfloat16"), measure.Figure((30.0, 36.0, 33.0)))
    peer = (("peer", "float32"), measure.Figure((20.0, 24.0, 22.0)))
    lines = measure.claims_table(
        [measure.claim("speed, a/s", ours, peer), measure.claim("alone, ms", ours)]
    ).splitlines()
    assert lines[2:] == [
        "| speed, a/s | 33.0 (ours bfloat16) | 22.0 (peer float32) | 1.50 (1.50–1.50) |",
        "| alone, ms | 33.0 (ours bfloat16) |  |  |",
    ]
    assert [measure.number(x) for x in (0.1234, 12.34, 12345.6)] == ["0.12", "12.3", "12,346"]


SCRIPT = """
import json, sys
from pathlib import Path
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if "--fail" in options:
    sys.exit("no more memory")
claim = {"claim": "speed", "ours": "ours", "values": [float(options["--repeats"])]}
Path(options["--json"]).write_text(json.dumps({"sides": {}, "claims": [claim]}))
print("a report")
"""


@pytest.fixture
def whole(load, tmp_path, monkeypatch):
    """The run of all, whose scripts `good` and `bad` are the one above."""
    run = load("benchmarks.__main__")
    for name in ("good", "bad"):
        (tmp_path / f"{name}.py").write_text(SCRIPT)
    monkeypatch.setattr(run.measure, "HERE", tmp_path)
    fail = ["--fail", "yes"]
    monkeypatch.setitem(run.PARTS, "good", ((), lambda args: [], ("repeats",)))
    monkeypatch.setitem(run.PARTS, "bad", ((), lambda args: fail, ()))
    return run


def test_the_run_of_all_makes_one_table_and_one_json(whole, tmp_path, capsys):
    output = tmp_path / "output"
    command = ["--output", str(output), "--repeats", "3", "--only", "good", "train"]
    assert whole.main(command) == 0
    out = capsys.readouterr().out
    assert "| speed | 3.00 (ours) |  |  |" in out
    assert "- train skipped: needs --data" in out
    assert (output / "benchmarks.md").read_text().strip() == out.strip()
    assert (output / "good.md").read_text() == "a report\n"
    parts = json.loads((output / "benchmarks.json").read_text())["parts"]
    assert parts["good"]["claims"][0]["values"] == [3.0]
    assert list(parts["train"]) == ["skipped"]


def test_a_part_that_fails_does_not_stop_the_others(whole, tmp_path, capsys):
    command = ["--output", str(tmp_path / "output"), "--only", "bad", "good"]
    assert whole.main(command) == 1
    out = capsys.readouterr().out
    assert "- bad failed: exit code 1" in out and "no more memory" in out
    assert "| speed | 5.00 (ours) |" in out


def test_what_a_part_lacks_is_said(whole, data, tmp_path):
    args = whole.parse(["--output", str(tmp_path), "--peer-python", sys.executable])
    assert whole.data(args) == "needs --data, a folder with Multi30k"
    args.data = data
    assert not whole.data(args)
    (data / "train.de").unlink()
    assert whole.data(args) == f"{data} lacks train.de"
    assert not whole.peer("json")(args)
    assert "cannot import json, no_such: ModuleNotFoundError" in whole.peer("json", "no_such")(args)
    assert whole.installed("json", "no_such")(args).startswith("needs no_such:")


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


def test_the_peer_decodes_the_same_model(load, tmp_path):
    torch = pytest.importorskip("torch")
    checkpoint = resolve("translation-en-de").directory
    load("peer_weights").convert(checkpoint, tmp_path / "weights.npz")
    peer = load("peers.train_torch")
    model, weights = peer.Seq2Seq(8000), np.load(tmp_path / "weights.npz")
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights})
    ours = s2s_zoo.from_pretrained(checkpoint)
    texts = ["A dog runs.", "Two men in blue shirts are talking in the street.", "I am cold."]
    rows = [list(map(int, row)) for row in ours.processor.encode_source(texts)]
    greedy, beam = (
        peer.translate(model, rows, 2, search, contextlib.nullcontext)[0]
        for search in (peer.greedy, peer.beam_search)
    )
    decode = ours.processor.decode
    assert [decode(np.array([*row, END])) for row in greedy] == ours(texts, num_beams=1)
    best = ours(texts, num_beams=5, length_penalty=1.0, early_stopping=True)
    assert [decode(np.array([*row, END])) for row in beam] == best


def test_a_model_that_the_peer_does_not_have_is_refused(load, tmp_path):
    checkpoint = resolve("summarization-titles-en").directory
    with pytest.raises(KeyError, match="decoder/attention"):
        load("peer_weights").convert(checkpoint, tmp_path / "weights.npz")


def test_ours_also_trains_on_batches_in_memory_and_is_not_compared_by_it(load):
    class Side:
        def ask(self, **work):
            return work

    train, sides = load("train"), {("ours", "a"): Side(), ("peer", "a"): Side()}
    answers = {name: job() for name, job in train.work_of(sides).items()}
    apart = train.IN_MEMORY, "a"
    assert answers == {("ours", "a"): {}, apart: {"in_memory": True}, ("peer", "a"): {}}
    assert apart[0] != "ours"


def test_training_is_compared_within_a_precision_and_in_our_best(load, capsys):
    rates = {("ours", "float32"): 20, ("ours", "bfloat16"): 60, ("peer", "float32"): 10}
    rates |= {("peer", "bfloat16"): 40, ("peer", "bfloat16, compiled"): 50}
    turns = {name: [{"tokens": [rate], "seconds": [1.0]}] for name, rate in rates.items()}
    train = load("train")
    sides = dict.fromkeys(rates, Namespace(facts={"parameters": 7}))
    claims = train.report("Luong", sides, turns)["claims"]
    assert [(x["ours"], x["peer"], x["ratio"]) for x in claims] == [
        ("ours float32", "peer float32", 2.0),
        ("ours bfloat16", "peer bfloat16, compiled", 1.2),
        ("ours bfloat16", "peer float32", 6.0),
    ]
    assert "ours in bfloat16 over peer in float32: 6.00" in capsys.readouterr().out


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
    first, second, in_memory = work(), work(), work(in_memory=True)
    assert first["tokens"] == second["tokens"] == in_memory["tokens"]
    pairs = tiny_pipeline.batches(SENTENCES, batch_tokens=1, seed=1)
    expected = [int(np.sum(labels != 0)) for _, labels, _ in pairs.as_numpy_iterator()]
    assert second["tokens"] == expected[1:3]
    assert len(second["seconds"]) == 2 and min(second["seconds"]) > 0
    assert int(model.optimizer.iterations) == 9

    args.steps = 3
    with pytest.raises(SystemExit, match="6 batches"):
        ours.trainer(args)

    args.steps, args.attention = 2, "bahdanau"
    decoder = ours.trainer(args)[0].decoder
    assert decoder.input_feeding and decoder.attention.units == 512


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


def test_beams_are_also_stopped_as_the_peer_stops_them(ours, load, data, tiny_checkpoint):
    decode = load("decode")
    sides = {("ours", "bfloat16"): Namespace(ask=dict), ("peer", "bfloat16"): Namespace(ask=dict)}

    def stopped(search):
        found = decode.jobs(sides, {"search": search, "sentences": 4, "batch_size": 3})
        return [job() for name, job in found.items() if name[2] == decode.STOPPED]

    assert stopped("greedy") == []
    (work,) = stopped("beam")
    args = Namespace(checkpoint=tiny_checkpoint, data=data, source="de", precision="float32")
    assert len(ours.decoder(args)[1](**work)["texts"]) == 4


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA counts for JAX")
def test_the_cost_of_hashed_attention_grows_with_the_length_and_of_full_with_its_square(load):
    lsh = load("lsh")
    full, hashed = (
        [lsh.cost(make(length), length)[2] for length in (256, 1024)]
        for make in (lambda length: lsh.full(), lambda length: lsh.hashed(length, 1))
    )
    assert full[1] / full[0] > 8
    assert 3 < hashed[1] / hashed[0] < 5


@pytest.mark.parametrize(
    ("num_beams", "compiled"), [(1, []), (1, ["--jit-compile"]), (3, [])], ids=["1", "1-xla", "3"]
)
def test_our_forced_decoding_speaks_the_ids_of_the_files(ours, hub_marian, num_beams, compiled):
    arguments = ["forced", "--checkpoint", str(hub_marian), "--precision", "float32"]
    _, work = ours.forced_decoder(ours.parse([*arguments, *compiled]))
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


def test_one_sentence_alone_is_also_decoded_by_xla(load):
    marian = load("marian")
    args = marian.parse(["--folder", "m", "--data", "d", "--peer-python", "p", "--sides", "ours"])
    commands = marian.commands(args)
    assert commands[marian.XLA][-3:] == ["--precision", "float32", "--jit-compile"]
    assert [name for name, words in commands.items() if "--jit-compile" in words] == [marian.XLA]
    sides = {name: types.SimpleNamespace(ask=dict) for name in commands}
    for rows, num_beams in (([[5]], 1), ([[5]], 4), ([[5], [6]], 1)):
        jobs = marian.jobs_of(sides, rows, num_beams)
        assert (marian.XLA in jobs) == (num_beams == len(rows) == 1)
        work = {"rows": rows, "num_beams": num_beams, "length": marian.TARGET}
        assert jobs["ours", "float32"]() == work and len(jobs) >= len(sides) - 1


def test_full_size_figures_are_rates_beside_each_peer(load, capsys):
    marian = load("marian")
    answers = {
        ("ours", "bfloat16"): [{"seconds": 0.5, "found": [[1, 2], [3, 4]]}] * 2,
        ("ours", "float32"): [{"seconds": 1.0, "found": [[1, 2], [3, 5]]}] * 2,
        ("transformers", "float32"): [{"seconds": 2.0, "found": [[1, 2], [3, 5]]}] * 2,
        ("CTranslate2-MKL", "int8"): [{"seconds": 0.25, "found": [[1, 2], [3, 5]]}] * 2,
    }
    result, claims = marian.show_task(4, 2, answers)
    assert result["sentences_per_second"]["ours, bfloat16"] == [4.0, 4.0]
    assert result["same"]["ours, bfloat16"] == 0.75
    assert [(found["peer"], found["ratio"]) for found in claims] == [
        ("transformers float32", 4),
        ("CTranslate2-MKL int8", 0.5),
    ]
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


@pytest.mark.slow
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


def recipe(ours, **sizes):
    """The config of the recipe, with other sizes."""
    config = json.loads(ours.CONFIG.read_text(encoding="utf-8"))
    config["model"]["encoder"].update(sizes.get("encoder", {}))
    config["model"]["decoder"].update(sizes.get("decoder", {}))
    return config


def test_the_products_of_a_step_are_those_of_its_weights(ours, load):
    roofline = load("roofline")
    rows, length, vocabulary = 3, 7, 50
    config = recipe(ours)
    ahead = roofline.forward(config, vocabulary, rows, length)
    weights = {x.layer: x.k * x.n for x in ahead if not x.batch}
    for layer in ("encoder, input", "encoder, recurrence", "bridge"):
        weights[layer] *= 2
    biases = 2 * 1024 + 2048 + 2 * 512 + vocabulary
    gain = 1
    model = ours.recipe_model(config, vocabulary)
    assert sum(weights.values()) + biases + gain == model.count_params()
    # A weight and a token make a multiplication and an addition, whatever the grouping.
    per_token = {x.layer: x.operations / (rows * length) for x in ahead}
    assert per_token["encoder, recurrence"] == 2 * weights["encoder, recurrence"]
    assert per_token["decoder, recurrence"] == 2 * weights["decoder, recurrence"]
    assert per_token["vocabulary"] == 2 * 256 * vocabulary
    assert per_token["scores"] == per_token["context"] == 2 * length * 512
    for product in ahead:
        gradients = roofline.backward(product)
        assert [x.operations for x in gradients] == 2 * [product.operations]
    merged = roofline.backward(ahead[1])[1]
    assert (merged.count, merged.m, merged.k, merged.n) == (2, 256, rows * length, 1024)


def test_a_share_of_the_roof_is_operations_over_time(load, capsys):
    roofline = load("roofline")
    product = roofline.Product("layer", 2, 0, 10, 100, 1000)
    assert (product.operations, product.elements) == (4e6, 2 * (1000 + 100_000 + 10_000))
    found = {product: roofline.measure.Figure((0.004,)), "loss": roofline.measure.Figure((0.001,))}
    passes = {"loss": 4000, "cells": 8000}
    rows, least, measured = roofline.layer_rows([product], passes, 10, found, 1e9, 1e6, 4)
    # Bytes bound the product: 888,000 at 1 MB/s are more than 4 MFLOP at 1 GFLOP/s.
    assert least == pytest.approx(0.888 + 0.004 + 0.008) and measured == 0.005
    assert rows[0] == ["layer", "0.40", "88.8", "888.00", "4.00"] and rows[2][-1] == ""
    seconds = roofline.measure.Figure((0.04, 0.02, 0.08))
    share = roofline.show_step("step", 10, rows, least, measured, 4e6, seconds, 1e9)
    assert share.values == pytest.approx((10, 20, 5))
    assert "10.0 (5.0–20.0) % of the matrix roof" in capsys.readouterr().out


def test_random_work_is_of_the_size_that_was_asked_for(ours, load):
    synthetic = load("synthetic")
    sizes = {"embedding_dim": 4, "units": 4}
    config = recipe(ours, encoder=sizes, decoder={**sizes, "units": 8})
    work = synthetic.Work(ours.recipe_model(config, 60), 60)
    for num_beams in (1, 3):
        found = work.search(rows=2, source_length=5, steps=6, num_beams=num_beams)()
        assert found.tokens.shape == (2, 1, 6)
        assert (found.tokens[..., :-1] > END).all() and (found.tokens[..., -1] == END).all()
    size = {"rows": 2, "source_length": 5, "target_length": 6}
    step, loss = work.step(**size), work.forward(**size)
    before = float(work.model.trainable_variables[0].numpy().sum())
    assert step() > 0 and loss() == ()
    assert float(work.model.trainable_variables[0].numpy().sum()) != before
    shapes = [weight.shape for weight in work.model.trainable_variables]
    assert work.gradient(**size)() == shapes
    assert work.loss(rows=2, target_length=6)() == (2, 6, 60)
    assert work.product(batch=2, m=3, k=4, n=5, count=2)() == (2, 3, 5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_of_memory_is_that_since_it_was_forgotten(ours, load):
    synthetic = load("synthetic")
    before = synthetic.resident()
    np.ones(1 << 24)
    assert synthetic.resident(peak=True) - before > 100 << 20
    synthetic.forget_peak()
    assert synthetic.resident(peak=True) - synthetic.resident() < 50 << 20


def test_exponents_of_powers_and_their_picture(load, tmp_path):
    scaling = load("scaling")
    assert scaling.exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2)
    curve = [
        {"value": x, "seconds": [x, x, 9e9], "processor_seconds": [x**2], "bytes": x**0.5}
        for x in (1, 2, 4, 8)
    ]
    expected = {"seconds": 1, "processor_seconds": 2, "bytes": 0.5}
    assert scaling.exponents(curve) == pytest.approx(expected)
    args = scaling.parse(["--sweeps", "beams", "source length", "--longest", "50"])
    found = [(sweep, work, value) for sweep, work, value, _ in scaling.points(args)]
    assert [x for x in found if x[0] == "beams"] == [("beams", "beam", 1 << i) for i in range(6)]
    assert [x[2] for x in found if x[1] == "training"] == [10, 50]
    sizes = [size for _, _, _, size in scaling.points(args)]
    assert sizes[3] == {**scaling.BASE, "beams": 8}
    pytest.importorskip("matplotlib")
    for point in curve:
        point["compiled"] = 1.0
    scaling.draw({("beams", "beam"): curve, ("batch", "greedy"): curve}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    rows = list(scaling.rows({("beams", "beam"): curve}))
    assert rows[0][2:5] == ["1 → 8", "1,000 → 8,000", "1.00 (2.00)"]


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


@pytest.mark.slow
def test_a_step_in_parts_beside_a_whole_one(load, tmp_path, capsys):
    report = tmp_path / "report.json"
    sizes = ["--vocabulary", "60", "--parts", "1", "2", "--repeats", "1"]
    load("loss_parts").main([*sizes, "--json", str(report)])
    steps = json.loads(report.read_text())["steps"]
    precisions = load("measure").PRECISIONS
    assert list(steps) == [f"{name}, {parts}" for name in precisions for parts in (1, 2)]
    assert all(step["seconds"][0] > 0 for step in steps.values())
    assert f"| {precisions[-1]} | 2 |" in capsys.readouterr().out


@pytest.mark.slow
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
