import re

import pytest

from tests.recipes.test_real_text import load

entities, prepare = load("entities"), load("prepare")
held_out = load("held_out")

DESCRIPTIONS = [
    # package, paragraph, English, German
    (
        "0ad",
        0,
        "Real-time strategy game of many old empires",
        "Echtzeit-Strategiespiel vieler alter Reiche",
    ),
    (
        "0ad-data",
        0,
        "Data files of the real-time strategy game",
        "Daten des Echtzeit-Strategiespiels",
    ),
    ("bash", 1, "Bash reads ~/.bashrc. It is free.", "Bash liest ~/.bashrc. Es ist frei."),
    ("bash", 2, "Needs 4096 kB.", "Benötigt 4096 kB."),
    ("bash", 3, "", "Nichts."),
    (
        "bash",
        4,
        "Real-time strategy game of many old empires",
        "Ein Spiel",
    ),  # as in a family that is kept apart
]
HELPS = [("text/a.html#1", "Choose Insert.", "Wählen Sie Einfügen.")]


@pytest.fixture
def data(tmp_path):
    everyday = [
        (f"Tom saw {n} dogs with Mary.", f"Tom sah {n} Hunde mit Mary.") for n in range(10, 60)
    ]
    folders = {
        "manythings/en-de": {"train": everyday, "valid": everyday[:4]},
        "debian_descriptions": {"de": DESCRIPTIONS},
        "libreoffice_help": {"de": HELPS},
    }
    for folder, files in folders.items():
        (tmp_path / folder).mkdir(parents=True)
        for name, rows in files.items():
            text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
            (tmp_path / folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    return tmp_path


def test_families_that_are_kept_apart_are_in_no_training_pair(data):
    out = data / "out"
    prepare.main(["--data", str(data), "--language", "de", "--output", str(out)])
    files = {path.stem: path.read_text(encoding="utf-8") for path in out.iterdir()}
    assert held_out.package_is_held_out("0ad") and not held_out.package_is_held_out("bash")
    assert "strategy" not in files["train"] + files["noise-en"] + files["noise-other"]
    assert files["test-descriptions"].count("strategy") + files["valid"].count("strategy") == 2
    rows = [row.split("\t") for row in files["train"].splitlines()]
    assert {len(row) for row in rows} == {2} and all(all(row) for row in rows)
    assert ["It is free.", "Es ist frei."] in rows  # a sentence of a paragraph
    symbols = [[sorted(re.findall(r"⟦\d+⟧", side)) for side in row] for row in rows]
    assert all(one == other for one, other in symbols) and any(one for one, _ in symbols)
    assert "⟦⟦" not in files["train"], "what stands in a symbol is no number"
    small = [row.split("\t")[1] for row in files["noise-other"].splitlines()]
    assert sum(text == text.lower() for text in small) > len(small) / 3


def test_the_same_seed_gives_the_same_pairs(data):
    args = [prepare.parse(["--data", str(data), "--language", "de", "--output", "x"]) for _ in "12"]
    assert prepare.build(args[0], "de") == prepare.build(args[1], "de")


def test_several_languages_are_one_set_into_english():
    def files(name, count):
        rows = [(f"English {n}", f"{name} {n}") for n in range(count)]
        return {"train": rows, "valid": rows[:3], "noise-other": [("English x", f"{name} x")]}

    made = {"de": files("deutsch", 100), "zh": files("中文", 10)}
    found = prepare.into_english(made, prepare.random.Random(1))
    assert found["train"].count(("中文 3", "English 3")) == 2  # the smaller one twice
    assert found["train"].count(("deutsch 3", "English 3")) == 1
    assert ("deutsch x", "English x") in found["train"] and len(found["train"]) == 123
    assert [row[0].split()[0] for row in found["valid"]] == ["deutsch", "中文"] * 3


@pytest.mark.parametrize("language", ["de", "fr", "zh"])
def test_templates_are_filled_alike_in_both_languages(language):
    drawn = entities.Entities(3, chinese=language == "zh")
    pairs = prepare.templates(language, drawn, 400)
    assert len(set(pairs)) > 350
    for english, other in pairs:
        assert not re.search(r"\{(price|person|city|email|small|integer|time)\}", english + other)
        for kept in re.findall(r"[\w.]+@[\w.]+\w|https?://\S+\w", english):
            assert kept in other


def test_numbers_dates_and_prices_as_each_language_writes_them():
    drawn = entities.Entities(1)
    prices = [drawn.draw("price") for _ in range(300)]
    assert any(re.fullmatch(r"\d{1,3}\.\d{3},\d\d Euro", price["de"]) for price in prices)
    for slot in ("price", "integer", "decimal", "measure", "percent"):
        for forms in (drawn.draw(slot) for _ in range(50)):
            digits = {re.sub(r"\D", "", form) for form in forms.values()}
            assert len(digits) == 1, forms
    dates = [drawn.draw("date") for _ in range(100)]
    assert any(re.fullmatch(r"\d\d?\. \w+ \d{4}", date["de"]) for date in dates)
    assert any(re.fullmatch(r"\d{4}年\d\d?月\d\d?日", date["zh"]) for date in dates)


def test_every_day_names_become_others_on_both_sides():
    drawn = entities.Entities(2)
    pairs = [("Tom is here.", "Tom ist hier."), ("Tom's dog", "Toms Hund")] * 20
    found = prepare.renamed(pairs, drawn, 1.0)
    assert len(found) == 20
    for english, german in found:
        name = english.removesuffix(" is here.")
        assert name != "Tom" and german == f"{name} ist hier."


def test_symbols_stand_for_whole_spans_alone():
    draw = prepare.random.Random(1)
    pair = ("See https://a.org/1 and mail 1@b.org now", "Siehe https://a.org/1 und 1@b.org jetzt")
    found = prepare.symbols(pair, draw, 1.0, "de")
    assert re.fullmatch(r"See ⟦\d+⟧ and mail ⟦\d+⟧ now", found[0])
    assert re.fullmatch(r"Siehe ⟦\d+⟧ und ⟦\d+⟧ jetzt", found[1])
    assert re.findall(r"⟦\d+⟧", found[0]) == re.findall(r"⟦\d+⟧", found[1])


def test_dates_of_chinese_texts_stand_behind_symbols_whatever_their_form():
    draw = prepare.random.Random(1)
    pair = "We met on March 5, 2021 at 8:30.", "我们2021年3月5日8:30见面。"
    english, chinese = prepare.symbols(pair, draw, 1.0, "zh")
    [mark] = re.findall(r"on (⟦\d+⟧) at", english)
    assert chinese.startswith(f"我们{mark}")
    assert prepare.symbols(("In May.", "5月。"), draw, 1.0, "zh") == ("In May.", "5月。")
