"""JSON: strings that are values are translated, keys and layout stay."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from functools import partial

from s2s_zoo.data.text.formats.marked import Block, Marked, edged, line_of, marked
from s2s_zoo.protocol.errors import DataError

TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|[{}\[\]]", re.DOTALL)
KEY = re.compile(r"[ \t\r\n]*:")
ESCAPE = re.compile(r"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u.{4}|\\.")
ESCAPED_LETTER = re.compile(r"\\u(?!00[0-7])[\da-fA-F]{4}")


def parse_json(text: str) -> Marked:
    r"""Finds the strings of a JSON file, but for keys and what stands under a key such as "@id".

    A key that starts with @ holds what is said about others, as in .arb files and JSON-LD. A file
    that writes letters as \uXXXX gets those of the translation so.

    Args:
        text: str, the file.

    Raises:
        DataError: for what is no JSON; the message names the line.
    """
    try:
        json.loads(text, parse_int=str)
    except json.JSONDecodeError as error:
        raise DataError(
            f"Line {error.lineno} of the JSON file, column {error.colno}: {error.msg}. Mend it; "
            "comments and commas before a closing bracket are no JSON."
        ) from error
    except RecursionError as error:
        raise DataError("The JSON file is nested too deep to be read. Part it.") from error
    ascii = text.isascii() and ESCAPED_LETTER.search(text) is not None
    return marked(text, _blocks(text), partial(_as_string, ascii=ascii))


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    about = 0  # how deep we are under a key that starts with @
    key = ""
    for match in TOKEN.finditer(text):
        token = match.group()
        if token in ("{", "["):
            about += bool(about or key.startswith("@"))
            key = ""
        elif token in ("}", "]"):
            about -= bool(about)
            key = ""
        elif KEY.match(text, match.end()):
            key = json.loads(token)
        elif not about and not key.startswith("@"):
            yield from _block(text, match)


def _block(text: str, match: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    value = json.loads(match.group())
    try:
        value.encode()
    except UnicodeEncodeError:
        warnings.warn(
            f"Line {line_of(text, match.start())} of the JSON file holds half of a surrogate pair "
            "and stays as it is.",
            stacklevel=5,
        )
    else:
        yield match.start() + 1, match.end() - 1, value


def _as_string(text: str, block: Block, ascii: bool) -> str:
    """A translation between quotes, with the escapes that its block has for the same characters."""
    own = {json.loads(f'"{escape}"'): escape for escape in ESCAPE.findall(block.raw)}
    return "".join(
        own.get(character) or json.dumps(character, ensure_ascii=ascii)[1:-1]
        for character in edged(text, block.text)
    )
