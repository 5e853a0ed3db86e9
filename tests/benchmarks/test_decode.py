"""Decoding beside a peer: the same texts whichever way, and rates of what was asked for."""

import types
from argparse import Namespace

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.protocol import END
from tests.conftest import SENTENCES

pytestmark = pytest.mark.benchmarks


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


def test_a_shortlist_is_compared_with_the_vocabulary(load, data, tiny_checkpoint, capsys):
    sizes = ["--per-source", "2", "--frequent", "4", "--num-beams", "1", "--repeats", "1"]
    sides = ["--source", "de", "--target", "en", "--precision", "float32"]
    load("shortlist").main(["--model", str(tiny_checkpoint), "--data", str(data), *sizes, *sides])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| 1 ")]
    assert [row[1] for row in rows] == ["vocabulary", "shortlist"]
    assert rows[0][4].startswith(f"{len(SENTENCES)} of {len(SENTENCES)}")
    assert "bytes" in " ".join(lines)
