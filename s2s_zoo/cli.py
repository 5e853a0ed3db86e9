"""The command line: `s2s-zoo translate | caption | evaluate`, and what concerns checkpoints.

What was asked for goes to standard output, everything else to standard error. Exit codes: 0 done,
1 an error (one line says which), 2 wrong usage, 130 Ctrl-C, 141 nobody reads the output any more.
"""

import argparse
import json
import os
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import s2s_zoo
from s2s_zoo import cli_caption, cli_checkpoints
from s2s_zoo.cli_shared import load, positive
from s2s_zoo.data import read_lines, read_pairs
from s2s_zoo.errors import CheckpointError, DataError, S2SZooError
from s2s_zoo.hub import list_checkpoints

CHUNK = 1 << 16  # bytes read at once at most; a slow writer is answered line by line


def main(argv=None):
    """Runs one command and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning, module="s2s_zoo")
        warnings.showwarning = _show_warning
        try:
            arguments.command(arguments)
            sys.stdout.flush()
            return 0
        except BrokenPipeError:
            # Python flushes standard output once more at exit: let that go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except KeyboardInterrupt:
            print(file=sys.stderr)
            return 130
        except (S2SZooError, OSError) as error:
            print(f"s2s-zoo: error: {error}", file=sys.stderr)
            return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="s2s-zoo", description="Pretrained sequence-to-sequence models."
    )
    parser.add_argument("--version", action="version", version=f"s2s-zoo {s2s_zoo.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cli_checkpoints.add_commands(commands)

    command = commands.add_parser("translate", help="translate text, one line for each line")
    command.set_defaults(command=_translate, usage_error=command.error)
    command.add_argument("text", nargs="*", metavar="TEXT", help="default: standard input")
    command.add_argument("--model", metavar="NAME", help=cli_checkpoints.NAME)
    command.add_argument("--from", dest="source", metavar="LANG", help="default: de")
    command.add_argument("--to", dest="target", metavar="LANG", help="default: en")
    command.add_argument("--num-beams", type=positive, metavar="K", help="default: the model's")
    command.add_argument("--input", metavar="FILE", help="read this file")
    command.add_argument(
        "--output",
        metavar="FILE",
        help="write this file; it is FILE.part until the last line is written",
    )

    cli_caption.add_command(commands)

    command = commands.add_parser("evaluate", help="the metrics of the task on held-out pairs")
    command.set_defaults(command=_evaluate)
    command.add_argument("--model", required=True, metavar="NAME")
    command.add_argument("--data", required=True, metavar="FILE.tsv", help="source TAB target")
    command.add_argument("--images", metavar="DIR", help="of the files that captions name")
    command.add_argument("--swap", action="store_true", help="the columns are target TAB source")
    command.add_argument("--num-beams", type=positive, metavar="K", help="default: the model's")
    command.add_argument("--lowercase", action="store_true", help="score without case")
    command.add_argument("--json", action="store_true")
    return parser


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"s2s-zoo: warning: {message}", file=sys.stderr)


def _translate(arguments):
    from tqdm import tqdm

    if arguments.model and (arguments.source or arguments.target):
        arguments.usage_error("give either --model or --from and --to")
    if arguments.text and arguments.input:
        arguments.usage_error("give either TEXT or --input")
    name = arguments.model or _model_for(arguments.source, arguments.target)
    options = {} if arguments.num_beams is None else {"num_beams": arguments.num_beams}
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
        translate = load(name)
        lines = _Arriving(stream, arguments.input or "standard input")
        for texts in [arguments.text] if arguments.text else lines.windows():
            for line in translate(texts, progress=False, **options):
                output.write(" ".join(line.splitlines()) + "\n")
            output.flush()
            bar.update(len(texts))


def _evaluate(arguments):
    from s2s_zoo.metrics import METRICS_OF, corpus_scores

    pairs = read_pairs(arguments.data, arguments.swap)
    pipeline = load(arguments.model)
    sources, references = pipeline.processor.held_out(pairs, arguments.images)
    num_beams = arguments.num_beams or pipeline.generation["num_beams"]
    start = time.perf_counter()
    hypotheses = pipeline(sources, num_beams=num_beams)
    seconds = time.perf_counter() - start
    names = METRICS_OF[pipeline.task]
    scores = corpus_scores(names, hypotheses, references, arguments.lowercase)
    report = {
        "model": arguments.model,
        "data": arguments.data,
        "sources": len(sources),
        "num_beams": num_beams,
        "sources_per_second": round(len(sources) / seconds, 2),
        "metrics": [score._asdict() for score in scores],
    }
    if arguments.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    print(f"{report['model']} on {report['data']}: {len(sources)} sources, {num_beams} beams")
    for metric in report["metrics"]:
        print(f"{metric['name']:<6} {metric['value']:6.2f}  {metric['signature']}")
    print(f"{report['sources_per_second']} sources/s")


def _model_for(source, target):
    """The name of the checkpoint that translates from `source` to `target`."""
    if source is None and target is None:
        source, target = "de", "en"
    pairs = {
        name: tuple(entry["languages"]) for name, entry in list_checkpoints("translation").items()
    }
    found = [name for name, (f, t) in pairs.items() if source in (None, f) and target in (None, t)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{f} to {t}" for f, t in pairs.values())
    raise CheckpointError(
        f"{'No' if not found else 'More than one'} checkpoint translates from "
        f"{source or 'any language'} to {target or 'any language'}. Known: {known}. Give both "
        "--from and --to, or --model with a name or a directory."
    )


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
        sys.stdout.reconfigure(encoding="utf-8")
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
