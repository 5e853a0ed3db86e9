import sys

import numpy as np
import pytest

from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.tasks import CAPTIONING
from s2s_zoo.training.caption_metrics import caption_words
from s2s_zoo.training.metrics import corpus_score, corpus_scores

REFERENCES = [
    ["A dog runs over the grass .", "A brown dog is running on grass"],
    ["Two cats sleep on a bed .", "cats sleeping"],
    ["A man reads a book .", "A man in a T-shirt reads .", "the man's book"],
]
TEXTS = ["a dog runs on grass", "two cats on a bed", "a man reads a paper"]


def test_words():
    assert caption_words('A man\'s T-shirt , "no. 5"!') == ["a", "man", "'s", "t-shirt", "no", "5"]


def test_bleu_by_hand():
    # Clipped matches: 1-grams 5 of 5, 5 of 5, 4 of 5; 2-grams 3 of 4 (a dog, dog runs, on grass),
    # 3 of 4 (two cats, on a, a bed), 3 of 4. The nearest references have 6, 6 and 5 words.
    brevity = np.exp(1 - 17 / 15)
    unigrams, bigrams = 14 / 15, 9 / 12
    assert corpus_score("bleu_1", TEXTS, REFERENCES).value == pytest.approx(
        100 * brevity * unigrams
    )
    expected = 100 * brevity * np.sqrt(unigrams * bigrams)
    assert corpus_score("bleu_2", TEXTS, REFERENCES).value == pytest.approx(expected)


def test_no_match_is_zero_and_not_smoothed():
    score = corpus_score("bleu_4", ["one two three four"], [["five six seven eight"]])
    assert score.value == 0 and "smooth:none" in score.signature


def test_equal_to_coco_caption():
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.bleu.bleu import Bleu

    wanted = {i: [" ".join(caption_words(t)) for t in texts] for i, texts in enumerate(REFERENCES)}
    found = {i: [text] for i, text in enumerate(TEXTS)}
    expected, _ = Bleu(4).compute_score(wanted, found, verbose=0)
    for order, value in enumerate(expected, 1):
        score = corpus_score(f"bleu_{order}", TEXTS, REFERENCES)
        assert score.value == pytest.approx(100 * value, abs=1e-3 if value > 1e-4 else 0.1)


def test_cider_counts_what_is_particular():
    pytest.importorskip("pycocoevalcap")
    score = corpus_score("cider", TEXTS, REFERENCES)
    swapped = corpus_score("cider", [TEXTS[1], TEXTS[2], TEXTS[0]], REFERENCES)
    assert score.value > 50 > swapped.value
    assert "cider-d" in score.signature and "nrefs:var" in score.signature


def test_what_is_missing_is_said_and_left_out(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pycocoevalcap.cider.cider", None)
    with pytest.raises(S2SZooError, match="METEOR runs in Java"):
        corpus_score("meteor", TEXTS, REFERENCES)
    with pytest.raises(S2SZooError, match="pip install 's2s-zoo"):
        corpus_score("cider", TEXTS, REFERENCES)
    with pytest.warns(UserWarning, match="left out") as caught:
        scores = corpus_scores(CAPTIONING.metrics, TEXTS, REFERENCES)
    assert len(caught) == 2
    assert [score.name for score in scores] == [f"bleu_{order}" for order in range(1, 5)]
