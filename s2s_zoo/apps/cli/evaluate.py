"""The command `s2s-zoo evaluate`."""

from __future__ import annotations

import json
import time
from typing import Any

from s2s_zoo.apps.cli.search import add_search_options, search_held_out
from s2s_zoo.apps.cli.shared import OneOrTwo, add_engine, add_pairs, called, engine_options, load
from s2s_zoo.data import read_pairs
from s2s_zoo.data.breakdown import breakdown, check_task
from s2s_zoo.generation.options import beams_of
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import TASKS, TRANSCRIPTION

NORMALIZATIONS = ("english", "basic")


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("evaluate", help="the metrics of the task on held-out pairs")
    command.set_defaults(command=_evaluate)
    command.add_argument("--model", required=True, metavar="NAME")
    add_pairs(command, "the pairs")
    command.add_argument(
        *("--images", "--sounds"),
        dest="folder",
        metavar="DIR",
        help="of the files that captions or transcriptions name",
    )
    command.add_argument("--language", metavar="NAME", help="what is spoken in all recordings")
    command.add_argument("--lowercase", action="store_true", help="score without case")
    command.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        help="count the errors of transcriptions as Whisper's are: spelling, punctuation and "
        "digits are none (english), or punctuation (basic, any language)",
    )
    command.add_argument("--json", action="store_true")
    parted = (
        "also by length, by how rare words are, and how many numbers, names and codes come through"
    )
    command.add_argument("--breakdown", action="store_true", help=parted)
    train = "pairs it was trained on, which say how rare words are; default: the references"
    command.add_argument("--train", nargs="+", action=OneOrTwo, metavar="FILE", help=train)
    add_engine(command)
    add_search_options(command, "seed")


def _evaluate(arguments):
    from s2s_zoo.training.metrics import corpus_scores

    if arguments.train and not arguments.breakdown:
        arguments.usage_error("argument --train: goes with --breakdown, where it says what is rare")
    pairs = read_pairs(arguments.data, arguments.swap, arguments.columns)
    pipeline = load(arguments.model, **engine_options(arguments))
    _refuse_of_speech(arguments, pipeline)
    if arguments.breakdown:
        check_task(pipeline.task)
    sources, references = pipeline.processor.held_out(pairs, arguments.folder)
    told = {"language": arguments.language} if arguments.language else {}
    start = time.perf_counter()
    hypotheses, options = search_held_out(arguments, pipeline, sources, **told)
    seconds = time.perf_counter() - start
    num_beams = beams_of(options, pipeline.generation)
    names = TASKS[pipeline.task].metrics
    how = arguments.lowercase, arguments.normalize
    scores = corpus_scores(names, hypotheses, references, *how)
    report = {
        "model": arguments.model,
        "data": arguments.data,
        "sources": len(sources),
        "num_beams": num_beams,
        "options": options | told,
        "sources_per_second": round(len(sources) / seconds, 2),
        "metrics": [score._asdict() for score in scores],
    }
    parts = _parts(arguments, pipeline, sources, hypotheses, references)
    if arguments.breakdown:
        report["breakdown"] = [part._asdict() for part in parts]
    if arguments.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    print(
        f"{report['model']} on {called(arguments.data)}: {len(sources)} sources, {num_beams} beams"
    )
    for metric in report["metrics"]:
        print(f"{metric['name']:<6} {metric['value']:6.2f}  {metric['signature']}")
    print(f"{report['sources_per_second']} sources/s")
    for part in parts:
        name = f"{part.kind} {part.name}"
        print(f"{name:<22} {part.number:>7,} {part.value:7.2f} {part.unit}")


def _parts(arguments, pipeline, sources, hypotheses, references):
    """The breakdown, where it is asked for."""
    if not arguments.breakdown:
        return []
    training = []
    if arguments.train:
        pairs = read_pairs(arguments.train, arguments.swap, arguments.columns)
        training = [target for _, target in pairs]
    read = sources if TASKS[pipeline.task].reads == "text" else None
    how = training, arguments.lowercase, arguments.normalize
    return breakdown(hypotheses, references, read, pipeline.task, *how)


def _refuse_of_speech(arguments, pipeline):
    """Raises DataError for what says nothing to another task, or to this model."""
    spoken = {"--normalize": arguments.normalize, "--language": arguments.language}
    given = [flag for flag, value in spoken.items() if value]
    if given and pipeline.task != TRANSCRIPTION.name:
        raise DataError(
            f"{given[0]} is for models of {TRANSCRIPTION.name}. Received: {arguments.model}, of "
            f"{pipeline.task}. Leave it out."
        )
    if arguments.language and pipeline.transcriber is None:
        raise DataError(
            f"--language is for a model that is told it. Received: {arguments.model}, which knows "
            "what it was trained on alone. Leave it out."
        )
