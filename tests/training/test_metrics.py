import pytest

from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.training.metrics import corpus_score


def test_bleu_of_a_known_pair():
    # 4 of 5, 3 of 4, 2 of 3, 1 of 2 n-grams; same length: (4/5 3/4 2/3 1/2)^(1/4) = .6687.
    score = corpus_score("bleu", ["the cat sat on mats"], ["the cat sat on rugs"])
    assert score.value == pytest.approx(66.87, abs=0.01)
    assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a")


def test_case_counts_unless_it_should_not():
    texts = ["The Cat sat on the mat"], ["the cat sat on the mat"]
    assert corpus_score("bleu", *texts).value < 60
    lowered = corpus_score("bleu", *texts, lowercase=True)
    assert lowered.value == pytest.approx(100)
    assert "case:lc" in lowered.signature


def test_chrf_of_equal_and_of_disjoint_texts():
    assert corpus_score("chrf", ["abc"], ["abc"]).value == pytest.approx(100)
    assert corpus_score("chrf", ["abc"], ["xyz"]).value == 0


def test_errors_name_the_metric_and_the_counts():
    with pytest.raises(ValueError, match="Did you mean 'bleu'"):
        corpus_score("blue", ["a"], ["a"])
    with pytest.raises(ValueError, match="2 hypotheses, 1 references"):
        corpus_score("bleu", ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="at least one"):
        corpus_score("bleu", [], [])


def test_rouge_by_hand():
    # Stemmed and without signs: "the cat sat dog ran", "dog ran the cat sat on mat", 5 and 7.
    texts = ["The cats sat. Dogs ran"], ["dogs ran. the cat sat on mats"]
    by_hand = {
        "rouge1": 2 * 5 / 12,
        "rouge2": 2 * 3 / 10,  # the cat, cat sat, dog ran
        "rougeL": 2 * 3 / 12,  # the cat sat
        "rougeLsum": 2 * 5 / 12,  # sentence by sentence
    }
    for name, value in by_hand.items():
        score = corpus_score(name, *texts)
        assert score.value == pytest.approx(100 * value)
        assert score.signature.startswith("nrefs:1|case:lc|stemmer:porter|score:f1")


def test_repetition_counts_texts_that_say_three_words_twice():
    texts = ["a b c d a b c", "a b c d A b c", "a b a b", "a a a a", "", "a b c"]
    score = corpus_score("repetition", texts, ["x"] * 6)
    assert score.value == pytest.approx(100 * 2 / 6)
    assert corpus_score("repetition", texts, ["x"] * 6, lowercase=True).value == pytest.approx(50)
    assert score.signature.startswith("ngram:3")


def test_answers_by_hand():
    said = ["The Eiffel Tower!", "in Paris, France", "Rome", "", "a the"]
    right = ["eiffel tower", "Paris", "", "", "the"]
    # Words of the second: in, paris, france and paris; an answer without words is right where
    # none is expected.
    score = corpus_score("answer_f1", said, right)
    assert score.value == pytest.approx(100 * (1 + 2 / 4 + 0 + 1 + 1) / 5)
    assert corpus_score("exact_match", said, right).value == pytest.approx(100 * 3 / 5)
    assert score.signature == "nrefs:1|case:lc|norm:squad"


def test_rouge_is_the_mean_over_texts():
    assert corpus_score("rougeL", ["a b", "c"], ["a b", "d"]).value == pytest.approx(50)
    assert corpus_score("rouge1", [""], ["a"]).value == 0


def test_errors_of_transcriptions_by_hand():
    pytest.importorskip("jiwer")
    references, hypotheses = ["the cat sat", "", "a b"], ["the cat sat down", "x", "A c"]
    # One inserted, one where nothing was said, two others of five words.
    assert corpus_score("wer", hypotheses, references).value == pytest.approx(80)
    assert corpus_score("wer", hypotheses, references, lowercase=True).value == pytest.approx(60)
    score = corpus_score("cer", ["kitten"], ["sitting"])
    assert score.value == pytest.approx(300 / 7) and "jiwer" not in score.signature
    with pytest.raises(S2SZooError, match="references with words"):
        corpus_score("wer", ["a"], [" "])


def test_spelling_and_digits_are_no_errors_where_texts_are_normalized():
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    said = ["Mr. Gray won't pay twenty-one dollars, um, for colour."]
    written = ["mister grey will not pay $21 for color"]
    assert corpus_score("wer", written, said).value > 80
    english = corpus_score("wer", written, said, normalize="english")
    assert english.value == 0 and "|norm:whisper-english-" in english.signature
    basic = corpus_score("wer", ["¡Grüße, Welt 21!"], ["grüße welt 21"], normalize="basic")
    assert basic.value == 0
    assert corpus_score("wer", written, said, normalize="basic").value > 50
    assert corpus_score("cer", ["A,b"], ["a b"], normalize="basic").value == 0
    with pytest.raises(ValueError, match="normalizes for wer and cer. Received: 'bleu'"):
        corpus_score("bleu", written, said, normalize="english")
    with pytest.raises(ValueError, match="Unknown normalization.*Did you mean 'english'"):
        corpus_score("wer", written, said, normalize="inglish")
