r"""Java's .properties: values are translated, keys and comments stay."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import partial

from s2s_zoo.data.text.formats.marked import Block, Marked, edged, line_of, marked
from s2s_zoo.protocol.errors import DataError

GOES_ON = r"\\(?:\r\n|\r|\n)[ \t\f]*+"
SPACE = rf"(?:{GOES_ON}|[ \t\f])*+"
ENTRY = re.compile(
    r"[ \t\f]*+(?:[#!][^\r\n]*+"
    rf"|(?:{GOES_ON}|[^\\\r\n=: \t\f]|\\(?:[^\r\n]|\Z))*+{SPACE}(?:[=:]{SPACE})?"
    rf"(?P<value>(?:{GOES_ON}|[^\\\r\n]|\\(?:[^\r\n]|\Z))*+))(?:\r\n|\r|\n|\Z)"
)
ESCAPE = re.compile(rf"{GOES_ON}|\\u([\da-fA-F]{{4}})|\\([^\r\n]?)")
BAD_ESCAPE = re.compile(r"(?:[^\\]|\\[^u]|\\u[\da-fA-F]{4})*+\\u", re.DOTALL)
LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
ESCAPED = {"\\": "\\\\", **{sign: f"\\{letter}" for letter, sign in LETTERS.items()}}
ARGUMENT = re.compile(r"\{\d+[,}]")  # of java.text.MessageFormat, where '' is an apostrophe
LONE_QUOTE = re.compile(r"(?<!')'(?!')")
PIECE = re.compile(r"(?:\\[^n]|[^\\ ])*+(?:\\n| +|$)")
WIDTH = 40  # a line that goes on is at least so long


def parse_properties(text: str) -> Marked:
    r"""Finds the values of a .properties file.

    A file that is ASCII stays ASCII: other characters are written as \uXXXX. A value with arguments
    such as {0} is one of Java's MessageFormat, which reads an apostrophe where two stand.

    Args:
        text: str, the file.

    Raises:
        DataError: for a \u without four digits; the message names the line.
    """
    return marked(text, _blocks(text), partial(_as_value, ascii=text.isascii()))


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    place = 0
    while place < len(text):
        match = ENTRY.match(text, place)
        if match is None:  # cannot be: every line is an entry
            break
        place = match.end()
        if raw := match["value"]:
            if bad := BAD_ESCAPE.match(raw):
                raise DataError(
                    f"Line {line_of(text, match.start('value') + bad.end())} of the properties: "
                    rf"expected four digits after \u. Received: {raw[bad.end() - 2 :][:20]!r}. "
                    r"Write \\u for a backslash."
                )
            if (value := _value(raw)) is not None:
                yield *match.span("value"), _read(value)
            else:
                warnings.warn(
                    f"Line {line_of(text, match.start())} of the properties holds half of a "
                    "surrogate pair and stays as it is.",
                    stacklevel=4,
                )


def _value(raw: str) -> str | None:
    """What a value says, or None where half of a surrogate pair is in it."""
    value = ESCAPE.sub(_character, raw)
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return LETTERS.get(match[2], match[2]) if match[2] else ""


def _is_message(value: str) -> bool:
    return bool(ARGUMENT.search(value)) and not LONE_QUOTE.search(value)


def _read(value: str) -> str:
    return value.replace("''", "'") if _is_message(value) else value


def _as_value(text: str, block: Block, ascii: bool) -> str:
    text = edged(text, block.text)
    if _is_message(_value(block.raw) or ""):
        text = text.replace("'", "''")
    value = re.sub(r"[\\\t\n\r\f]", lambda match: ESCAPED[match.group()], text)
    value = as_ascii(value) if ascii else value
    value = f"\\{value}" if value[:1] in (" ", "=", ":") else value
    return _in_lines(value, block.raw)


def as_ascii(text: str, encoding: str = "ascii") -> str:
    r"""Writes what an encoding does not have as \uXXXX."""
    parts = []
    for character in text:
        if len(character.encode(encoding, "ignore")):
            parts.append(character)
        else:
            units = character.encode("utf-16-be", "surrogatepass").hex()
            parts += [f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)]
    return "".join(parts)


def _in_lines(value: str, raw: str) -> str:
    """A value in lines as long as those it takes the place of, where there were several."""
    break_ = re.search(GOES_ON, raw)
    if not break_:
        return value
    width = max(WIDTH, *map(len, re.split(GOES_ON, raw)))
    at_ends = raw[: break_.start()].endswith("\\n")
    lines = [""]
    for piece in PIECE.findall(value):
        if lines[-1] and (
            len(lines[-1]) + len(piece) > width or at_ends and lines[-1].endswith("\\n")
        ):
            lines.append(f"\\{piece}" if piece.startswith(" ") else piece)
        else:
            lines[-1] += piece
    return break_.group().join(lines)
