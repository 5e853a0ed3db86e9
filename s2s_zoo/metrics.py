"""Corpus metrics of generated text, with the signature that makes a number comparable."""

from typing import NamedTuple

from s2s_zoo.registry import lookup


class Score(NamedTuple):
    """A metric of a corpus: its name, its value in points, and its sacreBLEU signature."""

    name: str
    value: float
    signature: str


def _bleu(**options):
    from sacrebleu.metrics import BLEU

    return BLEU(**options)


def _chrf(**options):
    from sacrebleu.metrics import CHRF

    return CHRF(**options)


METRICS = {"bleu": _bleu, "chrf": _chrf}


def corpus_score(name, hypotheses, references, lowercase=False):
    """Scores generated texts (Post 2018, 1804.08771).

    Args:
        name: "bleu" (Papineni et al. 2002, with sacreBLEU's 13a tokenization) or "chrf"
            (Popović 2015, chrF2).
        hypotheses: list of str.
        references: list of str, one for each hypothesis.
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
    value = metric.corpus_score(hypotheses, [references]).score
    return Score(name, value, str(metric.get_signature()))
