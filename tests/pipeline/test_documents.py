"""Texts of several sentences: parted, translated with what must not change, put together."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import s2s_zoo
from s2s_zoo.data.text.known_words import KnownWords
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.symbols import Symbols
from s2s_zoo.generation import normalise
from s2s_zoo.pipeline.documents import Documents, in_capitals
from s2s_zoo.pipeline.reading import Reading, take_reading
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.errors import TextWarning

WORDS = {"Guten Tag.": "Good day.", "Wie geht es?": "How are you?", "an": "to", "und": "and"}


class Model:
    """Stands for an `Answerer` of a model that knows a few words, and copies the others."""

    num_return = 1

    def __init__(self, symbols=None, longest=200, strategy="greedy", known=None, **words):
        self.search = SimpleNamespace(strategy=strategy)
        self.words = WORDS | words
        self.calls = []
        self.processor = SimpleNamespace(
            symbols=symbols,
            known_words=known,
            normalize=True,
            max_source_length=longest,
            is_blank=lambda text: not text.strip(),
            encode_source=lambda texts, truncate: [text.split() for text in texts],
        )

    def answers(self, texts):
        self.calls.append(list(texts))
        return [[Result(self.translated(text), -1.0)] for text in texts]

    def translated(self, text):
        return self.words.get(text) or " ".join(self.words.get(w, w) for w in text.split(" "))


def read(text, model=None, **options):
    reading = Reading(("de",), "en", **{"split": True, "protect": True, **options})
    [[best, *_]] = Documents(model or Model(), reading).answers([text])
    return best


def test_a_text_is_translated_sentence_by_sentence_where_it_stood():
    text = "  Guten Tag. Wie geht es?\n\n - Guten Tag.\r\n"
    model = Model()
    found = read(text, model)
    assert found.text == "  Good day. How are you?\n\n - Good day.\r\n"
    assert model.calls == [["Guten Tag.", "Wie geht es?"]], "what comes again is searched once"
    assert [one.text for one in found.segments] == ["Good day.", "How are you?", "Good day."]
    assert found.score == -3.0


def test_one_sentence_is_its_own_result():
    assert read("Guten Tag.") == Result("Good day.", -1.0)
    assert read("Guten Tag.\n") == Result("Good day.\n", -1.0)


@pytest.mark.parametrize(
    ("text", "wanted"), [("", ""), (" \n", ""), ("---\n", "---\n"), ("…", "…")]
)
def test_what_has_no_sentence_is_not_asked_of_the_model(text, wanted):
    model = Model()
    assert read(text, model) == Result(wanted) and model.calls == [[]] * len(model.calls)


def test_the_whole_text_is_one_piece_where_asked():
    model = Model()
    assert read("Guten Tag. Wie geht es?", model, split=False).segments == ()
    assert model.calls == [["Guten Tag. Wie geht es?"]]


def test_a_drawn_translation_is_drawn_for_each():
    model = Model(strategy="sample")
    read("Guten Tag. Guten Tag.", model)
    assert model.calls == [["Guten Tag.", "Guten Tag."]]


def test_words_of_the_user_come_through_and_terms_become_what_they_should():
    model = Model(Symbols(), Rotor="circle", Essen="food")
    found = read("Essen und Rotor", model, keep=("Essen",), terms={"Rotor": "rotor"})
    assert found.text == "Essen and rotor"
    assert model.calls == [["⟦1⟧ und ⟦2⟧"]]
    assert read("Essen 5 a@b.de", Model(Symbols(), **{"5": "6"}), protect=False).text == (
        "Essen 6 a@b.de"
    )


def test_a_text_in_capitals_is_read_in_small_letters():
    model = Model(Symbols(), **{"ich habe ⟦1⟧ hunger!": "i am hungry ⟦1⟧!"})
    assert read("ICH HABE a@b.de HUNGER!", model).text == "I AM HUNGRY a@b.de!"
    for text in ("ICH HABE ZEIT", "ACHTUNG!", "ÜBER ALLES"):
        assert in_capitals(text)
    for text in ("NATO", "Ich HABE", "", "A", "B 7", "好", "12", "UNESCO!"):
        assert not in_capitals(text)


def test_a_sentence_that_is_too_long_is_parted_at_clauses():
    model = Model(longest=40)
    text = ", ".join(f"wort{i} " + "ja " * 10 for i in range(20)) + "ende."
    found = read(text, model)
    assert found.text == text and "parted into" in found.warning
    assert max(len(part.split()) for part in model.calls[0]) <= 40


def test_numbers_are_written_as_the_target_language_does_unless_they_are_to_stay():
    model = Model(Symbols(), **{"1.234,56": "?"})
    assert read("Es kostet 1.234,56 Euro", model).text == "Es kostet 1,234.56 Euro"
    assert read("Es kostet 1.234,56 Euro", model, notation=False).text == "Es kostet 1.234,56 Euro"


@settings(deadline=None)
@given(st.text().map(str.lower), st.sampled_from([None, Symbols()]))
def test_a_model_that_copies_gives_any_text_back(text, symbols):
    assert read(text, Model(symbols)).text == (text if normalize(text) else "")


def test_a_sentence_of_another_language_stays_as_it_is_and_is_told():
    text = "Guten Tag. This is what the weather was like in the city yesterday."
    model = Model()
    found = read(text, model, detect=True)
    assert found.text == "Good day. This is what the weather was like in the city yesterday."
    assert "in 'en'" in found.warning and "detect=False" in found.warning
    assert model.calls == [["Guten Tag."]]
    assert read(text, Model()).warning is None
    assert read("他们昨天在城里看到了很多老朋友。", detect=True).text.startswith("他们")


def test_each_text_is_read_by_the_rules_of_the_language_that_it_is_in():
    texts = ["Das kostet mich am Montag 1.234,5 Euro.", "他昨天花了1,234.5元买了这件衣服。"]
    reading = Reading(("de", "zh"), "en", split=True, protect=True)
    found = Documents(Model(Symbols(), **{"1.234,5": "?", "1,234.5": "?"}), reading).answers(texts)
    assert "1,234.5" in found[0][0].text and "1,234.5" in found[1][0].text


def test_of_languages_that_may_be_read_one_may_be_unknown_to_the_detector():
    text = "Das kostet mich am Montag 5 Euro."
    assert Reading(("tlh", "de"), "en").source(text) == "de"
    assert Reading(("tlh", "x-klingon"), "en").source(text) is None


def test_options_of_another_kind_are_refused(tiny_pipeline):
    for options, message in (
        ({"split": 1}, "split expected True or False"),
        ({"keep": "Hund"}, "keep expected a list of words"),
        ({"terms": ["Hund"]}, "terms expected a dict"),
        ({"terms": {"Hund": 5}}, "terms expected a dict"),
        ({"doubt": 1.0}, "doubt expected the least log-probability"),
        ({"doubt": True}, "doubt expected the least log-probability"),
        ({"keep": [""]}, "keep and terms expected words"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_pipeline("ein hund", **options)


def test_other_tasks_have_no_sentences():
    pipeline = SimpleNamespace(task="summarization")
    with pytest.raises(ValueError, match="split is for translation"):
        take_reading(pipeline, {"split": True}, None, None)
    assert take_reading(pipeline, {"split": False}, None, None) == (None, {}), "as it is anyway"
    assert take_reading(pipeline, {"num_beams": 2}, None, None) == (None, {"num_beams": 2})


def test_a_stream_searches_a_sentence_once(tiny_pipeline, monkeypatch):
    expected = tiny_pipeline("ein hund. eine katze", num_beams=1)
    runs = []
    run = tiny_pipeline.searcher.run
    monkeypatch.setattr(
        tiny_pipeline.searcher, "run", lambda *x, **y: runs.append(x) or run(*x, **y)
    )
    *_, last = tiny_pipeline.stream("ein hund. eine katze")
    assert last.text == expected and runs == []
    *_, last = tiny_pipeline.stream("ein hund 77")  # which the model loses
    assert "77" in last.text and last.warning and runs


def test_what_a_model_is_not_sure_of_is_told(tiny_pipeline):
    plain = tiny_pipeline("ein hund rennt", return_scores=True)
    assert plain.score_per_token == pytest.approx(plain.score / len(plain.target_tokens), rel=1e-5)
    beams = tiny_pipeline("ein hund rennt", return_scores=True, num_beams=3, length_penalty=0.7)
    length = len(beams.target_tokens)
    whole = normalise(beams.score_per_token * length, length, 0.7)
    assert beams.score == pytest.approx(float(whole), rel=1e-5)
    assert plain.warning is None
    told = tiny_pipeline("ein hund rennt", return_scores=True, doubt=-0.001)
    assert "Check it" in told.warning and told.text == plain.text
    with pytest.warns(s2s_zoo.TextWarning, match="Check it") as warned:
        assert tiny_pipeline("ein hund rennt", doubt=-0.001) == plain.text
    assert warned[0].filename == __file__, "it names the line of the caller"


def test_a_checkpoint_says_when_it_is_to_be_doubted(tiny_pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_pipeline, "doubt", -0.25)
    tiny_pipeline.save(tmp_path / "sure")
    assert "doubt" not in tiny_pipeline.generation
    loaded = s2s_zoo.from_pretrained(tmp_path / "sure")
    assert loaded.doubt == -0.25 and "doubt" not in loaded.generation
    assert loaded("ein hund", return_scores=True, doubt=False).warning is None


KNOWN = KnownWords(b"doctor\nlives\nsends")
MADE_UP = {
    "Cousin Weißgerber lebt in Jena.": "Doctor whitegerber lives in Jena.",
    "Cousin ⟦1⟧ lebt in Jena.": "Doctor ⟦1⟧ lives in Jena.",
}


@pytest.mark.parametrize(
    ("options", "wanted", "calls"),
    [
        ({}, "Doctor Weißgerber lives in Jena.", 2),
        ({"doubt": -1.5}, "Doctor Weißgerber lives in Jena.", 2),
        ({"protect": False}, "Doctor whitegerber lives in Jena.", 1),
    ],
)
def test_a_name_that_a_model_made_a_word_of_is_copied(options, wanted, calls):
    model = Model(Symbols(), known=KNOWN, **MADE_UP)
    found = read("Cousin Weißgerber lebt in Jena.", model, **options)
    assert (found.text, found.warning) == (wanted, None)
    assert len(model.calls) == calls


def test_where_copying_does_not_help_the_translation_stays_and_is_warned_of():
    model = Model(Symbols(), known=KNOWN, **MADE_UP | {"Cousin ⟦1⟧ lebt in Jena.": "Hasrland."})
    found = read("Cousin Weißgerber lebt in Jena.", model, doubt=-1.5)
    assert found.text == "Doctor whitegerber lives in Jena."
    assert found.warning == (
        "The model made up 'whitegerber': 'Cousin Weißgerber lebt in Jena.'. Check it."
    )
    lost = {"Cousin ⟦1⟧ lebt in Jena.": "Doctor lives in Jena."}
    found = read("Cousin Weißgerber lebt in Jena.", Model(Symbols(), known=KNOWN, **MADE_UP | lost))
    assert found.text == "Doctor whitegerber lives in Jena.", "not one without the name"


def test_a_model_without_symbols_or_words_is_asked_once():
    for model in (Model(known=KNOWN, **MADE_UP), Model(Symbols(), **MADE_UP)):
        found = read("Cousin Weißgerber lebt in Jena.", model)
        assert (found.text, len(model.calls)) == ("Doctor whitegerber lives in Jena.", 1)


def test_what_stays_behind_symbols_stays_there_when_a_name_is_copied():
    model = Model(
        Symbols(),
        known=KNOWN,
        **{
            "Cousin Weißgerber lebt unter ⟦1⟧": "Doctor whitegerber lives at ⟦1⟧",
            "Cousin ⟦1⟧ lebt unter ⟦2⟧": "Doctor ⟦1⟧ lives at ⟦2⟧",
        },
    )
    assert read("Cousin Weißgerber lebt unter a@b.de", model).text == (
        "Doctor Weißgerber lives at a@b.de"
    )


def test_of_a_beam_search_each_hypothesis_may_hold_what_must_not_change(tiny_pipeline, monkeypatch):
    asked = []

    def answers(self, texts):
        asked.append(self.num_return)
        written = ["Write!", "Write to a@b.de!", "To a@b.de!"]
        return [[Result(text) for text in written[: self.num_return]] for _ in texts]

    monkeypatch.setattr("s2s_zoo.pipeline.answering.Answerer.answers", answers)
    options = {"protect": True, "split": True}
    assert tiny_pipeline("Schreib an a@b.de!", num_beams=3, **options) == "Write to a@b.de!"
    assert asked == [1, 3]
    found = tiny_pipeline("Schreib an a@b.de!", num_beams=3, num_return=2, **options)
    assert found == ["Write to a@b.de!"], "the first two have one that holds it"
    asked.clear()
    with pytest.warns(TextWarning, match="lost what must not change"):
        tiny_pipeline("Schreib an a@b.de!", num_beams=1, **options)
    assert set(asked) == {1}, "a greedy search has one"
