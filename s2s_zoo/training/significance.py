"""Whether one system is better than another, or luck: paired bootstrap resampling (Koehn 2004)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.protocol.registry import lookup
from s2s_zoo.training.answer_metrics import ANSWER_METRICS, SIGNATURE, answers_of_each
from s2s_zoo.training.caption_metrics import cider_of_each
from s2s_zoo.training.metrics import rouge_of_each
from s2s_zoo.training.speech_metrics import errors_of_each

Texts = Sequence[str] | Sequence[Sequence[str]]
SEED = 12345  # that of sacreBLEU
SIGNIFICANT = 0.05


class Standing(NamedTuple):
    """A system by one metric.

    Attributes:
        name: str.
        value: float, of the corpus, in points.
        margin: float, half of the interval that holds 95 % of what the resamples have.
        p_value: float, how likely a difference to the first system of this size is where there is
            none; None for the first.
    """

    name: str
    value: float
    margin: float
    p_value: float | None


class Comparison(NamedTuple):
    """All systems by one metric: its name, its signature, and a `Standing` of each."""

    metric: str
    signature: str
    systems: list[Standing]


def compare_texts(
    metrics: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    references: Texts,
    samples: int = 1000,
    lowercase: bool = False,
) -> list[Comparison]:
    """Compares what several systems wrote with the first of them.

    Args:
        metrics: of `COMPARED`: "bleu" and "chrf++", by sacreBLEU's own paired test; "rouge1",
            "rouge2", "rougeL", "cider", "wer", "cer", by the same resampling of sentences.
        systems: dict of names to lists of str, two at least; the first is what others are compared
            with.
        references: list of str, one for each text; for captions a list of lists of str.
        samples: int, resamples.
        lowercase: bool, compare without case, as ROUGE and CIDEr always do.

    Returns:
        list of Comparison, one for each metric.

    Raises:
        ValueError: for an unknown metric, fewer than two systems, no samples, or as many texts as
            there are no references.
        S2SZooError: where a metric needs a package that is not there.
    """
    lengths = {name: len(texts) for name, texts in systems.items()}
    if len(systems) < 2 or samples < 1 or {*lengths.values()} != {len(references)}:
        raise ValueError(
            "compare_texts expected two systems or more, a text of each for every reference, and "
            f"1 sample or more. Received: {lengths}, {len(references)} references, {samples=}."
        )
    return [
        lookup(COMPARED, name, "metric")(name, systems, references, samples, lowercase)
        for name in metrics
    ]


def scores_of_each(
    metric: str, hypotheses: Sequence[str], references: Texts, lowercase: bool = False
) -> np.ndarray:
    """The score of each text by itself, where more is better; (N,), in points.

    By chrF++ for "bleu" and "chrf++", as BLEU is none of single sentences.
    """
    if metric in ("bleu", "chrf++"):
        scorer = _sacrebleu_metric("chrf++", lowercase)
        pairs = zip(hypotheses, references, strict=True)
        return np.array([scorer.sentence_score(text, [ref]).score for text, ref in pairs])
    found, of, _ = _parts(metric, hypotheses, references, lowercase)
    return (-100 if metric in ("wer", "cer") else 100) * found / np.maximum(of, 1)


def _sacrebleu_metric(name: str, lowercase: bool) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    return BLEU(lowercase=lowercase) if name == "bleu" else CHRF(word_order=2, lowercase=lowercase)


def _by_sacrebleu(name, systems, references, samples, lowercase):
    from sacrebleu.significance import PairedTest

    test = PairedTest(
        list(systems.items()),
        {name: _sacrebleu_metric(name, lowercase)},
        [list(references)],
        test_type="bs",
        n_samples=samples,
    )
    signatures, found = test()
    (called,) = signatures  # as sacreBLEU names it
    standings = [
        Standing(of, float(x.score), float(x.ci), None if x.p_value is None else float(x.p_value))
        for of, x in zip(systems, found[called], strict=True)
    ]
    return Comparison(name, str(signatures[called]), standings)


def _by_sentences(name, systems, references, samples, lowercase):
    """The corpus value is a ratio of sums over sentences, which are drawn with replacement."""
    drawn = np.random.default_rng(SEED).integers(0, len(references), (samples, len(references)))
    standings = []
    for system, texts in systems.items():
        found, of, signature = _parts(name, texts, references, lowercase)
        value = 100 * found.sum() / of.sum()
        resampled = 100 * found[drawn].sum(1) / np.maximum(of[drawn].sum(1), 1)
        margin = float(np.ptp(np.percentile(resampled, [2.5, 97.5]))) / 2
        p_value = None
        if not standings:
            first, first_resampled = value, resampled
        else:
            differences = np.abs(resampled - first_resampled)
            beyond = (differences - differences.mean()) > abs(value - first)
            p_value = float((beyond.sum() + 1) / (samples + 1))
        standings.append(Standing(system, float(value), margin, p_value))
    return Comparison(name, f"{signature}|bs:{samples}|seed:{SEED}", standings)


def _parts(name, hypotheses, references, lowercase):
    """(N,) numerators and (N,) denominators of the sentences, and the signature."""
    if name.startswith("rouge"):
        scores, signature = rouge_of_each(name, hypotheses, references)
    elif name in ANSWER_METRICS:
        scores, signature = answers_of_each(name, hypotheses, references), SIGNATURE
    elif name == "cider":
        scores, signature = cider_of_each(hypotheses, references)
    else:
        errors, lengths, signature = errors_of_each(name, hypotheses, references, lowercase)
        return np.array(errors, float), np.array(lengths, float), signature
    return np.array(scores), np.ones(len(scores)), signature


COMPARED: dict[str, Any] = {
    "bleu": _by_sacrebleu,
    "chrf++": _by_sacrebleu,
    **dict.fromkeys(("rouge1", "rouge2", "rougeL", "cider", "wer", "cer"), _by_sentences),
    **dict.fromkeys(ANSWER_METRICS, _by_sentences),
}
# What the texts of a task are compared by; sentences that differ are those of the first.
OF_TASK = {
    "translation": ("bleu", "chrf++"),
    "text2text": ("bleu", "chrf++"),
    "summarization": ("rougeL", "rouge1", "rouge2"),
    "question_answering": ("answer_f1", "exact_match"),
    "captioning": ("cider",),
    "transcription": ("wer", "cer"),
}
