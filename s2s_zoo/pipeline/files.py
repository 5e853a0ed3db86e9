"""Whole files: their text translated, the rest as it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s2s_zoo.data.text.formats import format_of, parse_file
from s2s_zoo.data.text.passages import prose_of
from s2s_zoo.protocol.errors import DataError, TextWarning
from s2s_zoo.protocol.types import StrPath
from s2s_zoo.protocol.written import written


def translate_file(
    pipeline: Callable[..., Any],
    path: StrPath,
    output: StrPath,
    format: str | None = None,
    retranslate: bool = False,
    **options: Any,
) -> None:
    """Translates the text of a file and writes all of it; what is no text stays to the byte.

    The output bears its name only when it is complete. It may be the file itself.

    Args:
        pipeline: a Pipeline for translation.
        path: str or path of the file.
        output: str or path of the file to write.
        format: str, of docs/documents.md, "text" for a plain text; None goes by the ending of
            `path`, and takes one that is not known for a plain text.
        retranslate: bool, of a PO or XLIFF file also what has a translation.
        **options: of a call of the pipeline.

    Raises:
        DataError: for a file that is not read, or is none of its format.
        ValueError: for an unknown format or option.
    """
    format = format or format_of(Path(path).name) or "text"
    data = Path(path).read_bytes()
    with written(output) as file:
        file.write(translate_bytes(pipeline, data, str(path), format, retranslate, **options))


def text_of_bytes(data: bytes, name: str, format: str) -> str:
    """What a person reads of a file: its paragraphs with a blank line between them.

    Args:
        data: bytes, the file.
        name: str, of the file, for errors.
        format: str, of docs/documents.md.

    Raises:
        DataError: for a file that is none of its format.
    """
    return prose_of(_parsed(data, name, format))


def translate_bytes(
    pipeline: Callable[..., Any],
    data: bytes,
    name: str,
    format: str,
    retranslate: bool = False,
    **options: Any,
) -> bytes:
    """Translates the text of a file that has been read.

    The warning of a result is a `TextWarning`, one for each, and stands in a PO or XLIFF file as
    a mark for its reader: see docs/documents.md.

    Args:
        pipeline: a Pipeline for translation.
        data: bytes, the file.
        name: str, of the file, for errors.
        format, retranslate, **options: as in `translate_file`.

    Returns:
        bytes, the file with its translation.
    """
    file = _parsed(data, name, format, retranslate)
    if not file.texts:
        warnings.warn(f"{name} has nothing to translate, and stays as it is.", stacklevel=3)
        return data
    markdown = {"markdown": True} if file.markdown else {}
    found = pipeline(file.texts, **{"return_scores": True, **markdown, **options})
    best = [one[0] if isinstance(one, list) else one for one in found]
    told = {i: one.warning for i, one in enumerate(best) if getattr(one, "warning", None)}
    for warning in dict.fromkeys(told.values()):
        warnings.warn(warning, TextWarning, stacklevel=3)
    return file.join([getattr(one, "text", one) for one in best], told)


def _parsed(data, name, format, retranslate=False):
    try:
        return parse_file(data, format, retranslate)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
