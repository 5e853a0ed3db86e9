"""Forms of a text that say the same: one of them is what a model reads."""

from __future__ import annotations

import re
import unicodedata

QUOTES = str.maketrans({**dict.fromkeys("’‘‛ʼ‚", "'"), **dict.fromkeys("“”„‟", '"')})
LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
WIDE_WORDS = re.compile("[０-９Ａ-Ｚａ-ｚ]")
WIDE = re.compile("[！-～￥]")
INVISIBLE = re.compile(
    "[\u00ad\u200b\u2060\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]"
)
ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
SPACES = re.compile(r"\s+")


def normalize(text: str, language: str | None = None) -> str:
    """Brings a text to the form that models are trained on; nothing is lost by it.

    Accents become one character with their letter (NFC), curly quotes straight, full-width letters
    and digits narrow (other full-width signs too, but not in Chinese and Japanese, where they are
    usual), ligatures letters; soft hyphens and other invisible characters go; white space is one
    space, and none at the ends.

    Args:
        text: str, any.
        language: str such as "zh"; None goes by the script of the text.
    """
    asian = ASIAN.search(text) if language is None else language.split("-")[0] in ("zh", "ja")
    text = INVISIBLE.sub("", text)
    text = (WIDE_WORDS if asian else WIDE).sub(lambda match: _narrow(match.group()), text)
    text = text.translate(LIGATURES)
    if not asian:
        text = text.translate(QUOTES)
    text = unicodedata.normalize("NFC", text)
    return SPACES.sub(" ", text).strip()


def shortened(text: str) -> str:
    """A text as a message shows it, in quotes and not longer than a line."""
    return repr(text if len(text) < 60 else text[:57] + "...")


def _narrow(character: str) -> str:
    return unicodedata.normalize("NFKC", character)
