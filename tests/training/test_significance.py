"""Which system is better, and where: bootstraps against numbers worked by hand."""

import numpy as np
import pytest

from s2s_zoo.training.metrics import corpus_score
from s2s_zoo.training.significance import compare_texts, scores_of_each

WORDS = "the dog runs over a green field and sees two small cats near an old house".split()


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    references = [" ".join(rng.choice(WORDS, 12)) for _ in range(60)]
    worse = [" ".join(reversed(text.split())) for text in references]
    # as good as `mixed`, but not in the same sentences
    mixed = [b if i % 2 else a for i, (a, b) in enumerate(zip(references, worse, strict=True))]
    other = [a if i % 2 else b for i, (a, b) in enumerate(zip(references, worse, strict=True))]
    return references, worse, mixed, other


@pytest.mark.parametrize("metric", ["bleu", "chrf++", "rougeL", "wer"])
def test_a_better_system_is_significantly_better(texts, metric):
    pytest.importorskip("jiwer")
    references, worse, mixed, other = texts
    systems = {"mixed": mixed, "other": other, "worse": worse}
    (found,) = compare_texts([metric], systems, references, samples=200)
    first, second, third = found.systems
    assert [x.name for x in found.systems] == list(systems) and first.p_value is None
    assert second.p_value > 0.2 and third.p_value < 0.05
    assert all(x.margin > 0 for x in found.systems)
    if metric != "chrf++":  # which the table of metrics has as chrF
        value = corpus_score(metric, mixed, references).value
        assert first.value == pytest.approx(value)
    assert "bs:200" in found.signature and "seed:12345" in found.signature


def test_captions_are_compared_by_cider(texts):
    pytest.importorskip("pycocoevalcap")
    references, worse, mixed, _ = texts
    several = [[text, text.upper()] for text in references]
    (found,) = compare_texts(["cider"], {"a": mixed, "b": worse}, several, samples=100)
    assert found.systems[0].value == pytest.approx(corpus_score("cider", mixed, several).value)
    assert found.systems[1].p_value < 0.05


@pytest.mark.parametrize(
    ("systems", "samples"),
    [({"a": ["x"]}, 10), ({"a": ["x"], "b": []}, 10), ({"a": ["x"], "b": ["x"]}, 0)],
)
def test_what_cannot_be_compared(systems, samples):
    with pytest.raises(ValueError, match="two systems or more, a text of each"):
        compare_texts(["bleu"], systems, ["x"], samples)
    with pytest.raises(ValueError, match="metric"):
        compare_texts(["bleuu"], {"a": ["x"], "b": ["x"]}, ["x"])


def test_the_score_of_one_sentence_is_more_where_it_is_better():
    pytest.importorskip("jiwer")
    for metric in ("bleu", "rougeL", "wer"):
        good, bad = scores_of_each(metric, ["a green dog", "a dog"], ["a green dog"] * 2)
        assert good > bad
