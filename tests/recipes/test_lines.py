"""Training pairs for a summarizer of any text: what is kept apart, and what is left out."""

import json
import string

import numpy as np
import pytest

from s2s_zoo.data.text.invented import invented
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol.errors import DataError
from tests.recipes.conftest import RECIPES, recipe

PREPARE = recipe("summarization", "prepare")
masked_text = PREPARE.sys.modules["apart"].masked
SHARED = "It reads letters from a folder, sorts them by the day and prints a list of them all."


def own(seed):
    """A paragraph that no other text has."""
    draws = np.random.default_rng(seed)
    words = ["".join(draws.choice([*string.ascii_lowercase], 6)) for _ in range(40)]
    return f"{' '.join(words)}."


def packages(count=400):
    """Rows of packages, of which some families are kept apart, and twins of them under others."""
    for i in range(count):
        name = "".join(string.ascii_lowercase[(i // k) % 26] for k in (1, 26)) * 2
        yield f"lib{name}1", f"Program {name} for people", f"{own(i)} <p> {SHARED}"
        yield f"{name}-doc", f"Papers on {name}", f"{own(i)} <p> {own(i + 5000)}"
        yield f"other{name}", f"Something else {i}", f"{own(i)} <p> {own(i + 9000)}"


@pytest.fixture(scope="module")
def pairs():
    return [
        PREPARE.Pair(
            tuple(text.split(" <p> ")),
            line,
            "descriptions",
            PREPARE.family(name),
            PREPARE.part_of_package(name),
        )
        for name, line, text in packages()
    ]


def test_no_paragraph_and_no_line_of_training_is_in_what_is_kept_apart(pairs):
    parts = PREPARE.kept_apart(pairs)
    assert all(parts.values())
    masked = {
        part: {masked_text(p) for one in found for p in one.paragraphs}
        for part, found in parts.items()
    }
    general = {masked_text(SHARED)}
    assert masked["train"] & (masked["test"] | masked["valid"]) <= general
    assert masked["valid"] & masked["test"] <= general
    groups = {part: {one.group for one in found} for part, found in parts.items()}
    assert not groups["train"] & (groups["test"] | groups["valid"])
    left = sum(map(len, parts.values()))
    assert left < len(pairs), "the third names of texts kept apart are twins"


def test_names_of_one_source_are_one_family():
    family = PREPARE.family
    assert len({family(n) for n in ("libfoo-dev", "python3-foo", "foo-doc", "foo2")}) == 1
    assert family("foobar") != family("foo")


def test_a_family_fills_no_more_than_its_share():
    pairs = [
        PREPARE.Pair((own(i),), f"Crate {own(i)[:20]}", "descriptions", "rust", "train")
        for i in range(200)
    ]
    assert len(PREPARE.kept_apart(pairs)["train"]) == 150


def test_lines_for_training_invent_nothing_and_the_others_stay_as_they_are():
    text = f"{own(1)} {own(2)} It plays files of the MP3 kind."
    lines = ("library of MP3 files", "player 4 of files", "playing as Winamp does")

    def prepared(part):
        pairs = [PREPARE.Pair((text,), line, "descriptions", line, part) for line in lines]
        return PREPARE.prepared(pairs)

    parts, counts = prepared("train")
    assert [row[1] for row in parts["train"]] == ["Library of MP3 files"]
    assert counts["invents"] == 2
    assert len(prepared("test")[0]["test"]) == 3


def test_small_first_letters_of_usual_words_become_large():
    def line(text):
        return PREPARE.tidy(PREPARE.Pair((own(3),), text, "headings", "x", "train"))[1]

    assert line("library for sounds") == "Library for sounds"
    assert line("gzip for sounds") == "gzip for sounds"
    assert PREPARE.tidy(PREPARE.Pair(("short",), "a line", "headings", "x", "train")) is None


def test_headings_stand_over_their_sections_and_that_of_a_page_over_all(tmp_path):
    folder = tmp_path / "libreoffice_help"
    folder.mkdir()
    rows = [
        ("a#hd_1", "Sorting cells"),
        ("a#par_2", "First."),
        ("a#hd_3", "Sorting by colour"),
        ("a#par_4", "Second."),
        ("b#par_5", "Nothing above."),
        *((f"{page}#hd_6", "Example") for page in "cdef"),
    ]
    (folder / "de.tsv").write_text("".join(f"{a}\t{b}\tdeutsch\n" for a, b in rows))
    found = [(pair.line, pair.paragraphs) for pair in PREPARE.headings(tmp_path)]
    assert found == [
        ("Sorting cells", ("First.", "Second.")),
        ("Sorting by colour", ("Second.",)),
    ]


def test_the_whole_way_from_files_to_files(tmp_path):
    (tmp_path / "debian_descriptions").mkdir()
    lines = ["\t".join(row) + "\n" for row in packages()]
    (tmp_path / "debian_descriptions" / "en.tsv").write_text("".join(lines))
    output = tmp_path / "lines"
    PREPARE.main(["--data", str(tmp_path), "--output", str(output), "--origins", "descriptions"])
    rows = [line.split("\t") for line in (output / "train.tsv").read_text().splitlines()]
    assert rows and all(len(row) == 3 and not invented(row[1], row[0]) for row in rows)
    assert (output / "valid.tsv").exists() and (output / "test-descriptions.tsv").exists()


@pytest.mark.parametrize("name", ["lines-pointer", "lines-transformer"])
def test_both_candidates_copy_read_512_tokens_and_have_the_same_size(name):
    config = json.loads((RECIPES / "summarization" / f"{name}.json").read_text())
    assert config["processor"]["max_source_length"] == 512
    for part in ("encoder", "decoder"):
        size = config["tokenizer"]["sentencepiece"]["vocabulary_size"]
        config["model"][part]["vocabulary_size"] = size
    model = Seq2Seq.from_config(config["model"])
    assert model.decoder.pointer is not None
    assert 4.2e6 < model.count_params() < 4.7e6  # of two bytes each 9 MB


def test_a_table_of_ones_own_is_parted_into_pairs_that_train_and_that_choose(tmp_path):
    train = recipe("summarization")
    path = tmp_path / "tickets.csv"
    rows = [f'{i},"Text {i}, long",Line {i}' for i in range(30)]
    path.write_text("\n".join(["id,Body,Subject", *rows]) + "\n")
    told = ["--columns", "Body", "Subject"]
    args, config = train.parse(["--data", str(path), *told, "--output", str(tmp_path / "run")])
    found = {split: train.load(args, config, split) for split in ("train", "valid")}
    assert len(found["train"]) == 27 and len(found["valid"]) == 3
    assert found["valid"][0] == ("Text 9, long", "Line 9")
    assert not {*found["train"]} & {*found["valid"]}
    path.write_text("id,Body,Subject\n1,a,b\n")
    with pytest.raises(DataError, match="at least 10 pairs"):
        train.load(args, config, "train")
    args.columns = ["Body", "Subjekt"]
    with pytest.raises(DataError, match="Subject"):
        train.load(args, config, "train")


def test_a_short_run_warms_up_and_averages_within_itself():
    train = recipe("summarization")
    settings = {"warmup_steps": 400, "ema": 0.999, "learning_rate": 0.001, "clipnorm": 1.0}
    made = train.tuning.gentle(settings, 80)
    assert made.ema_momentum == pytest.approx(1 - 5 / 80)
    assert float(made._learning_rate(8)) == pytest.approx(0.001)
    made = train.tuning.gentle(settings, 100_000)
    assert made.ema_momentum == 0.999 and float(made._learning_rate(400)) == pytest.approx(0.001)


def test_what_the_scores_say_of_lines():
    score = recipe("summarization", "score")
    sources = ["The harbour has 14 cranes and will close on Monday.", "Soup of peas for four."]
    lines = ["Harbour with 15 cranes closes", "Soup of peas"]
    found = score.figures(sources, lines, ["Harbour closes on Monday", "Soup of peas"])
    assert found["nothing invented"] == 50 and found["loops"] == 0 and found["words"] == 4
    assert 50 < found["rouge1"] < 100
    assert score.lead(sources[0]) == "The harbour has 14 cranes and will close"
    assert len(score.spread(list(range(10)), 3)) == 3


def test_a_blind_sheet_counts_what_its_reader_preferred(tmp_path):
    judge = recipe("summarization", "judge")
    texts = RECIPES / "summarization" / "everyday.tsv"
    judge.write_sheet(lambda found: [f"line {i}" for i in range(len(found))], texts, tmp_path, 1)
    with pytest.raises(DataError, match="expected A, B or ="):
        judge.counted(tmp_path)
    sheet = (tmp_path / "sheet.csv").read_text(encoding="utf-8")
    assert "summarizer" not in sheet
    key = judge._read(tmp_path / "key.csv")
    assert {row["A"] for row in key} == {"summarizer", "first words"}
    answers = ["A" if row["A"] == "summarizer" else "B" for row in key[:40]] + ["="] * 10
    rows = judge._read(tmp_path / "sheet.csv")
    with (tmp_path / "sheet.csv").open("w", encoding="utf-8", newline="") as file:
        writer = judge.csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {**row, "better": answer} for row, answer in zip(rows, answers, strict=True)
        )
    found = judge.counted(tmp_path)
    assert found["all"] == {"summarizer": 40, "equal": 10}
    assert sum(counts.total() for counts in found.values()) == 100
