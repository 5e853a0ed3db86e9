"""The command line: `s2s-zoo translate | summarize | caption | transcribe | serve | …`.

What was asked for goes to standard output, everything else to standard error. Exit codes: 0 done,
1 an error (one line says which), 2 wrong usage, 130 Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

import s2s_zoo
from s2s_zoo.apps.cli import bulk as cli_bulk
from s2s_zoo.apps.cli import caption as cli_caption
from s2s_zoo.apps.cli import checkpoints as cli_checkpoints
from s2s_zoo.apps.cli import comparing as cli_comparing
from s2s_zoo.apps.cli import evaluate as cli_evaluate
from s2s_zoo.apps.cli import inspecting as cli_inspecting
from s2s_zoo.apps.cli import making as cli_making
from s2s_zoo.apps.cli import memory as cli_memory
from s2s_zoo.apps.cli import serve as cli_serve
from s2s_zoo.apps.cli import text as cli_text
from s2s_zoo.apps.cli import transcribe as cli_transcribe
from s2s_zoo.protocol.console import write_utf8
from s2s_zoo.protocol.errors import S2SZooError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not _has_streams():
        return 1
    write_utf8()
    parser = _parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        return 2
    arguments = parser.parse_args(argv)
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


def _has_streams():
    """Opens what the caller closed of standard input and error; False where output is closed."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        print(
            "s2s-zoo: error: standard output is closed, and what was asked for goes there. "
            "Give it a place, such as > /dev/null.",
            file=sys.stderr,
        )
    return sys.stdout is not None


def _parser():
    parser = argparse.ArgumentParser(
        prog="s2s-zoo", description="Pretrained sequence-to-sequence models."
    )
    parser.add_argument("--version", action="version", version=f"s2s-zoo {s2s_zoo.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cli_checkpoints.add_commands(commands)
    cli_making.add_commands(commands)
    cli_text.add_commands(commands)
    cli_caption.add_command(commands)
    cli_transcribe.add_command(commands)
    cli_bulk.add_command(commands)
    cli_serve.add_command(commands)
    cli_evaluate.add_command(commands)
    cli_comparing.add_command(commands)
    cli_inspecting.add_command(commands)
    cli_memory.add_command(commands)
    return parser


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"s2s-zoo: warning: {message}", file=sys.stderr)
