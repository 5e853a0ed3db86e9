"""Corpus metrics of generated text, with the signature that makes a number comparable."""

import itertools
import re
from typing import NamedTuple

from s2s_zoo.registry import lookup


class Score(NamedTuple):
    """A metric of a corpus: its name, its value in points, and its sacreBLEU signature."""

    name: str
    value: float
    signature: str


def caption_words(text):
    """The words of a caption as captions are compared and learned: lower case, no punctuation.

    Close to what the tokenizer of coco-caption does, which needs Java: a hyphen inside a word
    stays, and what follows an apostrophe is a word of its own.
    """
    return re.findall(r"'\w+|\w+(?:-\w+)*", text.lower())


def _bleu(**options):
    from sacrebleu.metrics import BLEU

    return BLEU(**options)


def _chrf(**options):
    from sacrebleu.metrics import CHRF

    return CHRF(**options)


def _caption_bleu(order):
    """BLEU with n-grams up to `order`, of coco-caption's kind: no smoothing, `caption_words`."""

    def metric(lowercase):
        from sacrebleu.metrics import BLEU

        return _OfWords(BLEU(max_ngram_order=order, tokenize="none", smooth_method="none"))

    return metric


class _OfWords:
    """A metric of sacreBLEU over `caption_words`."""

    def __init__(self, metric):
        self.metric = metric

    def corpus_score(self, hypotheses, references):
        hypotheses, *references = (
            [" ".join(caption_words(text)) for text in texts] for texts in (hypotheses, *references)
        )
        return self.metric.corpus_score(hypotheses, references)

    def get_signature(self):
        return f"{self.metric.get_signature()}".replace("tok:none", "tok:caption")


METRICS = {
    "bleu": _bleu,
    "chrf": _chrf,
    **{f"bleu_{order}": _caption_bleu(order) for order in range(1, 5)},
}


def corpus_score(name, hypotheses, references, lowercase=False):
    """Scores generated texts (Post 2018, 1804.08771).

    Args:
        name: "bleu" (Papineni et al. 2002, with sacreBLEU's 13a tokenization) or "chrf"
            (Popović 2015, chrF2).
        hypotheses: list of str.
        references: list of str, one for each hypothesis; or of lists of str, several for each.
        lowercase: bool, compare without case.

    Returns:
        Score, 0 to 100.

    Raises:
        ValueError: for an unknown metric, or lists of different lengths or no length.
    """
    if len(hypotheses) != len(references) or not references:
        raise ValueError(
            "corpus_score expected as many hypotheses as references, and at least one. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} references."
        )
    metric = lookup(METRICS, name, "metric")(lowercase=lowercase)
    references = [[one] if isinstance(one, str) else one for one in references]
    # sacreBLEU takes the first references of all, the second ones, and so on; None is none.
    streams = [list(stream) for stream in itertools.zip_longest(*references)]
    value = metric.corpus_score(hypotheses, streams).score
    return Score(name, value, str(metric.get_signature()))
