"""What every benchmark rests on: sides, turns, figures, claims, and the run of all."""

import json
import sys

import pytest

pytestmark = pytest.mark.benchmarks
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
