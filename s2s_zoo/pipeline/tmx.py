"""TMX 1.4, the format in which translators exchange their memories."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.version import __version__
from s2s_zoo.protocol.written import written

NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4">
<header creationtool="s2s_zoo" creationtoolversion="{version}" segtype="sentence" \
o-tmf="s2s_zoo" adminlang="en" srclang="{source}" datatype="plaintext"/>
<body>
"""
FOOTER = "</body>\n</tmx>\n"


class Unit(NamedTuple):
    """A sentence and its translation.

    Attributes:
        source, target: str.
        score: float or None.
        warning: str or None.
    """

    source: str
    target: str
    score: float | None = None
    warning: str | None = None


def write_tmx(path: Path, units: Iterable[Unit], source_language: str, target_language: str) -> int:
    """Writes units as they come, and returns their number.

    The file bears its name only once it is complete. Characters that XML does not have become
    U+FFFD, and a warning says how many units have some.

    Args:
        path: of the file.
        units: iterable of `Unit`.
        source_language, target_language: str.

    Raises:
        DataError: for what is no code of a language, or a file that cannot be written.
    """
    source, target = (_code(language) for language in (source_language, target_language))
    count = changed = 0
    try:
        with written(path) as file:
            file.write(HEADER.format(version=__version__, source=source).encode())
            for unit in units:
                file.write(_element(unit, source, target).encode())
                count += 1
                changed += bool(NOT_IN_XML.search(unit.source + unit.target))
            file.write(FOOTER.encode())
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}. Choose another path, or make "
            "room."
        ) from error
    if changed:
        warnings.warn(
            f"{changed} of {count} translations have characters that XML does not have, such as "
            f"control characters: in {path} they are U+FFFD.",
            stacklevel=3,
        )
    return count


def _element(unit: Unit, source: str, target: str) -> str:
    about = "" if unit.warning is None else f"<note>{_text(unit.warning)}</note>"
    if unit.score is not None:
        about += f'<prop type="x-score">{unit.score:.6g}</prop>'
    sides = ((source, unit.source), (target, unit.target))
    variants = "".join(
        f'<tuv xml:lang="{code}"><seg>{_text(text)}</seg></tuv>' for code, text in sides
    )
    return f"<tu>{about}{variants}</tu>\n"


def _text(text: str) -> str:
    return escape(NOT_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _code(language: str) -> str:
    """The code of a language as XML has it: "deu_Latn" is "deu-Latn"."""
    code = language.replace("_", "-")
    if not re.fullmatch(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", code):
        raise DataError(
            f"A TMX expected the code of a language, such as de or pt-BR. Received: {language!r}."
        )
    return code
