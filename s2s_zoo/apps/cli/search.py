"""The options of a search as flags of a command, as `generation/options.py` declares them."""

import argparse
from collections.abc import Callable
from typing import Any

from s2s_zoo.generation.options import OPTIONS, Option, beams_of
from s2s_zoo.protocol.errors import S2SZooError

FLAGS = (
    "num_beams",
    "length_penalty",
    "length_penalty_form",
    "coverage_penalty",
    "num_beam_groups",
    "diversity_penalty",
    "no_repeat_ngram_size",
    "repetition_penalty",
    "end_growth",
    "end_growth_start",
    "min_length",
    "max_length",
    "strategy",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
FLAGS_OF_SOME = ("num_return", "seed")
METAVARS = {int: "N", float: "X"}


def add_search_options(command: argparse.ArgumentParser, *more: str) -> None:
    """Adds the flags of `FLAGS` to a command, and those of `FLAGS_OF_SOME` that it names."""
    command.set_defaults(usage_error=command.error)
    group = command.add_argument_group("search", "where nothing is said, as the model has it")
    for name in (*FLAGS, *more):
        option = OPTIONS[name]
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=str if option.choices else _number(option),
            choices=option.choices or None,
            metavar=METAVARS.get(option.kind),
            help=option.help,
        )


def search_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the search that were given."""
    given = {name: getattr(arguments, name, None) for name in (*FLAGS, *FLAGS_OF_SOME)}
    return {name: value for name, value in given.items() if value is not None}


def check_search(arguments: argparse.Namespace, pipeline: Any, options: dict[str, Any]) -> None:
    """Ends with a usage error where a pipeline cannot search with these options."""
    last = getattr(pipeline, "legs", [pipeline])[-1]  # of a `Pivot` that writes
    longest = last.processor.max_target_length
    if options.get("max_length", 0) > longest:
        arguments.usage_error(f"argument --max-length: the model writes {longest} tokens at most")
    try:
        pipeline.plan(options)
    except S2SZooError:
        raise
    except ValueError as error:
        arguments.usage_error(str(error))


def search_held_out(
    arguments: argparse.Namespace, pipeline: Any, sources: list[Any], **more: Any
) -> tuple[list[str], dict[str, Any]]:
    """What a pipeline writes for held-out sources, and the options that it searched with.

    What a call takes that is no option of a search is in `more`.
    """
    options = search_options(arguments)
    if "strategy" not in options:  # a checkpoint that samples is not measured so unasked
        options.setdefault("num_beams", beams_of({}, pipeline.generation))
    check_search(arguments, pipeline, options)
    return pipeline(sources, **options, **more), options


def _number(option: Option) -> Callable[[str], float]:
    """The type of an argument; what argparse says of it is what the option expects."""

    def parse(text: str) -> float:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse
