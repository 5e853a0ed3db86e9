"""Metrics of captions against several references, as coco-caption computes them.

BLEU is sacreBLEU's. CIDEr and METEOR come from the package pycocoevalcap; METEOR also needs Java.
"""

import functools
import importlib
import importlib.metadata
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from s2s_zoo.protocol.errors import S2SZooError


def caption_words(text: str) -> list[str]:
    """The words of a caption as captions are compared and learned: lower case, no punctuation.

    Close to the tokenizer of coco-caption, which needs Java: a hyphen inside a word stays, and
    what follows an apostrophe is a word of its own.
    """
    return re.findall(r"'\w+|\w+(?:-\w+)*", text.lower())


def _joined(texts):
    return [" ".join(caption_words(text)) for text in texts]


def caption_bleu(
    order: int, hypotheses: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool
) -> tuple[float, str]:
    """BLEU of n-grams up to `order` (Papineni et al. 2002), without smoothing."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True)
    # sacreBLEU takes the first references of all, then the second ones; None stands for none.
    most = max(map(len, references))
    padded = [[*_joined(texts), *[None] * (most - len(texts))] for texts in references]
    value = metric.corpus_score(_joined(hypotheses), list(zip(*padded, strict=True))).score
    return value, f"{metric.get_signature()}".replace("tok:none", "tok:caption").replace(
        "case:mixed", "case:lc"
    )


def caption_cider(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool
) -> tuple[float, str]:
    """CIDEr-D (Vedantam et al. 2015, 1411.5726), 100 where the package's own scale says 1."""
    scorer = _scorer("cider.cider", "Cider")
    value, _, signature = _scores(scorer(), "cider-d", hypotheses, references)
    return value, signature


def cider_of_each(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[Any, str]:
    """The CIDEr-D of each caption, (N,), 1 where `caption_cider` says 100, and the signature."""
    scorer = _scorer("cider.cider", "Cider")
    _, each, signature = _scores(scorer(), "cider-d", hypotheses, references)
    return each, signature


def caption_meteor(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool
) -> tuple[float, str]:
    """METEOR 1.5 (Denkowski and Lavie 2014)."""
    if shutil.which("java") is None:
        raise S2SZooError(
            "METEOR runs in Java, and there is no `java` here. Install a Java runtime, or do "
            "without METEOR: BLEU and CIDEr need none."
        )
    scorer = _scorer("meteor.meteor", "Meteor")()
    process = scorer.meteor_p
    with process.stdout, process.stderr:  # which the package leaves open
        value, _, signature = _scores(scorer, "meteor-1.5", hypotheses, references)
        return value, signature


def cider_scorer() -> Any:
    """Returns an empty CiderScorer of pycocoevalcap: CIDEr-D of up to 4-grams."""
    return _scorer("cider.cider_scorer", "CiderScorer")()


def _scorer(module, name):
    try:
        return getattr(importlib.import_module(f"pycocoevalcap.{module}"), name)
    except ImportError as error:
        raise S2SZooError(
            f"{name} comes from the package pycocoevalcap: pip install 's2s-zoo[captions]'."
        ) from error


def _scores(scorer, name, hypotheses, references):
    of_references = dict(enumerate(map(_joined, references)))
    of_hypotheses = dict(enumerate([text] for text in _joined(hypotheses)))
    value, each = scorer.compute_score(of_references, of_hypotheses)
    counts = sorted({len(texts) for texts in references})
    nrefs = counts[0] if len(counts) == 1 else "var"
    version = importlib.metadata.version("pycocoevalcap")
    signature = f"nrefs:{nrefs}|case:lc|tok:caption|{name}|pycocoevalcap:{version}"
    return 100 * float(value), each, signature


CAPTION_METRICS: dict[str, Callable[..., tuple[float, str]]] = {
    **{f"bleu_{n}": functools.partial(caption_bleu, n) for n in range(1, 5)},
    "cider": caption_cider,
    "meteor": caption_meteor,
}
