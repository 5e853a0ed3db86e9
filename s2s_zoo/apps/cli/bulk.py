"""The command `s2s-zoo bulk`."""

from __future__ import annotations

from typing import Any

from s2s_zoo.apps import bulk
from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import NAME, add_engine, engine_options, positive
from s2s_zoo.protocol.errors import DataError


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("bulk", help="add a column to Parquet, JSON lines, CSV, text, …")
    command.set_defaults(command=_bulk)
    add = command.add_argument
    inputs = "files or folders; also of images, recordings; hf://datasets/NAME"
    add("input", nargs="+", metavar="FILE", help=inputs)
    add("--model", required=True, metavar="NAME", help=NAME)
    add("--output", required=True, metavar="DIR", help="a folder, for a file of each shard")
    add("--format", choices=bulk.FORMATS, default="jsonl")
    add("--column", default="text", metavar="NAME", help="where the source is; default: text")
    add("--output-column", default="output", metavar="NAME", help="default: output")
    add("--shard-size", type=positive, default=10_000, metavar="ROWS", help="default: 10000")
    add("--actors", type=positive, metavar="N", help="processes (pip install 's2s-zoo[ray]')")
    add("--resume", action="store_true", help="leave out the shards that are there")
    add("--language", metavar="NAME", help="what is spoken in all recordings")
    add("--translate", action="store_true", help="write English, whatever is spoken")
    add_engine(command)
    add_search_options(command)


def _bulk(arguments):
    options, engine = search_options(arguments), engine_options(arguments)
    options |= {"language": arguments.language} if arguments.language else {}
    options |= {"task": "translate"} if arguments.translate else {}
    if options and not arguments.actors:  # which load a model of their own
        check_search(arguments, bulk.loaded(arguments.model, **engine), options)
    columns = arguments.column, arguments.output_column
    writer = bulk.Writer(arguments.model, *columns, **engine, **options)
    rows = failed = 0
    for shard in bulk.run(
        writer,
        arguments.input,
        arguments.output,
        arguments.format,
        arguments.shard_size,
        arguments.actors,
        arguments.resume,
    ):
        rows, failed = rows + shard["rows"], failed + shard["failed"]
        print(f"{shard['shard']}: {shard['rows']} rows, {shard['failed']} failed", flush=True)
    print(f"{rows} rows, {failed} failed" + (f": {writer.error} says why" if failed else ""))
    if rows and failed == rows:
        raise DataError(f"None of the rows could be used. Look at {writer.error}, or --column.")
