"""gettext's catalogs, .po and .pot: a msgstr that is empty is filled from its msgid."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from s2s_zoo.data.text.formats.marked import Block, Marked, edged, first_line_end, line_of, marked
from s2s_zoo.protocol.errors import DataError

TOKEN = re.compile(
    r"\s+|#[^\r\n]*|(?P<string>\"(?:[^\"\\\r\n]|\\[^\r\n])*+\")"
    r"|(?P<word>domain|msgctxt|msgid_plural|msgid|msgstr(?:\s*\[\s*(?P<form>\d{1,3})\s*\])?)"
)
STARTS = ("msgid", "msgctxt", "domain")
FOLLOWING = {  # what may stand after a keyword
    "": STARTS,
    "domain": STARTS,
    "msgctxt": ("msgid",),
    "msgid": ("msgstr", "msgid_plural"),
    "msgid_plural": ("msgstr[]",),
    "msgstr": STARTS,
    "msgstr[]": ("msgstr[]", *STARTS),
}
ESCAPE = re.compile(r"(?:\\(?:x[\da-fA-F]{1,2}|[0-7]{1,3}))+|\\.")
BYTE = re.compile(r"\\(?:x([\da-fA-F]+)|([0-7]+))")
LETTERS = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
ESCAPED = {'"': '\\"', "\\": "\\\\", **{sign: f"\\{letter}" for letter, sign in LETTERS.items()}}
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
KEYWORD = re.compile(r"msgctxt|msgid_plural|msgid|msgstr")
SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')


@dataclass
class _Field:
    """A keyword and its strings.

    Attributes:
        word: str, a key of `FOLLOWING`.
        form: int, the number of a plural form.
        place: int, where the keyword stands.
        start, end: int, where its first string starts and its last one ends.
        text: str, what they say.
    """

    word: str
    form: int
    place: int
    start: int = -1
    end: int = -1
    text: str = ""


def parse_po(text: str, retranslate: bool = False) -> Marked:
    """Finds the messages of a catalog that have no translation yet.

    Where a message has a plural, its first form is made of msgid and all others of msgid_plural,
    as is the only form of a language that has one. Comments, flags, contexts, obsolete entries,
    the header and all that has a translation, marked as fuzzy or not, stay. What a person should
    look at becomes fuzzy, so that programs show its source until then.

    Args:
        text: str, the file.
        retranslate: bool, translate what has a translation too.

    Raises:
        DataError: for what is no catalog; the message names the line.
    """
    file = marked(
        text, _blocks(text, retranslate), partial(_as_strings, line_end=first_line_end(text))
    )
    return replace(file, mark=_as_fuzzy)


def _blocks(text: str, retranslate: bool) -> Iterator[tuple[int, int, str]]:
    for entry in _entries(text):
        singular = entry["msgid"][0].text
        plural = entry["msgid_plural"][0].text if "msgid_plural" in entry else singular
        forms = [*entry.get("msgstr", []), *entry.get("msgstr[]", [])]
        for form in forms if singular else []:  # the entry of no msgid is the header
            if retranslate or not form.text:
                first = form.form == 0 and len(forms) > 1
                yield form.start, form.end, singular if first else plural


def _entries(text: str) -> Iterator[dict[str, list[_Field]]]:
    """Yields {keyword: its fields} of each message."""
    entry: dict[str, list[_Field]] = {}
    before = ""
    for field in _fields(text):
        if field.word not in FOLLOWING[before]:
            raise _wrong(text, field.place, f"after {before}" if before else "first", before)
        if field.word in STARTS and before != "msgctxt":
            if "msgid" in entry:
                yield entry
            entry = {}
        entry.setdefault(field.word, []).append(field)
        before = field.word
    if before not in ("", "domain", "msgstr", "msgstr[]"):
        raise _wrong(text, len(text), f"after {before}", before)
    if "msgid" in entry:
        yield entry


def _fields(text: str) -> Iterator[_Field]:
    field: _Field | None = None
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None or (match["word"] or match["string"]) and _unfinished(match, field):
            raise _wrong(text, place)
        if match["word"]:
            if field is not None:
                yield field
            form = match["form"]
            word = match["word"] if form is None else "msgstr[]"
            field = _Field(word, int(form or 0), place)
        elif match["string"] and field is not None:
            field.start = place if field.start < 0 else field.start
            field.end = match.end()
            field.text += _unescaped(match["string"][1:-1])
        place = match.end()
    if field is not None:
        if field.start < 0:
            raise _wrong(text, len(text))
        yield field


def _unfinished(match: re.Match[str], field: _Field | None) -> bool:
    """Whether a keyword follows one without a string, or a string follows no keyword."""
    if match["word"]:
        return field is not None and field.start < 0
    return field is None


def _wrong(text: str, place: int, where: str = "", before: str | None = None) -> DataError:
    wanted = 'a keyword such as msgid and a text in quotes, "…"'
    if before is not None:
        wanted = f"{' or '.join(FOLLOWING[before])} {where}"
    received = text[place : place + 40].split("\n")[0].rstrip() or "the end of the file"
    return DataError(
        f"Line {line_of(text, place)} of the PO file: expected {wanted}. Received: {received!r}. "
        "`msgfmt --check` finds such places; mend it."
    )


def _unescaped(string: str) -> str:
    return ESCAPE.sub(_character, string)


def _character(match: re.Match[str]) -> str:
    found = match.group()
    if codes := BYTE.findall(found):
        return bytes(int(x, 16) if x else int(o, 8) & 255 for x, o in codes).decode(
            "utf-8", "replace"
        )
    return LETTERS.get(found[1], found[1])


def _as_strings(text: str, block: Block, line_end: str) -> str:
    """A translation in quotes, each of its lines on one of its own."""
    text = edged(text, block.text)
    lines = [f'"{SPECIAL.sub(_escape, line)}"' for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    return lines[0] if len(lines) == 1 else line_end.join(['""', *lines])


def _escape(match: re.Match[str]) -> str:
    return ESCAPED.get(match.group(), f"\\{ord(match.group()):03o}")


def _as_fuzzy(file: str, places: list[int]) -> str:
    """A catalog with the flag "fuzzy" at the messages that have their translation at places."""
    lines = LINE.findall(file)
    starts: list[int] = []  # where messages start
    flags: list[int] = []  # the numbers of their lines of flags, or else of their first lines
    place, flag, before = 0, None, ""
    for i, line in enumerate(lines):
        content = line.lstrip()
        if content.startswith("#,"):
            flag = i
        elif keyword := KEYWORD.match(content):
            if keyword[0] == "msgctxt" or keyword[0] == "msgid" and before != "msgctxt":
                starts.append(place)
                flags.append(i if flag is None else flag)
            flag, before = None, keyword[0]
        elif not content or content.startswith("#~"):
            flag = None
        place += len(line)
    for number in {flags[k] for k in (bisect_right(starts, p) - 1 for p in places) if k >= 0}:
        line = lines[number]
        if not line.lstrip().startswith("#,"):
            lines[number] = f"#, fuzzy{first_line_end(file)}{line}"
        elif "fuzzy" not in line:
            lines[number] = line.replace("#,", "#, fuzzy,", 1)
    return "".join(lines)
