"""Commands about translation memories: `s2s-zoo memory show | export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s2s_zoo.protocol.errors import DataError


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("memory", help="what a translation memory holds, also as TMX")
    actions = command.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser(
        "show", help="how many translations it holds between which languages"
    )
    action.set_defaults(command=_show)
    action.add_argument(
        "memory", metavar="MEMORY", help="what translating with --memory has written"
    )

    action = actions.add_parser("export", help="write it in TMX 1.4, for other programs")
    action.set_defaults(command=_export)
    action.add_argument(
        "memory", metavar="MEMORY", help="what translating with --memory has written"
    )
    action.add_argument("--tmx", required=True, metavar="OUT.tmx", help="the file to write")
    action.add_argument(
        "--from", dest="source", metavar="LANG", help="where it holds several pairs"
    )
    action.add_argument("--to", dest="target", metavar="LANG")


def _show(arguments):
    from s2s_zoo.pipeline.memory import Memory

    with Memory(arguments.memory) as memory:
        for pair, count in memory.pairs().items():
            print(f"{_name(pair):<24} {count:>12,}")
    print(f"{'bytes':<24} {Path(arguments.memory).stat().st_size:>12,}")


def _export(arguments):
    from s2s_zoo.pipeline.memory import Memory

    with Memory(arguments.memory) as memory:
        source, target = _choose(memory.pairs(), arguments.source, arguments.target)
        count = memory.export_tmx(arguments.tmx, source, target)
    print(f"{count:,} translations from {source} to {target}: {arguments.tmx}")


def _choose(pairs, source, target):
    """The only pair of languages that fits what was asked for."""
    fitting = [
        pair
        for pair in pairs
        if all(
            wanted in (None, known) for wanted, known in zip((source, target), pair, strict=True)
        )
    ]
    if len(fitting) == 1 and None not in fitting[0]:
        return fitting[0]
    if source and target and (fitting or (None, None) in pairs):
        return source, target
    held = ", ".join(f"{_name(pair)} ({count:,})" for pair, count in pairs.items())
    raise DataError(
        f"{'Several' if len(fitting) > 1 else 'No'} pairs of languages of this memory are from "
        f"{source or 'any language'} to {target or 'any language'}. It holds: "
        f"{held or 'nothing'}. Give --from and --to."
    )


def _name(pair):
    return " to ".join(code or "unknown" for code in pair)
