"""Every family of the Hub beside transformers: none is forgotten, both sides do the same."""

import json
import sys
from argparse import Namespace

import numpy as np
import pytest

pytestmark = [pytest.mark.benchmarks, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def families(load):
    return load("families")


def test_no_family_is_forgotten(load):
    from s2s_zoo.checkpoints.pretrained import FAMILIES

    sizes = load("family_sizes")
    measured = {published.model_type for published in sizes.FAMILIES.values()}
    assert not measured & set(sizes.OTHERS)
    assert measured | set(sizes.OTHERS) == set(FAMILIES)


def test_sources_are_drawn_alike(load):
    drawn = load("family_sizes").drawn
    ids = drawn({"shape": [5], "low": 3, "high": 9, "end": 2}, 4)
    assert ids.shape == (4, 5) and set(ids[:, -1]) == {2} and ids[:, :-1].min() >= 3
    np.testing.assert_array_equal(drawn({"shape": [5], "low": 3, "high": 9, "end": 2}, 4), ids)
    assert drawn({"shape": [2, 3, 3], "low": 0, "high": 256}, 1).dtype == "uint8"
    assert drawn({"shape": [7, 4]}, 2).dtype == "float32"


# One of each kind of source.
@pytest.mark.parametrize("name", ["bart", "git", "speech_to_text"])
def test_both_sides_write_the_same(ours, load, families, monkeypatch, tmp_path, name):
    pytest.importorskip("transformers")
    monkeypatch.setattr(sys, "path", [*sys.path])  # the peer's script adds to it
    peer, side = load("peers.decode_family"), load("family_side")
    args = Namespace(folder=tmp_path / name, family=name, precision="float32", threads=1)
    peer.build(Namespace(**vars(args), tiny=True))
    (facts, own), (theirs, other) = side.loaded(args), peer.loaded(args)
    assert 0.9 < theirs["weights"] / facts["weights"] < 1.1
    for rows, num_beams in ((1, 1), (2, 3)):
        found = own(rows, num_beams, length=6)["found"]
        expected = other(rows, num_beams, length=6, suppressed=facts["suppressed"])["found"]
        assert np.shape(found) == np.shape(expected) == (rows, 6)
        assert families.same(found, expected) == 1


def test_tables_and_claims(families, monkeypatch, capsys):
    monkeypatch.setattr(families.measure, "PRECISIONS", ("float32", "bfloat16"))
    names = [(side, x) for x in ("float32", "bfloat16") for side in ("ours", "transformers")]
    facts = {
        name: [{"seconds": seconds, "held": 3 << 20, "peak": 6 << 20, "weights": 2 << 20}] * 2
        for name, seconds in zip(names, (1.0, 2.0, 0.5, 4.0), strict=True)
    }
    claims, cells = families.show_loading("bart", facts)
    assert [claim["ratio"] for claim in claims] == [0.5, 1, 0.125, 1]
    assert cells == ["0.50; 1.50 and 1.50", "0.12; 1.50 and 1.50"]
    assert "| ours | float32 | 2 | 1.00 (1.00–1.00) | 1.50" in capsys.readouterr().out
    elsewhere = {
        name: [{k: v for k, v in turn.items() if k in ("seconds", "weights")} for turn in turns]
        for name, turns in facts.items()
    }
    claims, cells = families.show_loading("bart", elsewhere)  # where no memory is told
    assert len(claims) == 2 and cells == ["0.50", "0.12"]
    answers = {
        name: [{"seconds": seconds, "found": [[5, end]]}] * 2
        for name, seconds, end in zip(names, (4.0, 2.0, 1.0, 8.0), (2, 3, 2, 3), strict=True)
    }
    answers["ours", "bfloat16"] = [{"seconds": 1.0, "found": [[6, 2]]}] * 2
    written, claim, share = families.show_task("bart, 1 beams, batch 8", 8, answers)
    assert (claim["ours"], claim["peer"]) == ("ours bfloat16", "transformers float32")
    assert claim["ratio"] == 2 and share == 1
    assert written["same"]["ours, bfloat16"] == 0


def test_the_search_of_one_source_is_also_compiled_further(families):
    class Side:
        def ask(self, **work):
            return work

    sides = {(side, "float32"): Side() for side in ("ours", "transformers")}
    jobs = families.jobs_of(sides, [0, 3], rows=1, num_beams=1, length=9)
    assert list(jobs) == [("ours", "float32"), ("ours", families.XLA), ("transformers", "float32")]
    work = {"rows": 1, "num_beams": 1, "length": 9}
    assert jobs["ours", families.XLA]() == {**work, "jit_compile": True}
    assert jobs["transformers", "float32"]() == {**work, "suppressed": [0, 3]}
    assert len(families.jobs_of(sides, [], rows=2, num_beams=1, length=9)) == 2


@pytest.mark.processes
def test_a_whole_run(families, monkeypatch, tmp_path, capfd):
    pytest.importorskip("transformers")
    monkeypatch.setattr(families.measure, "PRECISIONS", ("float32",))
    report = tmp_path / "families.json"
    fewest = ["--loads", "1", "--repeats", "1", "--beams", "1", "--batches", "1", "--threads", "1"]
    given = ["--only", "bart", "--tiny", "--length", "4", "--json", str(report)]
    families.main([*given, *fewest])
    found = json.loads(report.read_text())
    assert (
        found["families"]["bart"]["tasks"]["bart, 1 beams, batch 1"]["same"]["ours, float32"] == 1
    )
    assert found["claims"][-1]["claim"] == "bart, 1 beams, batch 1, sources/s"
    assert "| bart | tiny |" in capfd.readouterr().out


def test_numbers_that_are_none_are_refused(families):
    with pytest.raises(SystemExit):
        families.parse(["--only", "bort"])
    for option, value in (("--loads", "0"), ("--length", "1"), ("--batches", "0")):
        with pytest.raises(SystemExit):
            families.parse([option, value])
