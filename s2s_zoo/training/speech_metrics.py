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
    errors, lengths, signature = errors_of_each(kind, hypotheses, references, lowercase)
    return 100 * sum(errors) / sum(lengths), signature


def errors_of_each(
    kind: str, hypotheses: Sequence[str], references: Sequence[str], lowercase: bool
) -> tuple[list[int], list[int], str]:
    """The errors of each text, the words or characters of each reference, and the signature."""
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
    count = getattr(jiwer, f"process_{'words' if kind == 'wer' else 'characters'}")
    errors, lengths = [], []
    for reference, text in zip(references, hypotheses, strict=True):
        if not reference:  # jiwer takes none: what is written there is inserted
            errors.append(len(text.split() if kind == "wer" else text))
            lengths.append(0)
            continue
        found = count(reference, text)
        errors.append(found.substitutions + found.deletions + found.insertions)
        lengths.append(found.hits + found.substitutions + found.deletions)
    version = importlib.metadata.version("jiwer")
    signature = f"nrefs:1|case:{'lc' if lowercase else 'mixed'}|version:{version}"
    return errors, lengths, signature


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
