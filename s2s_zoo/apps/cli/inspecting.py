"""The command `s2s-zoo inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s2s_zoo.apps.cli.shared import OneOrTwo, add_pairs
from s2s_zoo.protocol.errors import DataError


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("inspect", help="what is in training data, and what is wrong")
    command.set_defaults(command=_inspect)
    add_pairs(command, "the pairs", positional=True)
    held_out = "pairs that must not be among them"
    command.add_argument("--test", nargs="+", action=OneOrTwo, metavar="FILE", help=held_out)
    command.add_argument("--clean", metavar="OUT.tsv", help="write the pairs without a fault")


def _inspect(arguments):
    from s2s_zoo.data.inspecting import inspect_pairs, report
    from s2s_zoo.data.pairs import iterate_pairs

    chosen = arguments.swap, arguments.columns
    out = arguments.clean and Path(arguments.clean)
    if out and (out.suffix not in (".tsv", ".jsonl") or out.exists()):
        raise DataError(
            f"--clean expected a new file, .tsv or .jsonl. Received: {out}. Name another one."
        )
    pairs = list(iterate_pairs(arguments.data, *chosen))
    test = list(iterate_pairs(arguments.test, *chosen)) if arguments.test else []
    inspected = inspect_pairs(pairs, test)
    for line in report(inspected):
        print(line)
    if out:
        kept = [x for x, fault in zip(pairs, inspected.faults, strict=True) if fault is None]
        _write(kept, out)
        print(f"{out}: {len(kept):,} pairs")


def _write(pairs, out):
    from s2s_zoo.data.rows import write_rows

    if out.suffix == ".jsonl":
        write_rows([{"source": source, "target": target} for source, target in pairs], out)
        return
    broken = next((x for pair in pairs for x in pair if {*"\t\n\r"} & {*x}), None)
    if broken is not None:
        raise DataError(
            f"A .tsv has no place for a tab or a line end in a text: {broken!r:.60}. "
            "Name a file .jsonl."
        )
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    out.write_text(text, encoding="utf-8", newline="")
