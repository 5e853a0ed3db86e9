"""Files in which text stands between what is none: pages, subtitles, office documents."""

from __future__ import annotations

from collections.abc import Callable

from s2s_zoo.data.text.formats.hypertext import parse_html
from s2s_zoo.data.text.formats.markdown import parse_markdown
from s2s_zoo.data.text.formats.marked import Marked
from s2s_zoo.data.text.formats.packed import PARTS, Packed, parse_packed
from s2s_zoo.data.text.formats.subtitles import parse_subtitles

FORMATS: dict[str, Callable[[str], Marked]] = {
    "html": parse_html,
    "markdown": parse_markdown,
    "srt": parse_subtitles,
    "vtt": parse_subtitles,
}
ENDINGS = {"htm": "html", "xhtml": "html", "md": "markdown"}

__all__ = ["FORMATS", "PARTS", "Marked", "Packed", "format_of", "parse", "parse_packed"]


def format_of(name: str) -> str | None:
    """The format that the ending of a file's name stands for, or None."""
    ending = name.rpartition(".")[2].casefold()
    return ENDINGS.get(ending, ending if ending in (*FORMATS, *PARTS) else None)


def parse(text: str, format: str) -> Marked:
    """Parts the text of a file into blocks to translate and what stands around them.

    Args:
        text: str, the whole file.
        format: str, a key of `FORMATS`.

    Raises:
        ValueError: for an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(f"Expected one of {', '.join(FORMATS)}. Received: format={format!r}.")
    return FORMATS[format](text)
