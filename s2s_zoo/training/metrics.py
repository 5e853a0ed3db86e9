"""Corpus metrics of generated text, with the signature that makes a number comparable."""

import functools
import importlib.metadata
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.training.answer_metrics import ANSWER_METRICS
from s2s_zoo.training.caption_metrics import CAPTION_METRICS
from s2s_zoo.training.speech_metrics import NORMALIZERS, SPEECH_METRICS, normalized


class Score(NamedTuple):
    """A metric of a corpus: its name, its value in points, and its signature."""

    name: str
    value: float
    signature: str


def _bleu(hypotheses, references, lowercase):
    from sacrebleu.metrics import BLEU

    return _sacrebleu(BLEU(lowercase=lowercase), hypotheses, references)


def _chrf(hypotheses, references, lowercase):
    from sacrebleu.metrics import CHRF

    return _sacrebleu(CHRF(lowercase=lowercase), hypotheses, references)


def _sacrebleu(metric, hypotheses, references):
    value = metric.corpus_score(hypotheses, [references]).score
    return value, str(metric.get_signature())


def _rouge(kind, hypotheses, references, lowercase):
    scores, signature = rouge_of_each(kind, hypotheses, references)
    return 100 * sum(scores) / len(references), signature


def rouge_of_each(
    kind: str, hypotheses: Sequence[str], references: Sequence[str]
) -> tuple[list[float], str]:
    """The F1 of each text, from 0 to 1, and the signature."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([kind], use_stemmer=True)
    if kind == "rougeLsum":  # whose lines are sentences
        hypotheses, references = (
            [re.sub(r"(?<=[.!?])\s+", "\n", text) for text in texts]
            for texts in (hypotheses, references)
        )
    scores = [score[kind].fmeasure for score in map(scorer.score, references, hypotheses)]
    version = importlib.metadata.version("rouge-score")
    sentences = "|sentences:.!?" if kind == "rougeLsum" else ""
    return scores, f"nrefs:1|case:lc|stemmer:porter|score:f1{sentences}|version:{version}"


def _repetition(hypotheses, references, lowercase):
    def repeats(text):
        words = (text.lower() if lowercase else text).split()
        trigrams = list(zip(words, words[1:], words[2:], strict=False))
        return len(set(trigrams)) < len(trigrams)

    value = 100 * sum(map(repeats, hypotheses)) / len(hypotheses)
    return value, f"ngram:3|case:{'lc' if lowercase else 'mixed'}|tok:space"


ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
METRICS: dict[str, Callable[..., tuple[float, str]]] = {
    "bleu": _bleu,
    "chrf": _chrf,
    **{kind: functools.partial(_rouge, kind) for kind in ROUGE},
    "repetition": _repetition,
    **ANSWER_METRICS,
    **CAPTION_METRICS,
    **SPEECH_METRICS,
}
LESS_IS_BETTER = ("repetition", *SPEECH_METRICS)


def corpus_score(
    name: str,
    hypotheses: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    lowercase: bool = False,
    normalize: str | None = None,
) -> Score:
    """Scores generated texts.

    Args:
        name: "bleu" (Papineni et al. 2002, with sacreBLEU's 13a tokenization), "chrf" (Popović
            2015, chrF2), both by sacreBLEU (Post 2018, 1804.08771); "rouge1", "rouge2",
            "rougeL", "rougeLsum" (Lin 2004), the mean F1 of stemmed words by rouge-score, for
            "rougeLsum" with sentences that end in `.`, `!` or `?`; "repetition", the share of
            texts that have three words in a row twice (less is better; See et al. 2017,
            1704.04368, figure 4), whatever the references; "wer" and "cer", the errors in words and
            characters for each of the references (less is better); "answer_f1" and "exact_match" of
            answers, as SQuAD counts; or one of `CAPTION_METRICS`.
        hypotheses: list of str.
        references: list of str, one for each hypothesis; for captions a list of lists of str.
        lowercase: bool, compare without case, as ROUGE always does.
        normalize: "english" or "basic", for "wer" and "cer": compare texts as
            `speech_metrics.normalized` brings them to one form. None compares them as they are.

    Returns:
        Score, 0 to 100; errors may be more.

    Raises:
        ValueError: for an unknown metric, lists of different lengths or no length, or a metric of
            texts that nobody normalizes.
    """
    if len(hypotheses) != len(references) or not references:
        raise ValueError(
            "corpus_score expected as many hypotheses as references, and at least one. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} references."
        )
    metric = lookup(METRICS, name, "metric")
    if normalize is None:
        return Score(name, *metric(hypotheses, references, lowercase))
    if name not in SPEECH_METRICS:
        raise ValueError(
            f"corpus_score normalizes for {' and '.join(SPEECH_METRICS)}. Received: {name!r} with "
            f"normalize={normalize!r}. Leave it out."
        )
    lookup(NORMALIZERS, normalize, "normalization")
    hypotheses, said = normalized(hypotheses, normalize)
    references, _ = normalized([str(text) for text in references], normalize)
    value, signature = metric(hypotheses, references, lowercase)
    return Score(name, value, f"{signature}|{said}")


def corpus_scores(
    names: Iterable[str],
    hypotheses: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    lowercase: bool = False,
    normalize: str | None = None,
) -> list[Score]:
    """Returns the Score of each metric, without those that cannot be computed here.

    A warning says which are left out, and what they need.
    """
    scores = []
    for name in names:
        try:
            scores.append(corpus_score(name, hypotheses, references, lowercase, normalize))
        except S2SZooError as error:
            warnings.warn(f"{name} is left out. {error}", stacklevel=2)
    return scores
