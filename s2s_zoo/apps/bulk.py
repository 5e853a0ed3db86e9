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
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from s2s_zoo.data.images import image_files
from s2s_zoo.protocol.errors import DataError, S2SZooError
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

FORMATS = ("parquet", "jsonl")
MANIFEST = "bulk.json"
Row: TypeAlias = dict[str, Any]


@functools.lru_cache(maxsize=1)
def loaded(model: str) -> Pipeline:
    """The pipeline of a checkpoint, kept in this process until another one is asked for."""
    from s2s_zoo.pipeline.loading import from_pretrained

    return from_pretrained(model)


class Writer:
    """Adds what a checkpoint writes to rows: a function that can be pickled and mapped.

    The checkpoint is loaded on the first call in each process, and kept.

    Args:
        model: str, what `from_pretrained` takes.
        column: str, where the source is: a text, or the path or the bytes of an image.
        output: str, the column to be added.
        **options: of the pipeline's call, such as `num_beams=1`.

    Call arguments:
        rows: list of dict.

    Returns:
        list of dict, in order: each row with `output`, a str, and `output`_error, None. Where a row
        has nothing that can be read, the first is None and the second says why; the others go on.

    Raises:
        DataError: for a row that already has one of the two columns.
    """

    def __init__(
        self, model: StrPath, column: str = "text", output: str = "output", **options: Any
    ) -> None:
        self.model, self.column, self.output, self.options = str(model), column, output, options
        self.error = f"{output}_error"

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        for row in rows:
            if taken := {self.output, self.error} & row.keys():
                raise DataError(
                    f"The rows already have a column {taken.pop()!r}. Name another one as output, "
                    "or take it away."
                )
        return [
            {**row, self.output: text, self.error: error}
            for row, (text, error) in zip(rows, self._answers(rows), strict=True)
        ]

    def _answers(self, rows):
        """(text, error) of each row: all at once where all of them can be used, else by parts."""
        try:
            sources = [row[self.column] for row in rows]
            texts = loaded(self.model)(sources, progress=False, **self.options)
            return [(text, None) for text in texts]
        except (S2SZooError, TypeError, KeyError) as error:
            if len(rows) > 1:
                half = len(rows) // 2
                return [*self._answers(rows[:half]), *self._answers(rows[half:])]
            if isinstance(error, KeyError):
                names = ", ".join(map(str, rows[0]))
                return [(None, f"no column {self.column!r}; there are: {names}")]
            return [(None, str(error))]


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
    as a column. It becomes one file of `output`, written aside and renamed, so what is there is
    whole; a shard that was cut off is done again.

    Args:
        writer: a `Writer`.
        inputs: list of files or folders: Parquet, JSON lines (.jsonl), other names text, one row
            for each line in a column of the writer's name. In a folder all files, where they are
            images, their paths.
        output: str or path, a folder.
        format: "jsonl" or "parquet".
        shard_size: int, in rows.
        actors: int, processes of Ray Data that hold a model each (`pip install 's2s-zoo[ray]'`), on
            all machines of the cluster that `RAY_ADDRESS` names; None works in this process.
        resume: bool, leave out the shards that are there.

    Yields:
        dict for each shard as it is done: "shard" (its file), "rows", "failed".

    Raises:
        DataError: for inputs that are not there, an output that holds something, or a job that is
            resumed with other inputs, options or shards.
    """
    if format not in FORMATS:
        raise DataError(f"Bulk output is one of {FORMATS}. Received: {format!r}.")
    if format == "parquet":
        _pyarrow()
    output = Path(output)
    shards = list(_shards(inputs, shard_size))
    job: dict[str, Any] = {
        "model": writer.model,
        "options": {"column": writer.column, "output": writer.output, **writer.options},
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
    if manifest.exists():
        if not resume:
            raise DataError(f"{output} holds a job. Go on with --resume, or name another folder.")
        if json.loads(manifest.read_text(encoding="utf-8")) != job:
            raise DataError(
                f"{output} holds a job with other inputs, options or shards. Resume with those it "
                "was started with, or name another folder."
            )
        return
    if output.exists() and any(output.iterdir()):
        raise DataError(f"{output} is not empty. Name a folder of its own.")
    output.mkdir(parents=True, exist_ok=True)
    aside = manifest.with_suffix(".part")
    aside.write_text(json.dumps(job), encoding="utf-8")
    os.replace(aside, manifest)


def _shards(inputs, size):
    """(path, first row, row after the last) of each shard."""
    if size < 1:
        raise DataError(f"A shard has at least one row. Received: shard_size={size}.")
    for path in map(Path, inputs):
        if not path.exists():
            raise DataError(f"{path} is not there. Name files or folders.")
        for file in _files(path):
            count = sum(1 for _ in _rows(file, None))
            for start in range(0, count, size):
                yield file, start, min(start + size, count)


def _files(path):
    """What holds rows: a file, a folder of images, or the files of another folder."""
    if not path.is_dir():
        return [path]
    try:
        image_files(path)
    except DataError:
        return sorted(file for file in path.iterdir() if file.is_file())
    return [path]


def _rows(path, column):
    """Every row of a file as a dict; what is no UTF-8 or no JSON is in the column "unreadable"."""
    if path.is_dir():
        yield from ({column: str(image)} for image in image_files(path))
    elif path.suffix == ".parquet":
        for batch in _pyarrow().parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    else:
        with path.open("rb") as file:
            for line in file:
                line = line.rstrip(b"\r\n")
                try:
                    row = json.loads(line) if path.suffix == ".jsonl" else {column: line.decode()}
                except ValueError:
                    row = None
                readable = isinstance(row, dict)
                yield row if readable else {"unreadable": line.decode("utf-8", "backslashreplace")}


def _pyarrow():
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise DataError("Parquet needs a package: pip install 's2s-zoo[ray]'") from error
    return pyarrow


def _work(writer, task):
    """Does one shard and returns what came of it."""
    path, start, stop, target = task
    rows = itertools.islice(_rows(Path(path), writer.column), start, stop)
    rows = [{"key": f"{path}:{i}", **row} for i, row in enumerate(rows, start)]
    done = writer(rows)
    target = Path(target)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    _save(done, aside, target.suffix)
    os.replace(aside, target)
    failed = sum(row[writer.error] is not None for row in done)
    return {"shard": str(target), "rows": len(done), "failed": failed}


def _save(rows, path, suffix):
    if suffix == ".parquet":
        pyarrow = _pyarrow()
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


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
