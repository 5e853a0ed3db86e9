"""`translate --from auto`, of which the most can be said without a model."""

import io
import sys

import pytest

from s2s_zoo.apps.cli import auto
from s2s_zoo.apps.cli.auto import Detecting
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints import catalog
from s2s_zoo.protocol.errors import CheckpointError

ENTRY = {"task": "translation", "parameters": 1, "metrics": [], "files": {}}
NAMES = {"de": "translation-de-en", "fr": "translation-fr-en", "zh-Hans": "translation-zh-en"}


class Marking:
    """A pipeline that writes its name before a text, and keeps what it was called with."""

    def __init__(self, name):
        self.name, self.calls = name, []

    def __call__(self, texts, **options):
        self.calls.append((texts, options))
        return [f"{self.name[-5:-3]}: {text}" for text in texts]


@pytest.fixture
def opened():
    return {}


@pytest.fixture
def detecting(opened):
    return Detecting(NAMES, "en", lambda name: opened.setdefault(name, Marking(name)))


def test_each_text_goes_to_the_checkpoint_of_its_language_in_order(detecting, opened):
    texts = ["Guten Morgen!", "他住在北京。", "Bonjour !", "Ich habe keine Zeit.", "我饿了。"]
    assert detecting(texts, num_beams=2) == [
        f"{language}: {text}"
        for language, text in zip("de zh fr de zh".split(), texts, strict=True)
    ]
    assert [texts for texts, _ in opened["translation-de-en"].calls] == [[texts[0], texts[3]]]
    assert all(options["num_beams"] == 2 for _, options in opened["translation-zh-en"].calls)


def test_texts_of_one_checkpoint_are_translated_in_one_call():
    calls = []
    names = {"de": "to-en", "fr": "to-en"}
    detecting = Detecting(names, "en", lambda name: lambda texts, **_: calls.append(texts) or texts)
    texts = ["Ich habe keine Zeit.", "Je n'ai pas le temps.", "Wir haben keine Zeit."]
    assert detecting(texts) == texts and calls == [texts]


def test_only_what_is_needed_is_opened(detecting, opened):
    detecting(["Ich habe keine Zeit."])
    detecting(["Wir haben keine Zeit."])
    assert list(opened) == ["translation-de-en"]


def test_texts_that_do_not_tell_are_in_the_language_of_those_before_them(detecting):
    texts = ["12:30", "OK", "Je n'ai pas le temps.", "", "Tom", "Ich habe keine Zeit.", "Tom"]
    assert detecting.languages(texts) == ["fr", "fr", "fr", "fr", "fr", "de", "de"]
    assert detecting.languages(["Tom", "3"]) == ["de", "de"]  # those of the call before
    assert Detecting(NAMES, "en", Marking).languages(["12"]) == ["de"]
    assert Detecting(auto.checkpoints_to("en"), "en", Marking).languages(["12"]) == ["de"]


def test_texts_in_the_language_of_the_translations_are_given_as_they_are(detecting, opened):
    text = "There is nothing to translate here."
    with pytest.warns(UserWarning, match=f"A text is in en and given as it is: '{text}'"):
        assert detecting([text, "Das schon."]) == [text, "de: Das schon."]
    assert list(opened) == ["translation-de-en"]


def test_what_may_be_in_none_of_the_languages_is_for_a_pipeline_to_judge(detecting):
    texts = [
        "Je n'ai pas le temps.",
        "There is nothing to translate here.",
        "OK",
        "Lo siento, pero hoy no tengo tiempo para hablar contigo.",
        "qwpo xzcv mnbv lkjh poiu",
    ]
    assert detecting.languages(texts) == ["fr", "en", "en", "fr", "fr"]
    assert Detecting(NAMES, "en", Marking).languages(texts[3:]) == ["de", "de"]
    languages = detecting.languages(["他住在北京。", texts[1], texts[4]])
    assert languages[0] == "zh-Hans" and languages[2] in ("de", "fr")  # not in those letters


def test_a_seed_begins_the_sequence_of_each_pipeline_once(detecting, opened):
    detecting(["Ich habe keine Zeit."], seed=3)
    detecting(["Wir haben keine Zeit.", "Je n'ai pas le temps."])
    seeds = {name: [options.get("seed") for _, options in x.calls] for name, x in opened.items()}
    assert seeds == {"translation-de-en": [3, None], "translation-fr-en": [3]}


def test_checkpoints_are_found_by_their_target(monkeypatch):
    entries = {
        name: {**ENTRY, "languages": name.split("-")[1:]}
        for name in ("a-de-en", "b-de-en", "b-en-de", "b-tlh-en", "b-zh-en")
    }
    monkeypatch.setattr(catalog, "_catalog", lambda: entries)
    assert auto.checkpoints_to("en") == {"de": "a-de-en", "zh": "b-zh-en"}
    entries["b-zh-en"]["path"] = entries["a-de-en"]["path"] = "bundled/to-en"
    entries["b-en-de"]["path"] = "bundled/to-de"
    place = str(catalog.PACKAGE / "bundled" / "to-en")  # one checkpoint, opened once
    assert auto.checkpoints_to("en") == {"de": place, "zh": place}
    assert auto.checkpoints_to("de") == {"en": "b-en-de"}
    with pytest.raises(CheckpointError, match="No checkpoint translates to fr.*--to: de, en"):
        auto.checkpoints_to("fr")


def test_the_command_line_finds_out_the_language(
    monkeypatch, capsys, tmp_path, tiny_checkpoint, tiny_pipeline
):
    entry = {**ENTRY, "path": str(tiny_checkpoint)}
    entries = {f"translation-{x}-en": {**entry, "languages": [x, "en"]} for x in ("de", "fr")}
    monkeypatch.setattr(catalog, "_catalog", lambda: entries)
    lines = ["ein hund rennt", "There is nothing to translate here.", "12"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    assert main(["translate", "--from", "auto", "--num-beams", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.split("\n")[:2] == [tiny_pipeline(lines[0], num_beams=2), lines[1]]
    assert "s2s-zoo: warning: A text is in en and given as it is" in err
    assert main(["translate", "--from", "auto", "--to", "fr", "x"]) == 1
    assert "No checkpoint translates to fr" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["translate", "--from", "auto", "--max-length", "9999", lines[0]])
    assert "--max-length: the model writes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["translate", "--from", "auto", "--model", str(tiny_checkpoint), lines[0]])


def test_the_alignment_is_drawn_of_the_language_that_was_found(
    monkeypatch, capsys, tmp_path, tiny_checkpoint
):
    pytest.importorskip("matplotlib")
    entry = {**ENTRY, "languages": ["de", "en"], "path": str(tiny_checkpoint)}
    monkeypatch.setattr(catalog, "_catalog", lambda: {"translation-de-en": entry})
    picture = tmp_path / "out.png"
    arguments = ["--from", "auto", "--plot", str(picture), "der mann liest ein buch"]
    assert main(["translate", *arguments]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
