"""Which language a text is in: by its script, and where that does not tell by a detector."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, NamedTuple

from s2s_zoo.data.text.spans import find_spans

# Which languages are written in a script that is not Latin, the one that most texts are in first.
SCRIPTS = {
    "HAN": ("zh", "ja"),
    "KANA": ("ja",),
    "HANGUL": ("ko",),
    "CYRILLIC": ("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn", "tg", "tt", "ba"),
    "ARABIC": ("ar", "fa", "ur", "ps", "ug", "ku"),
    "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne", "sa"),
    "BENGALI": ("bn", "as"),
    "GREEK": ("el",),
    "THAI": ("th",),
    "LAO": ("lo",),
    "KHMER": ("km",),
    "MYANMAR": ("my",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
    "ETHIOPIC": ("am",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "ORIYA": ("or",),
    "SINHALA": ("si",),
}
# Of the languages in Latin letters those that many write: a short text is easily taken for one of
# their relatives, such as Venetian.
LATIN = (
    "af br bs ca cs cy da de en eo es et eu fi fr ga gl hr hu id is it la lt lv mg ms mt nl no pl "
    "pt ro sk sl so sq sr sv sw tl tr uz vi"
).split()
KNOWN = frozenset(LATIN).union(*SCRIPTS.values())
VARIANTS = {
    **{"cmn": "zh", "wuu": "zh", "yue": "zh", "arz": "ar", "ary": "ar", "sdh": "ku", "hbo": "he"},
    **{"nb": "no", "nn": "no", "pcm": "en", "uzs": "uz", "iw": "he"},
}
NAMED = {
    **{"CJK": "HAN", "IDEOGRAPHIC": "HAN", "KANGXI": "HAN", "BOPOMOFO": "HAN"},
    **{"HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA"},
}
WIDE = {"HAN": 3, "KANA": 2, "HANGUL": 3}  # letters of an alphabet that say as much as one of these

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
CLAUSE = re.compile(r"[^\w\s'’-]+")
CODE = re.compile(r"[{}\[\]<>=_|\\$#@^~*]")

WORDS = 4  # that a text has to have, and
WORDS_OF_A_SPAN = 2  # more for each number, address or code: "12 rue de la Paix, 75002 Paris"
SMALL = 1 / 3  # of the words do not begin with a capital, as those of names do
LETTERS = 6  # of another script
SHARE = 0.8  # of the letters that are of that script
SPOKEN = 0.2  # of the letters of a Japanese text that are kana
ODDS = 4.0  # logarithm of how much more probable it is than every expected language,
TARGET_ODDS = 3.0  # where it is the language to translate to,
PIECE_ODDS = -0.5  # each piece of it,
NAME_ODDS = -2.5  # and each that may be a name
PIECE = 4  # words
PROBABLE = 0.5  # of the language among all


class Detected(NamedTuple):
    """The language of a text.

    Attributes:
        language: str such as "de", or None where nothing tells: there are no letters, or none of
            the languages that are asked for is written in these.
        certainty: float from 0 to 1, how probable it is among all languages that are known.
    """

    language: str | None
    certainty: float


def detect(text: str, among: Collection[str] | None = None) -> Detected:
    """Says which language a text is in.

    Args:
        text: str, any.
        among: language codes that come into question, None for all that are known.

    Raises:
        ValueError: for no language, or one that is not known.
    """
    codes = KNOWN if among is None else {code_of(code) for code in among}
    if not codes or not codes <= KNOWN:
        raise ValueError(
            f"detect expected languages of {', '.join(sorted(KNOWN))}. "
            f"Received: {', '.join(sorted(codes - KNOWN)) or 'none'}."
        )
    text = unicodedata.normalize("NFKC", text)
    script, share = _script(_letters(text))
    writers = _writers(script)
    candidates = [code for code in writers if code in codes]
    if not candidates:
        return Detected(None, 0.0)
    if script in WIDE or len(writers) == 1:
        return Detected(candidates[0], share)
    found = _probabilities(text)
    best = max(candidates, key=lambda code: found[code])
    if script in SCRIPTS and found[best] < PROBABLE:
        best = candidates[0]
    return Detected(best, share * found[best])


def foreign(text: str, expected: Collection[str], target: str) -> str | None:
    """The language of a text that is certainly in none of the expected ones, or None.

    To miss one does less harm than to call a text foreign that is not. So names, numbers, fewer
    than four words, code, addresses, Latin letters that are all capitals, and texts that are partly
    in an expected language are never foreign.

    Args:
        text: str, any.
        expected: codes of the languages that it may be in; where one is not known nothing is
            certain.
        target: str, the code of the language that it will be translated to: a text is in that one
            more often than in any other, so less has to speak for it.
    """
    codes = {code_of(code) for code in expected}
    if not codes or not codes <= KNOWN:
        return None
    spans = find_spans(text)
    prose = _without(text, spans)
    letters = _letters(prose)
    script, share = _script(letters)
    if script in SCRIPTS and not codes.intersection(_writers(script)):
        enough = letters.total() >= LETTERS and share >= SHARE
        return detect(prose).language if enough else None
    if script in WIDE or not _is_prose(prose, len(spans)) or share < 1:
        return None
    return _foreign_words(prose, codes, code_of(target))


def written_in(text: str, language: str) -> bool:
    """Whether most letters of a text may stand in a text of a language.

    Latin letters may stand in any, and of a language that is not known any may.
    """
    script, share = _script(_letters(text))
    writers = _writers(script) if script in SCRIPTS else ()
    code = code_of(language)
    return not writers or code not in KNOWN or code in writers or share < 0.5


def script_of(text: str) -> str:
    """The script that most letters of a text are of, such as "LATIN"; "" where there are none."""
    return _script(_letters(text))[0]


def code_of(language: str) -> str:
    """The code of a language without its country and script, and of a variant that of the whole."""
    code = re.split("[-_]", language.lower())[0]
    return VARIANTS.get(code, code)


def _without(text: str, spans: Collection[Any]) -> str:
    for span in reversed(list(spans)):
        text = f"{text[: span.start]} , {text[span.end :]}"
    return unicodedata.normalize("NFKC", text)


def _letters(text: str) -> Counter[str]:
    """How many letters of each script there are, counted in letters of an alphabet."""
    found: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            script = _script_of(letter)
            found[script] += count * WIDE.get(script, 1)
    return found


@cache
def _script_of(letter: str) -> str:
    name = unicodedata.name(letter, "?").split()[0]
    return NAMED.get(name, name)


def _script(letters: Counter[str]) -> tuple[str, float]:
    """The script that most letters are of, and the share that they are; "" where there are none."""
    if not letters:
        return "", 0.0
    [(script, count)] = letters.most_common(1)
    total = letters.total()
    if script in ("HAN", "KANA"):
        count = letters["HAN"] + letters["KANA"]
        script = "KANA" if letters["KANA"] >= SPOKEN * count else "HAN"
    return script, count / total


def _writers(script: str) -> tuple[str, ...] | list[str]:
    return LATIN if script == "LATIN" else SCRIPTS.get(script, ())


def _is_prose(text: str, spans: int) -> bool:
    """Whether it is sentences rather than names, code or an address."""
    words = WORD.findall(text)
    small = sum(len(word) > 1 and not word[0].isupper() for word in words)
    return (
        len(words) >= WORDS + WORDS_OF_A_SPAN * spans
        and small >= max(2, SMALL * len(words))
        and len(CODE.findall(text)) < 2
    )


def _foreign_words(text: str, codes: Collection[str], target: str) -> str | None:
    found = _probabilities(text)
    best = max(found, key=lambda code: found[code])
    least = TARGET_ODDS if best == target else ODDS
    if best in codes or found[best] < PROBABLE or _odds(found, best, codes) < least:
        return None
    if any(_odds(_probabilities(piece), best, codes) < odds for piece, odds in _pieces(text)):
        return None
    return best


def _odds(found: dict[str, float], language: str, codes: Collection[str]) -> float:
    return math.log(found[language] + 1e-30) - math.log(max(found[c] for c in codes) + 1e-30)


def _pieces(text: str) -> Iterator[tuple[str, float]]:
    """The clauses of a text, long ones in pieces, so that no other language hides in it.

    Yields:
        str and float, the odds that it has to have: a name may look like another language.
    """
    for clause in CLAUSE.split(text):
        words = clause.split()
        count = max(1, len(words) // PIECE)
        for i in range(count):
            piece = words[len(words) * i // count : len(words) * (i + 1) // count]
            if piece:
                named = all(word[0].isupper() for word in piece)
                yield " ".join(piece), NAME_ODDS if named else PIECE_ODDS


def _probabilities(text: str) -> dict[str, float]:
    """How probable each language is."""
    found = dict.fromkeys(KNOWN, 0.0)
    for label, probability in _detector().rank(text):
        code = VARIANTS.get(label, label)
        if code in found:
            found[code] += probability
    return found


@cache
def _detector() -> Any:
    """Of py3langid: read when it is first asked, as that takes half a second and 80 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
