import importlib.util
import sys

import pytest

from tests.recipes.conftest import RECIPES

FOLDER = RECIPES / "translation" / "real_text"
SETS = ["de-en", "fr-en", "zh-en", "en-de"]


def load(name):
    spec = importlib.util.spec_from_file_location(f"real_text_{name}", FOLDER / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


score, held_out = load("score"), load("held_out")


def line(needs, kind="number"):
    return score.Line(kind, "", score.parse_needs(needs))


def test_needs_are_parted_at_bars_and_alternatives_at_slashes():
    assert score.parse_needs(r"12|March/Mar|<\/b>|a\|b") == (
        ("12",),
        ("March", "Mar"),
        ("</b>",),
        ("a|b",),
    )


@pytest.mark.parametrize(
    ("needs", "translation"),
    [
        ("1.234,56", "It costs 1,234.56 euros."),
        ("1234.56", "It costs 1 234,56 euros."),
        ("1250000", "1,250,000 customers"),
        ("anna@example.com", "ANNA@EXAMPLE.COM"),
        ("12|March/Mar|2024", "on Mar 12, 2024"),
        ("smok", "No smoking here."),
        ("O'Hara", "Mr O’Hara"),
        ("1.000", "1000"),
        ("8", "at 8:00"),
        ("2024|100", "In 2024 100 came"),
    ],
)
def test_a_correct_translation_holds_its_needs(needs, translation):
    assert score.missing(line(needs), translation) == []


@pytest.mark.parametrize(
    ("needs", "translation"),
    [
        ("12", "on the 123rd"),
        ("12", "12.5 metres"),
        ("5", "4.5 stars"),
        ("1234.56", "163,534,524"),
        ("12|March", "on March 13"),
        ("apple", "a pineapple"),
        ("30.2", "302"),
        (r"<b>|<\/b>", "<b>bold"),
    ],
)
def test_a_wrong_number_or_a_lost_word_is_seen(needs, translation):
    assert score.missing(line(needs), translation)


def test_shares_are_of_each_kind_and_of_all():
    lines = [line("1"), line("2"), line("x", "mail")]
    assert score.shares(lines, ["1", "3", "x"]) == {"number": 0.5, "mail": 1.0, "all": 2 / 3}
    with pytest.raises(ValueError, match="each of 3 lines, received 2"):
        score.shares(lines, ["1", "3"])


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_large_varied_and_half_by_others(name):
    lines = score.read(FOLDER / f"{name}.tsv")
    kinds = [line.kind for line in lines]
    assert len(lines) >= 400 and min(map(kinds.count, score.KINDS)) >= 45
    assert len({line.source for line in lines}) == len(lines)
    origins = (FOLDER / "origins.tsv").read_text(encoding="utf-8").splitlines()
    by_others = {int(row.split("\t")[1]) for row in origins if row.startswith(name)}
    assert 2 * len(by_others) >= len(lines) >= max(by_others)


@pytest.mark.parametrize("name", SETS)
def test_what_must_not_change_is_held_by_the_source_itself(name):
    for line in score.read(FOLDER / f"{name}.tsv"):
        if line.kind in ("mail", "url"):
            copied = [need for need in line.needs if any(c in need[0] for c in ("@", ":/", "www."))]
            assert copied and not set(copied) & set(score.missing(line, line.source)), line


@pytest.mark.parametrize("text", ["number\t1", "colour\tred\tred", "number\tone\t1|"])
def test_a_set_that_is_not_one_says_where(text, tmp_path):
    path = tmp_path / "set.tsv"
    path.write_text(f"number\teins\t1/one\n{text}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        score.read(path)


def test_the_command_scores_a_file_of_translations(tmp_path, capsys):
    (tmp_path / "set.tsv").write_text("number\teins\t1/one\ndate\tMai\tMay\n", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("one\nApril\n", encoding="utf-8")
    arguments = ["--translations", str(tmp_path / "mine.txt"), "--set", str(tmp_path / "set.tsv")]
    score.main([*arguments, "--failures"])
    printed = capsys.readouterr().out
    assert "date\tMai\tApril\tMay" in printed and "all           2   0.500" in printed
    with pytest.raises(SystemExit):
        score.main(["translation-de-en", *arguments])


def test_packages_of_one_source_are_held_out_together():
    names = ["libcdio-dev", "libcdio19", "python3-cdio", "cdio-utils", "ruby-cdio"]
    assert {held_out.family(name) for name in names} == {"cdio"}
    assert held_out.package_is_held_out("libpsl5") == held_out.package_is_held_out("psl")
    assert not held_out.package_is_held_out("erlang-base")
    assert held_out.page_is_held_out("text/sbasic/shared/a.html#1") == held_out.page_is_held_out(
        "text/sbasic/shared/a.html"
    )
