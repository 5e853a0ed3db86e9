"""Rows of files: Parquet, JSON lines, tables and text in, Parquet and JSON lines out.

Whatever stands in one row, the rows beside it are read and written.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from s2s_zoo.data.hub_datasets import hub_rows, is_address
from s2s_zoo.data.images import FORMATS, image_files
from s2s_zoo.data.lines import BYTE_ORDER_MARK, PACKED, UTF_16, kind_of, opened
from s2s_zoo.data.sound import ENDINGS as SOUND_ENDINGS
from s2s_zoo.data.sound import sound_files
from s2s_zoo.data.tables import csv_rows, tsv_rows
from s2s_zoo.data.tmx import tmx_rows
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

Row: TypeAlias = dict[str, Any]

IMAGE_ENDINGS = tuple(ending for kind in FORMATS.values() for ending in kind)
UNREADABLE = "unreadable"  # the column of what a line was that is no row
UNPACK = f"Unpack it first: text and JSON may be packed as {', '.join(PACKED)}, Parquet not at all"
REFUSED = {
    **dict.fromkeys((".zip", ".zst", ".lz4", ".7z", ".rar", ".tar", ".tgz", ".parquet"), UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "Save the sheet as CSV in UTF-8"),
    **dict.fromkeys((".arrow", ".feather"), "Save it as Parquet"),
    **dict.fromkeys(
        (".po", ".xliff", ".xlf", ".sdlxliff"),
        "Save it as TMX; `s2s-zoo translate --input` translates most of them as they are",
    ),
}
DEEPEST = 100  # lists and objects in one another; Python's reader and writer end at about 1,000
JSON_LINES = (".jsonl", ".ndjson")
JSON = (*JSON_LINES, ".json")


def files_of_rows(data: StrPath) -> Sequence[StrPath]:
    """What holds rows: a file, a folder of images or of recordings, or the files of another one.

    The name of a data set of the Hub is one by itself.

    In a folder names that begin with a dot or an underscore are nobody's data, as for Spark.

    Raises:
        DataError: for a folder of images and recordings, or one that is not there.
    """
    if is_address(data):
        return [data]
    path = Path(data)
    if not path.exists():
        raise DataError(f"{path} is not there. Name files or folders.")
    if not path.is_dir() or _media(path):
        return [path]
    return sorted(x for x in path.iterdir() if x.is_file() and x.name[0] not in "._")


def _media(path):
    """The images or the recordings in a folder, or the only one that a file is; perhaps none."""
    if not path.is_dir():
        return [path] if path.suffix.lower() in (*IMAGE_ENDINGS, *SOUND_ENDINGS) else []
    found = {}
    for kind, files in (("images", image_files), ("recordings", sound_files)):
        with contextlib.suppress(DataError):
            found[kind] = files(path)
    if len(found) > 1:
        counts = " and ".join(f"{len(files)} {kind}" for kind, files in found.items())
        raise DataError(f"{path} holds {counts}. Name the files of one kind, such as {path}/*.mp3.")
    return next(iter(found.values()), [])


def read_rows(data: StrPath, column: str) -> Iterator[Row]:
    """Yields every row of a file as a dict.

    Args:
        data: the path of Parquet, JSON lines (.jsonl), a JSON list of objects (.json), CSV or TSV
            with a header, a translation memory (.tmx) with a column for each language, an image, a
            recording or a folder of them, other names text; all but Parquet may be packed (.gz,
            .bz2, .xz). Or the name of a data set of the Hub, as for `read_pairs`.
        column: str, where the line of a text and the path of an image or a recording is.

    A line that is no UTF-8, no JSON object, nested deeper than `DEEPEST`, or has more or fewer
    cells than the header is in the column "unreadable".

    Raises:
        DataError: for a file that is damaged, or packed otherwise.
    """
    if is_address(data):
        yield from map(dict, hub_rows(data))
        return
    path = Path(data)
    packing, kind = kind_of(path)
    if media := _media(path):
        yield from ({column: str(file)} for file in media)
    elif kind == ".parquet" and not packing:
        yield from _parquet_rows(path)
    elif kind == ".csv":
        yield from _rows_of_table(csv_rows(path), path)
    elif kind == ".tsv" and len(next(tsv_rows(path), (1, ()))[1]) > 1:
        yield from _rows_of_table(tsv_rows(path), path)
    elif kind == ".tmx":
        yield from tmx_rows(path)
    elif kind == ".json" and _is_list(path):
        yield from _listed(path)
    else:
        refuse(path)
        with opened(path) as file:
            yield from _lines(file, path, kind in JSON, column)


def refuse(path: StrPath) -> None:
    """Raises DataError for a file of a kind that is known and not read, with the remedy."""
    if remedy := REFUSED.get(kind_of(path)[1]):
        raise DataError(f"{path} cannot be read as it is. {remedy}.")


def _is_list(path: Path) -> bool:
    """Whether a file of JSON is one list; elsewhere there is an object in each line."""
    with opened(path) as file:
        return file.read(1024).removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"["


def _listed(path: Path) -> Iterator[Row]:
    with opened(path) as file:
        text = file.read().removeprefix(BYTE_ORDER_MARK)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no list in JSON: {error}. Get the file again.") from error
    for row in rows:
        text = _line(row) if isinstance(row, dict | list) else str(row).encode()
        yield row if isinstance(row, dict) and _is_flat(row, text) else {UNREADABLE: text.decode()}


def _lines(file: BinaryIO, path: Path, is_json: bool, column: str) -> Iterator[Row]:
    for number, line in enumerate(file):
        if number == 0:
            if line.startswith(UTF_16):
                raise DataError(f"{path} is UTF-16, not UTF-8. Convert it: `iconv -f UTF-16`.")
            line = line.removeprefix(BYTE_ORDER_MARK)
        line = line.rstrip(b"\r\n")
        try:
            row = json.loads(line) if is_json else {column: line.decode()}
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and (not is_json or _is_flat(row, line)):
            yield row
        else:
            yield {UNREADABLE: line.decode("utf-8", "backslashreplace")}


def _rows_of_table(rows: Iterator[tuple[int, list[str]]], path: Path) -> Iterator[Row]:
    _, header = next(rows, (1, []))
    if twice := [name for name in header if header.count(name) > 1]:
        raise DataError(f"{path} has the column {twice[0]!r} twice. Give one another name.")
    for _, cells in rows:
        if len(cells) == len(header):
            yield dict(zip(header, cells, strict=True))
        elif any(cells):
            yield {UNREADABLE: ",".join(cells)}


def _is_flat(value: Any, line: bytes) -> bool:
    """Whether nothing in what a line says is nested too deep to be written again."""
    if line.count(b"[") + line.count(b"{") <= DEEPEST:
        return True
    level = [value]
    for _ in range(DEEPEST):
        level = [x for item in level for x in _parts(item)]
        if not level:
            return True
    return False


def _parts(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _parquet_rows(path: Path) -> Iterator[Row]:
    pyarrow = require_pyarrow()
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is no readable Parquet: {reason} Get the file again.") from error


def write_rows(rows: Iterable[Row], path: Path, texts: Collection[str] = ()) -> None:
    """Writes rows to a new file, Parquet or JSON lines as its name says, all the way to the disk.

    JSON has no NaN and no infinity: null stands for them. What it has no kind for is text, bytes
    in base64. Half of a surrogate pair is an escape, in Parquet with its backslash. A column that
    Arrow has no kind for is JSON in Parquet.

    Args:
        rows: list of dict.
        path: the file.
        texts: columns that are text, also where none of these rows has one.
    """
    with path.open("wb") as file:
        if path.suffix == ".parquet":
            _write_parquet(rows, file, texts)
        else:
            file.writelines(_line(row) + b"\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def _line(row: Any) -> bytes:
    """JSON in UTF-8, whatever is in the row."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        row = _without_nan(row)
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(row, allow_nan=False, default=_plain).encode("ascii")


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_parquet(rows, file, texts):
    pyarrow = require_pyarrow()
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {
        _unicode(name): _column([row.get(name) for row in rows], pyarrow, name in texts)
        for name in names
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _column(values, pyarrow, is_text):
    if is_text:
        return pyarrow.array(map(_unicode, values), pyarrow.string())
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, UnicodeEncodeError, OverflowError):
        pass
    if all(value is None or isinstance(value, str) for value in values):
        return pyarrow.array(map(_unicode, values), pyarrow.string())
    as_json = [None if value is None else _line(value).decode() for value in values]
    return pyarrow.array(as_json, pyarrow.string())


def _unicode(text):
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def require_pyarrow() -> Any:
    """The package that Parquet needs.

    Raises:
        DataError: where it is not installed.
    """
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise DataError("Parquet needs a package: pip install 's2s-zoo[ray]'") from error
    return pyarrow
