"""Errors of transcriptions, counted by jiwer."""

import functools
import importlib.metadata
from collections.abc import Callable, Sequence

from s2s_zoo.protocol.errors import S2SZooError

EXTRA = "pip install 's2s-zoo[speech]'"


def _errors(
    kind: str, hypotheses: Sequence[str], references: Sequence[str], lowercase: bool
) -> tuple[float, str]:
    """Insertions, deletions and substitutions for each word, or character, of the references."""
    try:
        import jiwer
    except ImportError as error:
        raise S2SZooError(f"{kind} is counted by the package `jiwer`: {EXTRA}") from error
    hypotheses, references = (
        [" ".join((text.lower() if lowercase else text).split()) for text in texts]
        for texts in (hypotheses, references)
    )
    if not any(references):
        raise S2SZooError(f"{kind} expected references with words. Received: empty ones alone.")
    # jiwer takes no empty reference; what is written there is inserted behind another.
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0]]
    count = getattr(jiwer, f"process_{'words' if kind == 'wer' else 'characters'}")
    found = count([x for x, _ in pairs], [y for _, y in pairs])
    parts = [y for x, y in zip(references, hypotheses, strict=True) if not x]
    inserted = sum(len(y.split() if kind == "wer" else y) for y in parts)
    length = found.hits + found.substitutions + found.deletions
    errors = found.substitutions + found.deletions + found.insertions + inserted
    version = importlib.metadata.version("jiwer")
    return 100 * errors / length, f"nrefs:1|case:{'lc' if lowercase else 'mixed'}|version:{version}"


SPEECH_METRICS: dict[str, Callable[..., tuple[float, str]]] = {
    kind: functools.partial(_errors, kind) for kind in ("wer", "cer")
}


def _english():
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def _basic():
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer()


NORMALIZERS: dict[str, Callable[[], Callable[[str], str]]] = {"english": _english, "basic": _basic}


def normalized(texts: Sequence[str], kind: str) -> tuple[list[str], str]:
    """Texts in the form in which Whisper's errors are counted (2212.04356, appendix C).

    What is spelt, punctuated or written in digits otherwise is no error then.

    Args:
        texts: list of str.
        kind: "english", numbers, spellings and contractions too; or "basic", any language: letters
            and digits alone, in lower case.

    Returns:
        The texts, and what a signature says of it.

    Raises:
        S2SZooError: without the package `whisper_normalizer`.
    """
    try:
        normalize = NORMALIZERS[kind]()
    except ImportError as error:
        raise S2SZooError(
            f"Texts are normalized by the package `whisper_normalizer`: {EXTRA}"
        ) from error
    version = importlib.metadata.version("whisper_normalizer")
    return [normalize(text).strip() for text in texts], f"norm:whisper-{kind}-{version}"
