"""What is found in training data, on pairs whose faults are known."""

import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.data import read_pairs
from s2s_zoo.data.inspecting import inspect_pairs

GOOD = [(f"der hund {n} rennt schnell", f"the dog {n} runs fast") for n in range(5)]
FAULTY = [
    ("ein hund", " ", "blank"),
    ("s2s-zoo", "s2s-zoo", "identical"),
    (*GOOD[0], "duplicate"),
    ("das ist geheim", "this is new", "leak"),
    ("eine katze schläft", "кошка спит", "script"),
    ("ein Hund", "a dog, and much more than that, as nobody has said before", "ratio"),
    ("ja", "of course", None),
]
PAIRS = GOOD + [(source, target) for source, target, _ in FAULTY]
TEST = [("das ist geheim", "this is secret")]


def test_each_fault_is_found():
    found = inspect_pairs(PAIRS, TEST)
    assert found.faults == [None] * len(GOOD) + [fault for *_, fault in FAULTY]
    assert found.scripts == ("LATIN", "LATIN")
    # of 1 to 4 words, of 5 to 9, and one of 12
    assert found.lengths[0] == [5, 6, 0, 0, 0, 0, 0]
    assert found.lengths[1] == [4, 6, 1, 0, 0, 0, 0]
    assert inspect_pairs([]).faults == []


@pytest.mark.parametrize("name", ["clean.tsv", "clean.jsonl"])
def test_the_command_reports_and_cleans(tmp_path, capsys, name):
    data, test, out = tmp_path / "train.tsv", tmp_path / "test.tsv", tmp_path / name
    for path, pairs in ((data, PAIRS), (test, TEST)):
        path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    assert main(["inspect", str(data), "--test", str(test), "--clean", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("12 pairs, 6 without a fault\n") and f"{out}: 6 pairs" in said
    assert "        1  leak: source or target is in the test data\n" in said
    assert read_pairs(out) == [*GOOD, ("ja", "of course")]
    assert main(["inspect", str(data), "--clean", str(out)]) == 1
    assert "expected a new file, .tsv or .jsonl" in capsys.readouterr().err


def test_what_a_tsv_cannot_hold_is_not_written(tmp_path, capsys):
    data, out = tmp_path / "train.csv", tmp_path / "clean.tsv"
    data.write_text('de,en\n"ein\nHund",a dog\n', encoding="utf-8")
    assert main(["inspect", str(data), "--clean", str(out)]) == 1
    assert "no place for a tab or a line end" in capsys.readouterr().err and not out.exists()


def test_two_parallel_files_are_one_source_of_pairs(tmp_path, capsys):
    paths = [tmp_path / f"train.{language}" for language in ("de", "en")]
    for path, side in zip(paths, zip(*PAIRS, strict=True), strict=True):
        path.write_text("\n".join(side), encoding="utf-8")
    both = [str(path) for path in paths]
    assert main(["inspect", *both, "--test", *both]) == 0
    said = capsys.readouterr().out
    assert said.startswith("12 pairs, 0 without a fault\n") and "leak" in said
    with pytest.raises(SystemExit):
        main(["inspect", *both, both[0]])
    assert "a file, or two parallel ones. Received" in capsys.readouterr().err
