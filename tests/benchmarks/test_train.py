"""Training beside a peer: what is counted, and that both sides have one model."""

import contextlib
import json
from argparse import Namespace

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.checkpoints.catalog import resolve
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor
from s2s_zoo.protocol import END
from tests.conftest import SENTENCES
from tests.recipes.conftest import RECIPES

pytestmark = pytest.mark.benchmarks


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


def of_the_recipe(folder):
    """A checkpoint of the recipe's model that has learned a few sentences by heart."""
    config = json.loads((RECIPES / "translation/config.json").read_text(encoding="utf-8"))["model"]
    texts = [text for pair in SENTENCES for text in pair]
    tokenizer = SentencePieceTokenizer.train(texts, 60)
    for part in ("encoder", "decoder"):
        config[part] |= {"vocabulary_size": tokenizer.vocabulary_size, "dropout": 0.0}
    processor = TextProcessor(tokenizer, tokenizer, 96, 96)
    model = s2s_zoo.Seq2Seq.from_config(config)
    pipeline = s2s_zoo.Pipeline("translation", model, processor, languages=["de", "en"])
    pipeline.compile()
    model.fit(pipeline.batches(SENTENCES, batch_tokens=2048), epochs=30, verbose=0)
    pipeline.save(folder)
    return folder


def test_the_peer_decodes_the_same_model(load, tmp_path):
    torch = pytest.importorskip("torch")
    checkpoint = of_the_recipe(tmp_path / "checkpoint")
    load("peer_weights").convert(checkpoint, tmp_path / "weights.npz")
    peer = load("peers.train_torch")
    weights = np.load(tmp_path / "weights.npz")
    model = peer.Seq2Seq(len(weights["emb.weight"]))
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights})
    ours = s2s_zoo.from_pretrained(checkpoint)
    texts = [pair[0] for pair in SENTENCES[:3]]
    rows = [list(map(int, row)) for row in ours.processor.encode_source(texts)]
    greedy, beam = (
        peer.translate(model, rows, 1, search, contextlib.nullcontext)[0]
        for search in (peer.greedy, peer.beam_search)
    )
    decode = ours.processor.decode
    assert [decode(np.array([*row, END])) for row in greedy] == ours(texts, num_beams=1)
    best = ours(texts, num_beams=5, length_penalty=1.0, early_stopping=True)
    assert [decode(np.array([*row, END])) for row in beam] == best
    assert len(set(best)) == 3


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


@pytest.mark.learns
def test_a_step_in_parts_beside_a_whole_one(load, tmp_path, capsys, monkeypatch):
    report, script = tmp_path / "report.json", load("loss_parts")
    monkeypatch.setattr(script, "SIZE", {"rows": 4, "source_length": 5, "target_length": 6})
    sizes = ["--vocabulary", "60", "--parts", "1", "2", "--repeats", "1"]
    script.main([*sizes, "--json", str(report)])
    steps = json.loads(report.read_text())["steps"]
    precisions = load("measure").PRECISIONS
    assert list(steps) == [f"{name}, {parts}" for name in precisions for parts in (1, 2)]
    assert all(step["seconds"][0] > 0 for step in steps.values())
    assert f"| {precisions[-1]} | 2 |" in capsys.readouterr().out
