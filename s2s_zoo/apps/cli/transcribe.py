"""The command `s2s-zoo transcribe`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from s2s_zoo.apps.cli.search import add_search_options, search_options
from s2s_zoo.apps.cli.shared import NAME, load
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import TRANSCRIPTION

FORMATS = ("text", "srt", "vtt", "json", "tsv")


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("transcribe", help="write what is said in recordings")
    command.set_defaults(command=_transcribe)
    command.add_argument(
        "sound", nargs="+", metavar="FILE", help="a recording, an address, a folder"
    )
    command.add_argument("--model", required=True, metavar="NAME", help=NAME)
    command.add_argument(
        "--language", metavar="NAME", help="what is spoken; found out where it is not said"
    )
    command.add_argument(
        "--translate", action="store_true", help="write English, whatever is spoken"
    )
    command.add_argument("--format", choices=FORMATS, default="text", help="text by default")
    command.add_argument(
        "--initial-prompt", metavar="TEXT", help="names and spellings that the recording has"
    )
    command.add_argument(
        "--plot", metavar="FILE", help="draw when each word of one recording was spoken"
    )
    add_search_options(command, "seed")


def _transcribe(arguments):
    """Prints what is said; of several files the name before each, or one JSON list of all."""
    transcribe = load(arguments.model)
    if transcribe.task != TRANSCRIPTION.name:
        raise DataError(
            f"transcribe expected a model of {TRANSCRIPTION.name}. Received: {arguments.model}, of "
            f"{transcribe.task}. Use `s2s-zoo {_command(transcribe.task)}`."
        )
    told = _told(arguments, transcribe)
    options = told | search_options(arguments)
    found = [transcribe.processor.collect(name) for name in arguments.sound]
    names = [str(name) for sources, _ in found for name in sources]
    single = len(found) == 1 and found[0][1]
    if arguments.plot:
        if not single or arguments.format != "text":
            arguments.usage_error("argument --plot: of one recording, as text")
        from s2s_zoo.pipeline.plots import plot_transcription

        print(plot_transcription(transcribe, names[0], arguments.plot, **options).text)
        return
    timed = arguments.format != "text" and transcribe.transcriber is not None
    bad, written = [], []
    for name in names:
        try:
            made = transcribe(name, **({"return_timestamps": True} if timed else {}), **options)
        except DataError as error:
            if single:
                raise
            warnings.warn(str(error), stacklevel=1)
            bad.append(name)
            continue
        except (ValueError, TypeError) as error:
            arguments.usage_error(str(error))
        if arguments.format == "json":
            written.append({"file": name, **(made.as_dict() if timed else {"text": made})})
        else:
            text = made if arguments.format == "text" else made.subtitles(arguments.format)
            tab = arguments.format == "text"
            print(text if single else f"{name}{chr(9) if tab else chr(10)}{text}", flush=True)
    if arguments.format == "json" and written:
        import json

        print(json.dumps(written[0] if single else written, indent=2, ensure_ascii=False))
    if bad:
        listed = ", ".join(Path(name).name for name in bad[:10]) + (", …" if bad[10:] else "")
        raise DataError(f"{len(bad)} of {len(names)} files could not be transcribed: {listed}.")


def _told(arguments, transcribe):
    """What a Whisper is told beside the search. Raises DataError where another model is told it."""
    told = {"language": arguments.language, "initial_prompt": arguments.initial_prompt}
    told = {name: value for name, value in told.items() if value is not None}
    told |= {"task": "translate"} if arguments.translate else {}
    if transcribe.transcriber is not None:
        return told
    flags = [f"--{name.replace('_', '-')}" for name in told if name != "task"]
    flags += ["--translate"] if arguments.translate else []
    flags += [] if arguments.format in ("text", "json") else [f"--format {arguments.format}"]
    if flags:
        raise DataError(
            f"{arguments.model} writes what it was trained on alone, and no times. Received: "
            f"{' '.join(flags)}. Leave it out, or use a Whisper."
        )
    return told


def _command(task):
    from s2s_zoo.protocol.tasks import TASKS

    return TASKS[task].command
