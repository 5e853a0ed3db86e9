"""Where sentences start: rules for German, English, French and Chinese, and general ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from s2s_zoo.data.text.languages import Language, language_of

WIDE = "。！？．｡"  # these end a sentence with no space after them
CLOSING = "\"'”’»›)]}）」』】》〉〗﹄"
EITHER = "“‘«‹"  # these close in German and open elsewhere
OPENING = "\"'„“‚‘”«»‹›([{（「『【《〈¿¡–—-*_ "
END = re.compile(rf"[.!?…‼⁇⁈⁉؟۔।॥᙮።{WIDE}]+")
CLOSED = re.compile(
    rf"(?:[{re.escape(CLOSING)}]|[{EITHER}](?=[\s.,;:!?)]|$)|[ \u00a0\u202f][»›](?=[\s.,;:!?)]|$))*"
)
SPACE = re.compile(r"\s+")
WORD = re.compile(r"[^\W_]+(?:['’](?=\w)[^\W_]+)*")
BEFORE = re.compile(r"[^\s(\[{„“\"«»,;]*$")
SPACED = re.compile(r"(?:(?<!\w)[^\W\d_]\. ?)+[^\W\d_]$")  # z. B, U. S, J. R
ROMAN = re.compile(r"[IVXLCDM]+$")
SPOKEN = re.compile(r"\s*[^\s。！？，,；：]{0,6}?[说說道问問喊叫答写寫]")
CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
BETWEEN_CJK = re.compile(rf"(?<=[{CJK}])[.!?]+(?=[{CJK}])")
GLUED = re.compile(r"(?<=[^\W\d_]{2})[!?]+(?=[^\W\d_]{2})|(?<=[^\W\d_]{3})\.(?=[^\W\d_]{2})")
REACH = 40  # characters before a full stop that are looked at


def sentence_starts(text: str, language: str | None = None) -> list[int]:
    """Returns where sentences start in a text of one paragraph, the first at 0 not among them.

    Args:
        text: str.
        language: str such as "de"; of one without rules of its own, or of None, general ones hold.

    Returns:
        list of int, in order. White space before a sentence belongs to the one before it.
    """
    rules = language_of(language)
    small = not any(c.isupper() for c in text)
    starts = {
        *_after_spaces(text, rules, small),
        *(match.end() for match in BETWEEN_CJK.finditer(text)),
        *(match.end() for match in GLUED.finditer(text) if _is_glued(text, match, rules)),
    }
    return sorted(start for start in starts if 0 < start < len(text))


def _after_spaces(text: str, rules: Language, small: bool) -> Iterator[int]:
    for match in END.finditer(text):
        closed = CLOSED.match(text, match.end())
        end = closed.end() if closed else match.end()
        space = SPACE.match(text, end)
        after = space.end() if space else end
        wide = match.group()[-1] in WIDE
        if wide and _is_wide_end(text, match.end(), end):
            yield after
        elif space and not wide and _is_end(text, match, end, after, rules, small):
            yield after


def _is_wide_end(text: str, mark: int, end: int) -> bool:
    """Whether a mark that needs no space ends a sentence: not where a speaker follows a quote."""
    return not (end > mark and SPOKEN.match(text[end : end + 8]))


def _is_end(
    text: str, match: re.Match[str], end: int, after: int, rules: Language, small: bool
) -> bool:
    following = text[after : after + REACH].lstrip(OPENING)
    word = found.group() if (found := WORD.match(following)) else ""
    quoted = end > match.end()
    if not _can_start(following, word, small and not quoted):
        return False
    mark = match.group()
    if mark != ".":
        return mark.rstrip("….") != "" or text[after] not in "[(–—-"
    head = text[max(0, match.start() - REACH) : match.start()]
    token = BEFORE.findall(head)[0]
    return _full_stop_ends(head, token, word, following, rules, quoted)


def _can_start(following: str, word: str, small: bool) -> bool:
    """Whether a sentence can start so: not with a small letter, but for "eBay" and small text."""
    if not word:
        return bool(following)
    first = word[0]
    return small or not first.islower() or word[1:2].isupper()


def _full_stop_ends(
    head: str, token: str, word: str, following: str, rules: Language, quoted: bool
) -> bool:
    name = token.casefold()
    starts = word.casefold() in rules.starters or word.split("'")[0].casefold() + "'" in (
        rules.starters
    )
    if not token:
        return True
    if name in rules.often:
        return not quoted
    if name in rules.seldom or rules.ordinals and name.endswith("str"):
        return starts and not following[:1].isdigit()
    if spaced := SPACED.search(head):
        return starts and spaced.group()[0].isupper()
    if name in rules.never or "-" in name and len(name.split("-")[-1]) == 1:
        return False
    if name in rules.before_digit and following[:1].isdigit():
        return False
    if token.isdigit() or ROMAN.match(token) and len(token) > 1:
        return _number_ends(head[: len(head) - len(token)], token, word, starts, rules)
    if len(token) == 1 and token.isalpha():
        return starts and not following[len(word) :].startswith(".")
    return True


def _number_ends(before: str, token: str, word: str, starts: bool, rules: Language) -> bool:
    """Whether the full stop after a number ends a sentence: not in "am 3. Oktober"."""
    if not before.strip() and len(token) < 4:
        return False
    if not rules.ordinals:
        return True
    if word.casefold() in rules.ordinal_after:
        return False
    if starts or len(token) > 2 and token.isdigit():
        return True
    words = before.split()
    if not token.isdigit():
        return False
    return bool(words) and words[-1].casefold() not in rules.ordinal_before


def _is_glued(text: str, match: re.Match[str], rules: Language) -> bool:
    """Whether a mark without a space after it ends a sentence: "Hallo!Wie geht's"."""
    after = text[match.end() : match.end() + REACH]
    before = text[max(0, match.start() - REACH) : match.start()].split()
    if not before or any(sign in before[-1] for sign in ":/@<{%$#=&") or not before[-1].isalpha():
        return False
    word = WORD.match(after)
    if word is None or not word.group()[0].isupper() or not word.group()[1:].islower():
        return False
    if not text[match.start() - 1].islower():
        return False
    return match.group() != "." or word.group().casefold() in rules.starters
