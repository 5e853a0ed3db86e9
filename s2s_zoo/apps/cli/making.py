"""The commands that make something of a checkpoint: `s2s-zoo average | shortlist | export`."""

from __future__ import annotations

from typing import Any

from s2s_zoo.apps.cli.search import add_search_options, search_options
from s2s_zoo.apps.cli.shared import NAME, add_pairs, load, positive
from s2s_zoo.protocol.errors import CheckpointError


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the command line."""
    command = commands.add_parser("average", help="one checkpoint with the mean of the weights")
    command.set_defaults(command=_average)
    command.add_argument("name", nargs="+", metavar="NAME", help=NAME)
    command.add_argument("--output", required=True, metavar="DIR", help="the checkpoint to write")

    command = commands.add_parser("shortlist", help="one checkpoint that searches in a shortlist")
    command.set_defaults(command=_shortlist)
    command.add_argument("--model", required=True, metavar="NAME", help=NAME)
    add_pairs(command, "the pairs of the training")
    command.add_argument("--per-source", type=positive, default=20, metavar="N", help="default: 20")
    command.add_argument("--frequent", type=positive, default=400, metavar="N", help="default: 400")
    command.add_argument("--output", required=True, metavar="DIR", help="the checkpoint to write")

    command = commands.add_parser("export", help="write a model that runs without this package")
    command.set_defaults(command=_export)
    command.add_argument("--model", required=True, metavar="NAME", help=NAME)
    command.add_argument(
        "--format", default="saved_model", help="saved_model (default), onnx, litert, ctranslate2"
    )
    command.add_argument("--quantization", help="of ctranslate2: int8, int8_float32, float16, …")
    command.add_argument("directory", metavar="DIR", help="absent or empty")
    add_search_options(command, "num_return")


def _average(arguments):
    from s2s_zoo.pipeline.ensembling import average_checkpoints

    average_checkpoints(arguments.name, arguments.output)
    print(arguments.output)


def _shortlist(arguments):
    from s2s_zoo.data import read_pairs

    pairs = read_pairs(arguments.data, arguments.swap, arguments.columns)
    pipeline = load(arguments.model)
    sizes = {"per_source": arguments.per_source, "frequent": arguments.frequent}
    try:
        pipeline.build_shortlist(pairs, **sizes)
    except ValueError as error:
        raise CheckpointError(error) from error
    pipeline.generation["shortlist"] = True
    pipeline.save(arguments.output)
    print(arguments.output)


def _export(arguments):
    pipeline = load(arguments.model)

    from s2s_zoo.apps.exporting.export import export

    options = search_options(arguments)
    if arguments.quantization:
        options["quantization"] = arguments.quantization
    try:
        export(pipeline, arguments.directory, arguments.format, **options)
    except ValueError as error:
        raise CheckpointError(error) from error
    print(arguments.directory)
