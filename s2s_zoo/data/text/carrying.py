"""Translations that hold the spans of their sources, whatever a model does with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from s2s_zoo.data.text.patterns import CJK
from s2s_zoo.data.text.spans import Span
from s2s_zoo.data.text.symbols import Protected, Symbols, protect, symbol_pattern

Generate = Callable[[list[str]], Sequence[str]]
Spans = Sequence[Sequence[Span]]


@dataclass(frozen=True)
class Carried:
    """A translation, how it came about, and what a user should know of it.

    Attributes:
        text: str.
        way: str: "symbols", where the model carried them; "plain", where it wrote the spans
            itself; "pieces", where the text between them was translated; "source", where nothing
            else held them.
        warning: str or None.
    """

    text: str
    way: str
    warning: str | None = None


def carry(
    texts: Sequence[str],
    spans: Spans,
    generate: Generate,
    symbols: Symbols | None,
) -> list[Carried]:
    """Translates texts so that each holds its spans, trying one way after the other.

    With symbols, where the model knows them; as it is, where the translation then has every span
    as often as the source; the pieces between the spans each for itself; and the source itself.
    Each way is one call of `generate` with all the texts that need it.

    Args:
        texts: list of str.
        spans: for each text its spans, as `find_spans` gives them.
        generate: from a list of texts to their translations.
        symbols: Symbols, those that the model was trained to copy, or None.
    """
    done: list[Carried | None] = [None] * len(texts)
    open_ = list(range(len(texts)))
    for way in (_with_symbols, _plain, _pieces):
        found = way([texts[i] for i in open_], [spans[i] for i in open_], generate, symbols)
        for i, carried in zip(open_, found, strict=True):
            done[i] = carried
        open_ = [i for i in open_ if done[i] is None]
    return [
        carried or Carried(text, "source", _warning(text, "is given as it is"))
        for carried, text in zip(done, texts, strict=True)
    ]


def _warning(text: str, what: str) -> str:
    short = text if len(text) < 60 else text[:57] + "..."
    return f"The model lost what must not change; a text {what}: {short!r}. Check it."


def _with_symbols(
    texts: Sequence[str], spans: Spans, generate: Generate, symbols: Symbols | None
) -> list[Carried | None]:
    if symbols is None:
        return [None] * len(texts)
    protected = [protect(text, own, symbols) for text, own in zip(texts, spans, strict=True)]
    generated = generate([one.text for one in protected]) if protected else []
    return [_symbols_held(*pair) for pair in zip(protected, generated, strict=True)]


def _symbols_held(protected: Protected, generated: str) -> Carried | None:
    restored = protected.restore(generated)
    good = restored.whole or not protected.spans
    if protected.others:
        good = good and holds(restored.text, [*protected.spans, *protected.others])
    return Carried(restored.text, "symbols") if good else None


def _plain(
    texts: Sequence[str], spans: Spans, generate: Generate, symbols: Symbols | None
) -> list[Carried | None]:
    tried = [i for i in range(len(texts)) if spans[i] or symbols is None]
    generated = dict(zip(tried, generate([texts[i] for i in tried]) if tried else [], strict=True))
    return [
        Carried(generated[i], "plain") if i in generated and holds(generated[i], own) else None
        for i, own in enumerate(spans)
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
    texts: Sequence[str], spans: Spans, generate: Generate, symbols: Symbols | None
) -> list[Carried | None]:
    """The pieces between spans, each translated for itself, and the spans between them."""
    cut = [_cut(text, own) for text, own in zip(texts, spans, strict=True)]
    wanted = [piece for pieces in cut for piece in pieces if _has_letters(piece)]
    generated = iter(generate(wanted) if wanted else [])
    carried: list[Carried | None] = []
    for text, own, pieces in zip(texts, spans, cut, strict=True):
        parts = [
            _in_place(piece, next(generated)) if _has_letters(piece) else piece for piece in pieces
        ]
        joined = "".join(
            part + (own[i].target if i < len(own) else "") for i, part in enumerate(parts)
        )
        good = own and _has_no_symbol(parts, symbols)
        carried.append(
            Carried(joined, "pieces", _warning(text, "was translated in pieces")) if good else None
        )
    return carried


def _has_no_symbol(parts: Sequence[str], symbols: Symbols | None) -> bool:
    """Whether no part has a symbol that the model made up."""
    return symbols is None or not symbol_pattern(symbols.template).search("".join(parts))


def _cut(text: str, spans: Sequence[Span]) -> list[str]:
    ends = [0, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), len(text)]
    return [text[a:b] for a, b in zip(ends, starts, strict=True)]


def _has_letters(piece: str) -> bool:
    return any(c.isalpha() for c in piece)


def _in_place(piece: str, translation: str) -> str:
    """A translation with the white space that its piece had at its ends."""
    body = piece.strip()
    start = piece.index(body)
    return piece[:start] + translation.strip() + piece[start + len(body) :]
