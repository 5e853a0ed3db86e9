"""Whole corpora: rows in, the same rows with a text more out, in shards that can be resumed.

`Writer` is the plain function of rows that Spark, Beam or anything else can map; `run` maps it over
files, here or in the actors of Ray Data.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s2s_zoo.data.rows import Row, files_of_rows, read_rows, require_pyarrow, write_rows
from s2s_zoo.protocol.errors import DataError, S2SZooError, is_failure
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

FORMATS = ("parquet", "jsonl")
MANIFEST = "bulk.json"
KEY = "key"  # the column of a shard that says where a row was
# What a model has no reason to fail with, by what it reads.
FAULTLESS: dict[str, Any] = {
    "text": "a",
    "image": np.zeros((32, 32, 3), "uint8"),
    "audio": (np.zeros(1600, "float32"), 16000),
}
OF_ROWS = (S2SZooError, TypeError)  # errors that a row alone is the reason of


@functools.lru_cache(maxsize=1)
def loaded(model: str, engine: str = "keras", dtype: str | None = None) -> Pipeline:
    """The pipeline of a checkpoint, kept in this process until another one is asked for."""
    from s2s_zoo.pipeline.loading import from_pretrained

    return from_pretrained(model, dtype=dtype, engine=engine)


class Writer:
    """Adds what a checkpoint writes to rows: a function that can be pickled and mapped.

    The checkpoint is loaded on the first call in each process, and kept.

    Args:
        model: str, what `from_pretrained` takes.
        column: str, where the source is: a text, or the path or the bytes of an image or a
            recording.
        output: str, the column to be added.
        engine, dtype: str, as `from_pretrained` takes them.
        **options: of the pipeline's call, such as `num_beams=1`.

    Call arguments:
        rows: list of dict.

    Returns:
        list of dict, in order: each row with `output`, a str, and `output`_error, None. Where a row
        cannot be used, the first is None and the second says why; the others go on.

    Raises:
        DataError: for a row that already has one of the two columns.
        ValueError: for an option that does not fit the checkpoint. What fails with every row, such
            as a device that is gone, is no row's fault and is raised too.
    """

    def __init__(
        self,
        model: StrPath,
        column: str = "text",
        output: str = "output",
        engine: str = "keras",
        dtype: str | None = None,
        **options: Any,
    ) -> None:
        self.model, self.column, self.output, self.options = str(model), column, output, options
        self.engine = {} if engine == "keras" else {"engine": engine}
        if dtype is not None:
            self.engine["dtype"] = dtype
        self.error = f"{output}_error"

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        for row in rows:
            self.check_columns(row, "The rows already have")
        pipeline = loaded(self.model, **self.engine)
        pipeline([], progress=False, **self.options)
        answers = self._answers(pipeline, rows)
        for _, error in answers:
            if error is not None and not isinstance(error, OF_ROWS):
                self._check_works(pipeline, error)
                break
        return [
            {**row, self.output: text, self.error: _reason(error)}
            for row, (text, error) in zip(rows, answers, strict=True)
        ]

    def check_columns(self, row: Row, who: str) -> None:
        """Raises DataError where a row has a column that is to be added."""
        if taken := {self.output, self.error} & row.keys():
            raise DataError(
                f"{who} a column {taken.pop()!r}. Name another one as output, or take it away."
            )

    def _answers(self, pipeline, rows):
        """(text, error) of each row: all at once where all of them can be used, else by parts."""
        try:
            sources = [self._source(row) for row in rows]
            return [(text, None) for text in pipeline(sources, progress=False, **self.options)]
        except BaseException as error:
            if not is_failure(error):
                raise
            if len(rows) > 1:
                half = len(rows) // 2
                parts = rows[:half], rows[half:]
                return [answer for part in parts for answer in self._answers(pipeline, part)]
            return [(None, error)]

    def _source(self, row):
        if self.column not in row:
            names = ", ".join(map(str, row))
            raise DataError(f"no column {self.column!r}; there are: {names}")
        return row[self.column]

    def _check_works(self, pipeline, error):
        """Raises an error of a row again where what has no fault fails as well."""
        source = FAULTLESS[pipeline.processor.reads]
        try:
            pipeline([source], progress=False, **self.options)
        except BaseException:
            raise error from None


def _reason(error):
    """What a row says of its error: one that has no words for users, with its kind."""
    if error is None or isinstance(error, OF_ROWS):
        return None if error is None else str(error)
    return f"{type(error).__name__}: {error}"


def run(
    writer: Writer,
    inputs: Iterable[StrPath],
    output: StrPath,
    format: Literal["jsonl", "parquet"] = "jsonl",
    shard_size: int = 10_000,
    actors: int | None = None,
    resume: bool = False,
) -> Iterator[dict[str, Any]]:
    """Maps a `Writer` over files, shard by shard.

    A shard is the next `shard_size` rows of a file, with their order and `key`, "FILE:ROW" from 0,
    as a column; a column of that name in the file becomes `input_key`. It becomes one file of
    `output`, written aside and renamed, so what is there is whole; a shard that was cut off is
    done again.

    Args:
        writer: a `Writer`.
        inputs: list of files or folders: Parquet, JSON lines (.jsonl), CSV and TSV with a header,
            translation memories (.tmx) with a column for each language, other names text, one row
            for each line in a column of the writer's name; all but Parquet also as .gz, .bz2, .xz.
            Of an image or a recording its path; in a folder all files, of images or recordings
            their paths. Also names of data sets of the Hub, as for `read_pairs`.
        output: str or path, a folder.
        format: "jsonl" or "parquet"; for what a row has and the format has not, see `write_rows`.
        shard_size: int, in rows.
        actors: int, processes of Ray Data that hold a model each (`pip install 's2s-zoo[ray]'`), on
            all machines of the cluster that `RAY_ADDRESS` names; None works in this process.
        resume: bool, leave out the shards that are there.

    Yields:
        dict for each shard as it is done: "shard" (its file), "rows", "failed".

    Raises:
        DataError: before any work, for inputs that are not there, are damaged or already have the
            column, an output that holds something, or a job that is resumed with other inputs,
            options or shards.
    """
    if format not in FORMATS:
        raise DataError(f"Bulk output is one of {FORMATS}. Received: {format!r}.")
    if format == "parquet":
        require_pyarrow()
    output = Path(output)
    shards = list(_shards(writer, inputs, shard_size))
    job: dict[str, Any] = {
        "model": writer.model,
        "options": {"column": writer.column, "output": writer.output}
        | writer.engine
        | writer.options,
        "shards": [[str(path), start, stop] for path, start, stop in shards],
        "format": format,
    }
    _claim(output, job, resume)
    tasks = [
        (str(path), start, stop, str(output / f"part-{i:05d}.{format}"))
        for i, (path, start, stop) in enumerate(shards)
    ]
    todo = [task for task in tasks if not Path(task[-1]).exists()]
    if actors is None:
        return (_work(writer, task) for task in todo)
    return _on_ray(writer, todo, actors)


def _claim(output, job, resume):
    """Makes the folder of a job, or finds that it is this job that is going on there."""
    manifest = output / MANIFEST
    aside = manifest.with_suffix(".part")
    if manifest.exists():
        if not resume:
            raise DataError(f"{output} holds a job. Go on with --resume, or name another folder.")
        try:
            begun = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(
                f"{manifest} is damaged: it says what job this is. Name another folder."
            ) from error
        if begun != job:
            raise DataError(
                f"{output} holds a job with other inputs, options or shards. Resume with those it "
                "was started with, or name another folder."
            )
        for cut_off in output.glob(".part-*"):
            cut_off.unlink()
        return
    if output.exists() and any(path != aside for path in output.iterdir()):
        raise DataError(f"{output} is not empty. Name a folder of its own.")
    output.mkdir(parents=True, exist_ok=True)
    aside.write_text(json.dumps(job), encoding="utf-8")
    os.replace(aside, manifest)


def _shards(writer, inputs, size):
    """(path, first row, row after the last) of each shard."""
    if size < 1:
        raise DataError(f"A shard has at least one row. Received: shard_size={size}.")
    for data in inputs:
        for file in files_of_rows(data):
            if Path(file).name == MANIFEST:  # of a job whose shards are read again
                continue
            count = 0
            for row in read_rows(file, writer.column):
                writer.check_columns(row, f"{file}, row {count}, already has")
                count += 1
            for start in range(0, count, size):
                yield file, start, min(start + size, count)


def _work(writer, task):
    """Does one shard and returns what came of it."""
    path, start, stop, target = task
    rows = itertools.islice(read_rows(path, writer.column), start, stop)
    done = writer([_with_key(row, f"{path}:{i}") for i, row in enumerate(rows, start)])
    target = Path(target)
    aside = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        write_rows(done, aside, (KEY, writer.output, writer.error))
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    failed = sum(row[writer.error] is not None for row in done)
    return {"shard": str(target), "rows": len(done), "failed": failed}


def _with_key(row, key):
    """A row with its key, its own column of that name under another one."""
    if KEY in row:
        name = f"input_{KEY}"
        while name in row:
            name = f"input_{name}"
        row = {name if column == KEY else column: value for column, value in row.items()}
    return {KEY: key, **row}


class _Actor:
    """A process of Ray that holds the model."""

    def __init__(self, writer):
        self.writer = writer

    def __call__(self, task):
        return _work(self.writer, [task[name] for name in ("path", "start", "stop", "target")])


def _on_ray(writer, tasks, actors):
    try:
        import ray
    except ModuleNotFoundError as error:
        raise DataError("actors=… needs Ray: pip install 's2s-zoo[ray]'") from error
    if not tasks:
        return
    names = ("path", "start", "stop", "target")
    items = [dict(zip(names, task, strict=True)) for task in tasks]
    shards = ray.data.from_items(items, override_num_blocks=len(items))
    done = shards.map(
        _Actor,
        fn_constructor_args=(writer,),
        compute=ray.data.ActorPoolStrategy(size=actors),
    )
    yield from done.iter_rows()
