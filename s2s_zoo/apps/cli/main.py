"""The command line: `s2s-zoo translate | summarize | caption | serve | evaluate`, and checkpoints.

What was asked for goes to standard output, everything else to standard error. Exit codes: 0 done,
1 an error (one line says which), 2 wrong usage, 130 Ctrl-C, 141 nobody reads the output any more.
"""

import argparse
import json
import os
import sys
import time
import warnings

import s2s_zoo
from s2s_zoo.apps.cli import bulk as cli_bulk
from s2s_zoo.apps.cli import caption as cli_caption
from s2s_zoo.apps.cli import checkpoints as cli_checkpoints
from s2s_zoo.apps.cli import serve as cli_serve
from s2s_zoo.apps.cli import text as cli_text
from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import load
from s2s_zoo.data import read_pairs
from s2s_zoo.generation.options import beams_of
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.tasks import TASKS

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

    cli_text.add_commands(commands)
    cli_caption.add_command(commands)
    cli_bulk.add_command(commands)
    cli_serve.add_command(commands)

    command = commands.add_parser("evaluate", help="the metrics of the task on held-out pairs")
    command.set_defaults(command=_evaluate)
    command.add_argument("--model", required=True, metavar="NAME")
    command.add_argument("--data", required=True, metavar="FILE.tsv", help="source TAB target")
    command.add_argument("--images", metavar="DIR", help="of the files that captions name")
    command.add_argument("--swap", action="store_true", help="the columns are target TAB source")
    command.add_argument("--lowercase", action="store_true", help="score without case")
    command.add_argument("--json", action="store_true")
    add_search_options(command, "seed")
    return parser


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"s2s-zoo: warning: {message}", file=sys.stderr)


def _evaluate(arguments):
    from s2s_zoo.training.metrics import corpus_scores

    pairs = read_pairs(arguments.data, arguments.swap)
    pipeline = load(arguments.model)
    sources, references = pipeline.processor.held_out(pairs, arguments.images)
    options = search_options(arguments)
    if "strategy" not in options:  # a checkpoint that samples is not measured so unasked
        options.setdefault("num_beams", beams_of({}, pipeline.generation))
    check_search(arguments, pipeline, options)
    num_beams = beams_of(options, pipeline.generation)
    start = time.perf_counter()
    hypotheses = pipeline(sources, **options)
    seconds = time.perf_counter() - start
    names = TASKS[pipeline.task].metrics
    scores = corpus_scores(names, hypotheses, references, arguments.lowercase)
    report = {
        "model": arguments.model,
        "data": arguments.data,
        "sources": len(sources),
        "num_beams": num_beams,
        "options": options,
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
