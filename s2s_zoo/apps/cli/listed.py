"""Captions of many images as a table, a page or JSON."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from s2s_zoo.data.images import is_address

STYLE = (
    "body{font-family:sans-serif;display:grid;gap:1em;"
    "grid-template-columns:repeat(auto-fill,minmax(16em,1fr))}"
    "figure{margin:0}img{width:100%}.unsure figcaption{color:#666;font-style:italic}"
)


class Captioned(NamedTuple):
    """An image with its caption.

    Attributes:
        file: str.
        caption: str.
        score: float from 0 to 1, the geometric mean of the probabilities of its tokens.
        sure: bool.
        marked: str, the caption, with a mark before it where the model is not sure.
    """

    file: str
    caption: str
    score: float
    sure: bool
    marked: str


def as_csv(rows: Iterable[Captioned], folder: Path) -> Iterator[str]:
    """A line for each image, with a head."""
    yield _csv_line(["file", "caption", "score", "sure"])
    for row in rows:
        sure = "yes" if row.sure else "no"
        yield _csv_line([row.file, row.caption, f"{row.score:.3f}", sure])


def as_json(rows: Iterable[Captioned], folder: Path) -> Iterator[str]:
    """A list of objects, each on a line."""
    before = "[\n"
    for row in rows:
        found = {
            "file": row.file,
            "caption": row.caption,
            "score": round(row.score, 3),
            "sure": row.sure,
        }
        yield before + json.dumps(found, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def as_html(rows: Iterable[Captioned], folder: Path) -> Iterator[str]:
    """A page of the images over their captions; `folder` is where it will stand."""
    yield '<!DOCTYPE html>\n<html>\n<meta charset="utf-8">\n<title>Captions</title>\n'
    yield f"<style>{STYLE}</style>\n"
    for row in rows:
        source, text = html.escape(_address(row.file, folder)), html.escape(row.marked)
        kind = "" if row.sure else ' class="unsure"'
        yield f'<figure{kind}><img src="{source}" alt="{text}" loading="lazy">'
        name = html.escape(Path(row.file).name)
        yield f'<figcaption title="{name}, {row.score:.2f}">{text}</figcaption></figure>\n'
    yield "</html>\n"


FORMATS: dict[str, Callable[[Iterable[Captioned], Path], Iterator[str]]] = {
    "csv": as_csv,
    "html": as_html,
    "json": as_json,
}


def _csv_line(values):
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _address(file, folder):
    """A file as a page in a folder names it."""
    if is_address(file):
        return file
    try:
        return quote(Path(os.path.relpath(file, folder)).as_posix(), errors="surrogateescape")
    except ValueError:  # on another drive
        return Path(file).absolute().as_uri()
