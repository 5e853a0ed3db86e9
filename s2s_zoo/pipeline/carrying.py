"""Translations that hold the spans of their sources, whatever a model does with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from s2s_zoo.data.text.normal import shortened
from s2s_zoo.data.text.patterns import CJK
from s2s_zoo.data.text.spans import Span, touch
from s2s_zoo.data.text.symbols import Protected, Symbols, protect, symbol_pattern
from s2s_zoo.pipeline.result import Result, combined

Hypotheses: TypeAlias = Sequence[Result]
Generate: TypeAlias = Callable[[list[str]], Sequence[Hypotheses]]
Spans: TypeAlias = Sequence[Sequence[Span]]
Way: TypeAlias = Callable[[list[str], Spans], Sequence[Hypotheses]]


def carry(
    texts: Sequence[str],
    spans: Spans,
    generate: Generate,
    symbols: Symbols | None,
    more: Generate | None = None,
) -> list[Hypotheses]:
    """Translates texts so that each hypothesis holds the spans of its source.

    One way after the other: with symbols, where the model knows them, numbers and times being
    written by the model, and the same with more hypotheses; with those behind symbols too; as it
    is, where the translation then has every span as often as the source; the pieces between the
    spans each for itself; and the source itself, the last two with a warning. Of several hypotheses
    those are left out that do not hold the spans, while others do. Each way is one call of
    `generate` with all the texts that need it.

    Args:
        texts: list of str.
        spans: for each text its spans, as `find_spans` gives them.
        generate: from a list of texts to the hypotheses of each, the best first.
        symbols: Symbols, those that the model was trained to copy, or None.
        more: as `generate`, with more hypotheses of each text, or None where there are no more.

    Returns:
        For each text at least one Result.
    """
    done: list[Hypotheses] = [()] * len(texts)
    left = list(range(len(texts)))
    for way in _ways(generate, symbols, more):
        if not left:
            break
        found = way([texts[i] for i in left], [spans[i] for i in left])
        for i, hypotheses in zip(left, found, strict=True):
            done[i] = hypotheses
        left = [i for i in left if not done[i]]
    for i in left:
        done[i] = [Result(texts[i], warning=_warning(texts[i], "is given as it is"))]
    return done


def _ways(generate: Generate, symbols: Symbols | None, more: Generate | None) -> list[Way]:
    def behind(known: Symbols, asked: Generate, again: bool = False) -> Way:
        return lambda texts, spans: with_symbols(texts, spans, asked, known, again)

    def plain(asked: Generate) -> Way:
        return lambda texts, spans: _plain(texts, spans, asked)

    def pieces(texts: list[str], spans: Spans) -> list[Hypotheses]:
        return _pieces(texts, spans, generate, symbols)

    asked = [generate] if more is None else [generate, more]
    if symbols is None:
        return [*map(plain, asked), pieces]
    first = [behind(symbols.but_written(), one) for one in asked]
    return [*first, behind(symbols, generate, again=True), plain(generate), pieces]


def _warning(text: str, what: str) -> str:
    return f"The model lost what must not change; a text {what}: {shortened(text)}. Check it."


def with_symbols(
    texts: Sequence[str],
    spans: Spans,
    generate: Generate,
    symbols: Symbols,
    again: bool = False,
) -> list[Hypotheses]:
    """The hypotheses that hold the spans, which are behind symbols; perhaps none.

    Args:
        texts, spans, generate: as for `carry`.
        symbols: Symbols.
        again: bool, leave out texts in which no more is behind symbols than the time before.
    """
    protected = [protect(text, own, symbols) for text, own in zip(texts, spans, strict=True)]
    before = symbols.but_written()
    tried = [
        i
        for i, (text, own) in enumerate(zip(texts, spans, strict=True))
        if not again or protect(text, own, before).text != protected[i].text
    ]
    found: list[Hypotheses] = [()] * len(texts)
    generated = generate([protected[i].text for i in tried]) if tried else []
    for i, hypotheses in zip(tried, generated, strict=True):
        texts_held = [held(one.text, protected[i], spans[i]) for one in hypotheses]
        found[i] = [
            one._replace(text=text)
            for one, text in zip(hypotheses, texts_held, strict=True)
            if text is not None
        ]
    return found


def held(text: str, protected: Protected | None, spans: Sequence[Span]) -> str | None:
    """What a model wrote with the spans in place, None where it lacks one.

    Args:
        text: str.
        protected: what the model read, or None where it read the source as it is.
        spans: those of the source.
    """
    if protected is None:
        return text if holds(text, spans) else None
    back = protected.restore(text)
    good = back.whole or not protected.spans
    if good and protected.others:
        good = holds(back.text, spans)
    return back.text if good else None


def _plain(texts: list[str], spans: Spans, generate: Generate) -> list[Hypotheses]:
    return [
        [one for one in hypotheses if held(one.text, None, own) is not None]
        for hypotheses, own in zip(generate(texts), spans, strict=True)
    ]


def holds(translation: str, spans: Sequence[Span]) -> bool:
    """Whether a translation has each span as often as the source, none within a longer number."""
    wanted = Counter(span.target for span in spans)
    forms = {span.target: span.forms for span in spans}
    return all(
        _count(translation, target, forms[target], wanted) == wanted[target] for target in wanted
    )


def _count(text: str, target: str, forms: Sequence[str], wanted: Counter[str]) -> int:
    """How often a span stands in a text, but for where it is part of a longer one."""
    inside = sum(
        n * len(re.findall(_alone(target), other)) for other, n in wanted.items() if other != target
    )
    if found := len(re.findall(_alone(target), text)) - inside:
        return found
    pattern = "|".join(map(_alone, forms))
    return len(re.findall(pattern, text, re.IGNORECASE)) if pattern else 0


def _alone(target: str) -> str:
    """The pattern of a span that is no part of a longer word or number."""
    first = rf"(?<![^\W{CJK}])(?<!\d[.,])" if re.match(rf"[^\W{CJK}]", target) else ""
    last = rf"(?![^\W{CJK}])(?![.,]\d)" if re.match(rf"[^\W{CJK}]", target[-1:]) else ""
    return first + re.escape(target) + last


def _pieces(
    texts: list[str], spans: Spans, generate: Generate, symbols: Symbols | None
) -> list[Hypotheses]:
    """The pieces between spans, each translated for itself, and the spans between them."""
    cut = [_cut(text, own) for text, own in zip(texts, spans, strict=True)]
    wanted = [piece.strip() for pieces in cut for piece in pieces if _has_letters(piece)]
    generated = iter(generate(wanted) if wanted else [])
    found: list[Hypotheses] = []
    for text, own, pieces in zip(texts, spans, cut, strict=True):
        results = [
            _in_place(piece, next(generated)[0]) if _has_letters(piece) else Result(piece)
            for piece in pieces
        ]
        parts = [result.text for result in results]
        joined = parts[0]
        for span, part in zip(own, parts[1:], strict=True):
            joined = _beside(joined, span.target, touch(text[: span.start], text[span.start :]))
            joined = _beside(joined, part, touch(text[: span.end], text[span.end :]))
        translated = [r for r, piece in zip(results, pieces, strict=True) if _has_letters(piece)]
        whole = combined(joined, translated)._replace(
            segments=(), warning=_warning(text, "was translated in pieces")
        )
        found.append([whole] if own and _has_no_symbol(parts, symbols) else ())
    return found


def _beside(text: str, other: str, touched: bool) -> str:
    """Two texts one after the other, with a space where they run together as they did not."""
    return f"{text} {other}" if touch(text, other) and not touched else text + other


def _has_no_symbol(parts: Sequence[str], symbols: Symbols | None) -> bool:
    """Whether no part has a symbol that the model made up."""
    return symbols is None or not symbol_pattern(symbols.template).search("".join(parts))


def _cut(text: str, spans: Sequence[Span]) -> list[str]:
    ends = [0, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), len(text)]
    return [text[a:b] for a, b in zip(ends, starts, strict=True)]


def _has_letters(piece: str) -> bool:
    return any(c.isalpha() for c in piece)


def _in_place(piece: str, translation: Result) -> Result:
    """A translation with the white space that its piece had at its ends."""
    body = piece.strip()
    start = piece.index(body)
    text = translation.text.strip()
    if body[-1].isalnum():
        text = text.rstrip(".。")  # which a model ends everything with
    return translation._replace(text=piece[:start] + text + piece[start + len(body) :])
