"""The commands that read text and write text: `s2s-zoo translate`, `summarize` and `answer`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s2s_zoo.apps.cli.auto import AUTO, Detecting, checkpoints_to
from s2s_zoo.apps.cli.documents import (
    add_document_options,
    check_documents,
    check_reading,
    reading_options,
    translate_document,
)
from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import NAME, add_engine, engine_options, load, only_checkpoint
from s2s_zoo.checkpoints.catalog import find_translation
from s2s_zoo.data import read_lines
from s2s_zoo.data.text.formats import BILINGUAL, FORMATS, PARTS, format_of
from s2s_zoo.generation.options import SAMPLE
from s2s_zoo.pipeline.files import text_of_bytes
from s2s_zoo.pipeline.summarizing import LENGTHS
from s2s_zoo.protocol.errors import DataError, S2SZooError
from s2s_zoo.protocol.tasks import QUESTION_ANSWERING, SUMMARIZATION

NO_TEXT = (*BILINGUAL, "json", "properties")
OF_TEXT = {*FORMATS, *PARTS} - {*NO_TEXT}
CHUNK = 1 << 16  # bytes read at once at most; a slow writer is answered line by line


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the command line."""
    command = commands.add_parser("translate", help="translate text, one line for each line")
    command.set_defaults(command=_translate)
    command.add_argument(
        "--from",
        dest="source",
        metavar="LANG",
        help="default: de; auto: of each text the language that it is in",
    )
    command.add_argument("--to", dest="target", metavar="LANG", help="default: en")
    command.add_argument("--via", metavar="LANG", help="through this language, by two checkpoints")
    command.add_argument(
        "--memory", metavar="FILE", help="keep translations there, and make none again"
    )
    command.add_argument("--plot", metavar="OUT.png", help="draw the alignment, of one TEXT")
    _add_arguments(command)
    add_document_options(command)

    command = commands.add_parser("summarize", help="summarize text, one line for each line")
    command.set_defaults(command=_summarize)
    command.add_argument("--whole", action="store_true", help="all of the input is one text")
    command.add_argument(
        "--length",
        metavar="LENGTH",
        type=_length,
        help=f"{', '.join(LENGTHS)}, or a number of sentences; default: line",
    )
    command.add_argument("--bullets", action="store_true", help="each sentence on a line, after -")
    command.add_argument(
        "--format",
        choices=sorted(OF_TEXT),
        help="of a document, which is one text; default: by the ending of --input, or text",
    )
    command.add_argument("--plot", metavar="OUT.png", help="draw what was copied, of one text")
    _add_arguments(command)

    command = commands.add_parser("answer", help="answer questions, one line for each line")
    command.set_defaults(command=_answer, plot=None)
    command.add_argument("--context", metavar="FILE", help="the text that they are about")
    _add_arguments(command, "QUESTION")


def _add_arguments(command, text="TEXT"):
    command.add_argument("text", nargs="*", metavar=text, help="default: standard input")
    command.add_argument("--model", metavar="NAME", help=NAME)
    command.add_argument("--input", metavar="FILE", help="read this file")
    command.add_argument(
        "--output",
        metavar="FILE",
        help="write this file; it is FILE.part until the last line is written",
    )
    add_engine(command)
    add_search_options(command, "seed")


def _translate(arguments):
    if arguments.model and (arguments.source or arguments.target):
        arguments.usage_error("give either --model or --from and --to")
    if arguments.plot and len(arguments.text) != 1:
        arguments.usage_error("--plot draws one text: give one TEXT")
    if arguments.via and (arguments.model or not (arguments.source and arguments.target)):
        arguments.usage_error("--via needs --from and --to, and no --model")
    if arguments.via and arguments.source == AUTO:
        arguments.usage_error("--via needs a language for --from")
    if arguments.plot and (arguments.via or arguments.memory):
        arguments.usage_error("--plot draws what one checkpoint does: leave --via and --memory")
    if arguments.memory and arguments.strategy == SAMPLE:
        arguments.usage_error("--memory keeps what is the same every time: leave --strategy sample")
    check_documents(arguments)
    reading = reading_options(arguments)
    if arguments.memory:
        reading["memory"] = arguments.memory
    auto = arguments.source == AUTO
    name = AUTO if auto else arguments.model or _model_for(arguments)
    if arguments.document:
        options = search_options(arguments)
        translate_document(
            arguments, lambda: _opened(arguments, name, options, reading), {**options, **reading}
        )
    else:
        _write(arguments, name, _draw_alignment, reading=reading)


def _length(text):
    return int(text) if text.isdecimal() else text


def _summarize(arguments):
    arguments.format = arguments.format or format_of(Path(arguments.input or "").name)
    if arguments.format in NO_TEXT:
        arguments.usage_error(f"a .{arguments.format} file is no text to summarize")
    if arguments.format in PARTS and not arguments.input:
        arguments.usage_error(f"a .{arguments.format} file is read by its name: give --input")
    arguments.whole = arguments.whole or arguments.format not in (None, "text")
    if arguments.text and arguments.whole:
        arguments.usage_error("--whole is for a file or standard input; a TEXT is whole")
    if arguments.plot and not (arguments.whole or len(arguments.text) == 1):
        arguments.usage_error("--plot draws one text: give one TEXT, or --whole")
    if arguments.bullets and not (arguments.whole or len(arguments.text) == 1):
        arguments.usage_error("--bullets are of one text: give one TEXT, or --whole")
    from s2s_zoo.pipeline.plots import plot_copies

    given = {"length": arguments.length, "bullets": arguments.bullets or None}
    how = {name: value for name, value in given.items() if value is not None}
    name = arguments.model or only_checkpoint(SUMMARIZATION)
    _write(arguments, name, plot_copies, arguments.whole, how)


def _answer(arguments):
    about = {}
    if arguments.context:
        about["context"] = _context(arguments)
    name = arguments.model or only_checkpoint(QUESTION_ANSWERING)
    _write(arguments, name, None, reading=about, task=QUESTION_ANSWERING.name)


def _context(arguments):
    """The text of a file of any format that summaries are made of."""
    path = Path(arguments.context)
    format = format_of(path.name) or "text"
    if format in NO_TEXT:
        arguments.usage_error(f"a .{format} file is no text to ask about")
    if format == "text":
        return "\n".join(read_lines(path))
    return text_of_bytes(path.read_bytes(), arguments.context, format)


def _draw_alignment(pipeline, text, path, **options):
    if isinstance(pipeline, Detecting):
        pipeline = pipeline.pipeline_of(text)
    if getattr(pipeline.model.decoder, "attention", True) is None:
        raise S2SZooError(
            "This checkpoint has no attention, so there is no alignment to draw. Leave --plot."
        )
    pipeline(text, return_alignment=True, split=False, **options).plot(path)


def _write(arguments, name, draw, whole=False, reading=None, **loading):
    """Writes a line for each text.

    Args:
        arguments: what was parsed.
        name: str, the checkpoint, or `AUTO`; or a list of checkpoints to go through.
        draw: function of a pipeline, the only text, the path of the picture and the options.
        whole: bool, take all of the input for one text.
        reading: dict, options of a call that say how texts are read.
        **loading: options of `from_pretrained`.
    """
    from tqdm import tqdm

    if arguments.text and arguments.input:
        arguments.usage_error("give either TEXT or --input")
    options = search_options(arguments)
    for text in arguments.text:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{text!r} is not valid UTF-8. Convert it to UTF-8.") from error
    with (
        _input(arguments.input) as stream,
        _output(arguments.output) as output,
        tqdm(unit=" lines", disable=None if arguments.output else True) as bar,
    ):
        reading = reading or {}
        pipeline = _opened(arguments, name, options, reading, **loading)
        lines = _Arriving(stream, arguments.input or "standard input")
        if whole and getattr(arguments, "format", None) not in (None, "text"):
            arguments.text = [text_of_bytes(stream.read(), lines.name, arguments.format)]
        elif whole:
            arguments.text = ["\n".join(read_lines(lines))]
        searched = {**options, **reading}
        for texts in [arguments.text] if arguments.text else lines.windows():
            for line in pipeline(texts, progress=False, **searched):
                between = "\n" if reading.get("bullets") else " "
                output.write(between.join(line.splitlines()) + "\n")
            searched.pop("seed", None)  # the next go on in the same random sequence
            output.flush()
            bar.update(len(texts))
        if arguments.plot:
            draw(pipeline, arguments.text[0], arguments.plot, **options, **reading)


def _opened(arguments, name, options, reading, **loading):
    """The pipeline of a checkpoint, or what finds out which, for some options."""
    if name == AUTO:
        target = arguments.target or "en"
        return Detecting(
            checkpoints_to(target),
            target,
            lambda found: _opened(arguments, found, options, reading),
        )
    pipeline = load(name, **engine_options(arguments), **loading)
    check_search(arguments, pipeline, options)
    check_reading(arguments, pipeline, reading)
    return pipeline


def _model_for(arguments):
    """The name of the checkpoint that translates as asked for, or those of the way `--via`."""
    source, target = arguments.source, arguments.target
    if source is None and target is None:
        source, target = "de", "en"
    if arguments.via:
        return [find_translation(source, arguments.via), find_translation(arguments.via, target)]
    return find_translation(source, target)


@contextmanager
def _input(path):
    """Yields the binary stream to read."""
    if path is None:
        yield sys.stdin.buffer
    else:
        with open(path, "rb") as file:
            yield file


class _Arriving:
    """The lines of a binary stream, knowing whether the next one is already there.

    Args:
        stream: binary, with `read1`.
        name: str, for errors.
    """

    def __init__(self, stream, name):
        self.stream = stream
        self.name = name
        self.ready = 0

    def __iter__(self):
        rest = b""
        while chunk := self.stream.read1(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for self.ready, line in zip(reversed(range(len(lines))), lines, strict=True):
                yield line
        if rest:
            yield rest

    def windows(self):
        """Yields lists of lines: as many whole ones as were there to read."""
        window = []
        try:
            for text in read_lines(self):
                window.append(text)
                if not self.ready:
                    yield window
                    window = []
        except DataError:
            yield window
            raise


@contextmanager
def _output(path):
    """Yields the stream to write. A file bears its name only when it is complete."""
    if path is None:
        yield sys.stdout
        return
    path = Path(path).resolve()
    special = path.exists() and not path.is_file()  # a pipe or a device cannot be replaced
    part = path if special else path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    except BaseException:
        if part.is_file() and part.stat().st_size:
            print(f"s2s-zoo: {part} keeps the lines that were done", file=sys.stderr)
        elif part != path:
            part.unlink(missing_ok=True)
        raise
    if part != path:
        part.replace(path)
