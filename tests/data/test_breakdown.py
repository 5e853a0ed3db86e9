"""Where a system is good and where not, against numbers worked by hand."""

import pytest

from s2s_zoo.data.breakdown import Part, breakdown
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.training.metrics import corpus_score

SOURCES = ["Anna hat 3 Hunde", "Bo kauft 1.5 Liter Milch in Bonn"]
REFERENCES = ["Anna has 3 dogs", "Bo buys 1.5 litres of milk in Bonn"]
HYPOTHESES = ["Anna has 3 cats", "Bo buys 15 litres of milk in Rome"]


def of_kind(kind, parts):
    return {part.name: (part.number, part.value) for part in parts if part.kind == kind}


def test_a_breakdown_by_hand():
    training = ["milk of milk", "dogs in", "anna has litres", "bo buys 3"]
    parts = breakdown(HYPOTHESES, REFERENCES, SOURCES, training=iter(training))
    chrf = corpus_score("chrf", HYPOTHESES, REFERENCES).value
    assert parts[0] == Part("length", "0-9", 2, chrf, "chrf")
    assert Part("numbers", "kept", 2, 50.0, "%") in parts
    assert Part("names", "kept", 3, pytest.approx(200 / 3), "%") in parts
    words = {part.name: part for part in parts if part.kind == "words"}
    # never seen: 1, 5 and bonn of the references; cats, 15 and rome were written
    assert words["seen 0"] == Part("words", "seen 0", 3, 0.0, "F1")
    # once: anna has 3 dogs bo buys litres of in, all written but dogs: 2 * 8 / (8 + 9)
    assert words["seen 1"] == Part("words", "seen 1", 9, pytest.approx(1600 / 17), "F1")
    assert words["seen 2-4"] == Part("words", "seen 2-4", 1, 100.0, "F1")


def test_without_training_data_references_say_what_is_rare():
    parts = breakdown(["a b", "a"], ["a b", "a c"])
    assert of_kind("words", parts) == {"seen 1": (2, pytest.approx(200 / 3)), "seen 2-4": (2, 100)}


def test_texts_are_as_long_as_their_sources():
    sources, answers = ["w " * 9, "w " * 10, "w " * 1200], ["x", "y", "z"]
    lengths = of_kind("length", breakdown(answers, ["x", "n", "z"], sources, "question_answering"))
    assert lengths == {"0-9": (1, 100), "10-19": (1, 0), "1000 and more": (1, 100)}


def test_a_character_of_chinese_is_a_word():
    parts = breakdown(
        ["他有狗"], ["他有三只狗，在ABC-7公司"], ["He has three dogs, at company ABC-7"]
    )
    assert of_kind("words", parts) == {"seen 1": (9, pytest.approx(200 * 3 / (3 + 9)))}
    assert of_kind("length", breakdown(["好"], ["我" * 12], ["你" * 12])).keys() == {"10-19"}


def test_a_number_is_kept_as_a_whole_and_with_its_sign():
    references = ["5 at -3 °C", "1,234 and 10:30 of 2024-03-12"]
    parts = breakdown(["15 at 3 °C", "1234 and 10:30 of 2024-03-12"], references)
    assert of_kind("numbers", parts) == {"kept": (5, 40)}


def test_a_word_that_is_written_small_elsewhere_is_no_name():
    sources = ["Information für Maria in Berlin", "in der Information"]
    references = ["Information for Maria's in Berlin", "in the information"]
    parts = breakdown(["for MARIA in Bonn", "x"], references, sources)
    assert of_kind("names", parts) == {"kept": (2, 50)}


def test_where_nothing_is_read_names_are_those_of_the_references():
    parts = breakdown(["call anna", "no"], ["call Anna", "Bonn or Rome"], None, "transcription")
    assert of_kind("names", parts) == {"kept": (3, pytest.approx(100 / 3))}
    assert of_kind("length", parts) == {
        "0-9": (
            2,
            corpus_score(
                "wer", *zip(("call anna", "call Anna"), ("no", "Bonn or Rome"), strict=True)
            ).value,
        )
    }


def test_addresses_placeholders_and_markup_are_codes():
    reference = "See <b>{name}</b> at https://example.org or run `ls` with --all"
    parts = breakdown(["See <b>{nom}</b> at https://example.org or run ls"], [reference])
    assert of_kind("codes", parts) == {"kept": (6, 50)}


def test_of_summaries_it_is_counted_which_say_nothing_of_their_own():
    source = "Ada wrote 3 programs for the engine of Babbage."
    lines = ["Ada wrote 3 programs", "Ada wrote 4 programs", "Grace wrote programs"]
    parts = breakdown(lines, ["programs"] * 3, [source] * 3, "summarization")
    assert of_kind("invented", parts) == {"nothing": (3, pytest.approx(100 / 3))}
    assert not of_kind("invented", breakdown(lines, lines, [source] * 3))


@pytest.mark.parametrize("normalize", [None, "basic"])
def test_errors_are_counted_as_everywhere(normalize):
    pytest.importorskip("whisper_normalizer")
    said, right = ["Call Anna!"], ["call anna"]
    parts = breakdown(said, right, None, "transcription", normalize=normalize)
    assert of_kind("length", parts) == {"0-9": (1, 0 if normalize else 100)}


def test_a_task_with_several_references_is_refused():
    with pytest.raises(DataError, match="one reference each.*Received: captioning"):
        breakdown(["a"], ["a"], None, "captioning")


def test_lists_of_different_lengths():
    with pytest.raises(ValueError, match="as many hypotheses as .* Received: 1, 2, 1"):
        breakdown(["a"], ["a", "b"], ["c"])
