"""Sentence pairs from whatever holds them: files, tables, data sets."""

import os
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import Any, TypeAlias

from s2s_zoo.data.columns import Columns, choose, pairs_of_rows, text_of
from s2s_zoo.data.hub_datasets import DATASETS, hub_rows, is_address
from s2s_zoo.data.lines import kind_of, read_lines
from s2s_zoo.data.rows import JSON, UNREADABLE, read_rows, refuse
from s2s_zoo.data.tables import table_pairs
from s2s_zoo.data.tmx import tmx_rows
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

PairSource: TypeAlias = StrPath | Iterable[Any]  # what `read_pairs` accepts


def read_pairs(
    data: PairSource, swap: bool = False, columns: Columns | None = None
) -> list[tuple[str, str]]:
    """Reads (source, target) pairs, skipping those with a blank side.

    Args:
        data: the path of a file by its name: CSV (.csv), JSON lines (.jsonl) or a JSON list of
            objects (.json), Parquet (.parquet), a translation memory (.tmx), any other a TSV with
            the source in the first column and the target in the second, further columns ignored;
            all but Parquet may be packed (.gz, .bz2, .xz). Or a tuple of two paths, line n of the
            one being the translation of line n of the other. Or the name of a data set of the Hub,
            where the package `datasets` is installed:
            `hf://datasets/organization/name[@revision][/configuration][:split]`. Or an iterable of
            (source, target) strings or of dicts, a dict of columns, an array (N, 2), a frame of
            pandas or polars, a table of Arrow, a data set of Hugging Face `datasets`, with
            {"translation": {"de": …, "en": …}} too, or a `tf.data.Dataset` of such strings.
        swap: bool, exchange source and target.
        columns: (source, target), the names of the columns, or the languages of a translation
            memory. None takes those that data sets commonly have, two languages, or the only two
            there are, and says which on standard error, once.

    Returns:
        list of (source, target).

    Raises:
        DataError: if a file or a row cannot be used, a column is missing, parallel files differ in
            length, or no pair is left.
    """
    pairs, blank = [], 0
    for source, target in iterate_pairs(data, swap, columns):
        if source and not source.isspace() and target and not target.isspace():
            pairs.append((source, target))
        else:
            blank += 1
    if not pairs:
        raise DataError(
            f"{_name(data)} holds no sentence pair ({blank} blank). "
            "Give at least one pair with text on both sides."
        )
    if blank:
        warnings.warn(
            f"Skipped {blank} of {blank + len(pairs)} pairs in {_name(data)}: "
            "the source or the target is blank.",
            stacklevel=2,
        )
    return pairs


def iterate_pairs(
    data: PairSource, swap: bool = False, columns: Columns | None = None
) -> Iterator[tuple[str, str]]:
    """Yields all pairs of what `read_pairs` reads, blank ones too, one at a time."""
    if is_address(data):
        pairs = pairs_of_rows(hub_rows(data), columns, data)
    elif isinstance(data, str | os.PathLike):
        pairs = _of_file(data, columns)
    elif _is_two_paths(data):
        pairs = _parallel(*data)
    else:
        pairs = _of_object(data, columns)
    for source, target in pairs:
        yield (target, source) if swap else (source, target)


def _of_file(path, columns):
    if os.path.isdir(path):
        raise DataError(
            f"{path} cannot be read: Is a directory. Expected a file of pairs. What `datasets` has "
            "saved is read by read_pairs(datasets.load_from_disk(folder)), or its split."
        )
    _, kind = kind_of(path)
    if not kind and not os.path.exists(path):
        raise DataError(
            f"There is no file {path}. A data set of the Hub is called {DATASETS}organization/name."
        )
    if kind in JSON or kind == ".parquet":
        return pairs_of_rows(_readable(path), columns, str(path))
    refuse(path)
    if kind == ".tmx":
        return pairs_of_rows(tmx_rows(path), columns, str(path), may_lack=True)
    return table_pairs(path, columns, kind == ".csv")


def _readable(path):
    for number, row in enumerate(read_rows(path, ""), 1):
        if UNREADABLE in row:
            if not row[UNREADABLE].strip():
                continue
            raise DataError(
                f"{path}, line {number}: expected a JSON object in UTF-8. "
                f"Received: {row[UNREADABLE]!r:.80}. Correct the line or remove it."
            )
        yield row


def _of_object(data, columns):
    """Pairs of an object, by the package it is of, which is imported where there is one."""
    package = type(data).__module__.partition(".")[0]
    name = f"the {type(data).__name__}"
    if isinstance(data, dict) and (rows := _rows_of_columns(data, name)) is not None:
        return pairs_of_rows(rows, columns, name)
    if isinstance(data, dict):  # a DatasetDict is one too
        raise DataError(
            f"Expected pairs. Received: a {type(data).__name__} of {', '.join(map(str, data))}. "
            f"Choose one, such as data[{next(iter(data), 'train')!r}]."
        )
    if package == "polars" and hasattr(data, "collect"):
        data = data.collect()
    if package in ("pandas", "polars") and hasattr(data, "columns"):
        keys = {str(key): key for key in data.columns}
        chosen = choose(list(map(str, data.columns)), columns, name)
        texts = [data[keys[column]] for column in chosen]
        return (
            tuple(text_of(x, column, name, n) for x, column in zip(pair, chosen, strict=True))
            for n, pair in enumerate(zip(*texts, strict=True), 1)
        )
    if package == "pyarrow" and hasattr(data, "to_batches"):
        data = chain.from_iterable(batch.to_pylist() for batch in data.to_batches())
    elif package == "numpy" and hasattr(data, "tolist"):
        data = data.tolist()
    elif package == "tensorflow" and hasattr(data, "as_numpy_iterator"):
        data = (_from_tensors(x, n) for n, x in enumerate(data.as_numpy_iterator(), 1))
    elif not hasattr(data, "__iter__"):
        raise DataError(f"Expected a path, a tuple of two paths, or pairs. Received: {data!r:.80}.")
    rows = iter(data)
    first = next(rows, None)
    if isinstance(first, dict):
        where = name if package in ("datasets", "pyarrow", "tensorflow") else "the list"
        return pairs_of_rows(chain([first], rows), columns, where)
    return _checked(rows if first is None else chain([first], rows))


def _rows_of_columns(data, name):
    """Rows of a dict of columns, as `datasets` gives for dataset[:100]; None of any other dict."""
    sides = [x.tolist() if hasattr(x, "tolist") else x for x in data.values()]
    if not all(isinstance(side, list | tuple) for side in sides):
        return None
    if not any(isinstance(text, str) for side in sides for text in side[:1]):
        return None
    if len({len(side) for side in sides}) > 1:
        told = ", ".join(f"{key} {len(side)}" for key, side in zip(data, sides, strict=True))
        raise DataError(f"{name} has columns of different lengths: {told}. Make them alike.")
    return (dict(zip(data, cells, strict=True)) for cells in zip(*sides, strict=True))


def _from_tensors(element, number):
    if not isinstance(element, tuple):
        return element
    return [text_of(x, str(side), "the data set", number) for side, x in enumerate(element)]


def _parallel(source_path, target_path):
    counts = [0, 0]
    for pair in zip_longest(read_lines(source_path), read_lines(target_path)):
        for side, line in enumerate(pair):
            counts[side] += line is not None
        if counts[0] == counts[1]:
            yield pair
    if counts[0] != counts[1]:
        raise DataError(
            f"{source_path} has {counts[0]} lines and {target_path} has {counts[1]}. "
            "Parallel files need line n of the one to translate line n of the other."
        )


def _checked(data):
    for index, pair in enumerate(data):
        if (
            not isinstance(pair, tuple | list)
            or len(pair) != 2
            or not all(isinstance(text, str) for text in pair)
        ):
            raise DataError(
                f"Pair {index} of the list: expected (source, target), two strings. "
                f"Received: {pair!r:.80}. Two parallel files are given as a tuple of two paths."
            )
        yield tuple(pair)


def _is_two_paths(data):
    return (
        isinstance(data, tuple)
        and len(data) == 2
        and all(isinstance(path, str | os.PathLike) for path in data)
    )


def _name(data):
    if isinstance(data, str | os.PathLike):
        return str(data)
    return " and ".join(map(str, data)) if _is_two_paths(data) else "the list"
