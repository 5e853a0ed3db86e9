"""Translations without words that a model made up, as far as copying does away with them."""

from __future__ import annotations

from collections.abc import Sequence

from s2s_zoo.data.text.known_words import KnownWords, alike
from s2s_zoo.data.text.normal import shortened
from s2s_zoo.data.text.spans import Span
from s2s_zoo.data.text.symbols import Symbols
from s2s_zoo.pipeline.carrying import Generate, Hypotheses, Spans, with_symbols


def without_made_up(
    texts: Sequence[str],
    spans: Spans,
    found: Sequence[Hypotheses],
    words: KnownWords,
    generate: Generate,
    symbols: Symbols,
) -> list[Hypotheses]:
    """Translates texts again whose best translation has words that the model made up.

    The words of the source that look like these are put behind symbols, as rare words are copied in
    Luong et al. 2015 (1410.8206): "Dr. whitegerber" becomes "Dr. Weißgerber". The new translation
    is taken where it has fewer made-up words, and nothing to warn of.

    Args:
        texts: list of str.
        spans: for each text its spans, as `find_spans` gives them.
        found: for each text its hypotheses, the best first.
        words: those that the model knows.
        generate: from a list of texts to the hypotheses of each.
        symbols: Symbols that the model was trained to copy.
    """
    protected, wrong = {}, {}
    for i, (text, own, hypotheses) in enumerate(zip(texts, spans, found, strict=True)):
        wrong[i] = [] if text.isupper() else words.made_up(hypotheses[0].text, text)
        places = {place for word in wrong[i] if (place := alike(word, text))}
        names = [
            Span(start, end, "keep", text[start:end], text[start:end])
            for start, end in places
            if all(span.end <= start or end <= span.start for span in own)
        ]
        if names:
            protected[i] = sorted([*own, *names], key=lambda span: span.start)
    read = [texts[i] for i in protected]
    again = with_symbols(read, list(protected.values()), generate, symbols.but_written())
    better = {
        i: hypotheses
        for i, hypotheses in zip(protected, again, strict=True)
        if hypotheses
        and hypotheses[0].warning is None
        and len(words.made_up(hypotheses[0].text, texts[i])) < len(wrong[i])
    }
    return [better.get(i, hypotheses) for i, hypotheses in enumerate(found)]


def warning_of(text: str, source: str, words: KnownWords) -> str | None:
    """What to say of a translation that has a word which the model made up."""
    if not (made_up := words.made_up(text, source)):
        return None
    return f"The model made up {made_up[0]!r}: {shortened(source)}. Check it."
