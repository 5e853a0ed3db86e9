"""Texts with tags, and the forms that they stand for (Kim et al. 2021, 2111.15664)."""

import re
from collections.abc import Collection
from typing import Any

OPENING, CLOSING, BETWEEN = r"<s_([^<>]+)>", r"</s_([^<>]+)>", "<sep/>"
TAG = re.compile(f"{OPENING}|{CLOSING}|{BETWEEN}")
DEEPEST = 64  # forms within forms


def tasks(pieces: Collection[str]) -> list[str]:
    """Those of the pieces that a text may begin with: <s_x> that no </s_x> closes."""
    found = (re.fullmatch(OPENING, piece) for piece in pieces)
    return [one[0] for one in found if one and f"</s_{one[1]}>" not in pieces]


def token2json(text: str, categories: Collection[str] = ()) -> Any:
    """The form that a text with tags stands for.

    <s_k>…</s_k> is the key k; its value is the text within, or a dict where there are keys in it.
    <sep/> parts several values, which are then a list. Of a key that comes twice the last counts,
    text beside keys does not. A tag without its other half, as where a text is cut off, is left
    out, and what follows it stays where it is.

    Args:
        text: str.
        categories: pieces of the form <x/> that stand for x.

    Returns:
        A dict, or a list of them; {"text_sequence": text} of a text without keys.
    """
    found = [(tag, tag[1], tag[2]) for tag in TAG.finditer(text)]
    partner = _partners(found)
    root: list[Any] = [{}]
    # For each key that is open: its name, the forms in it, and where its text begins.
    open_keys: list[tuple[str, list[Any], list[str]]] = []
    place = 0
    for i, (tag, opened, closed) in enumerate(found):
        between, place = text[place : tag.start()], tag.end()
        if open_keys:
            open_keys[-1][2][-1] += between
        forms = open_keys[-1][1] if open_keys else root
        if opened is not None and i in partner:
            open_keys.append((opened, [{}], [""]))
        elif closed is not None and i in partner:
            key, inner, texts = open_keys.pop()
            outer = open_keys[-1][1] if open_keys else root
            values = [form for form in inner if form] or [
                leaf[1:-2] if leaf in categories else leaf for leaf in map(str.strip, texts)
            ]
            outer[-1][key] = values[0] if len(values) == 1 else values
        elif opened is None and closed is None:
            forms.append({})
            if open_keys:
                open_keys[-1][2].append("")
    made = [form for form in root if form]
    if not made:
        return {"text_sequence": text}
    return made[0] if len(made) == 1 else made


def _partners(tags):
    """The places of the tags that have their other half, within the keys that hold them."""
    waiting: list[tuple[int, str]] = []
    paired = set()
    for i, (_, opened, closed) in enumerate(tags):
        if opened is not None:
            waiting.append((i, opened))
        elif closed is not None and any(key == closed for _, key in waiting):
            while waiting[-1][1] != closed:
                waiting.pop()
            if len(waiting) <= DEEPEST:
                paired |= {waiting[-1][0], i}
            waiting.pop()
    return paired
