"""The command `s2s-zoo compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.apps.cli.search import add_search_options, search_held_out
from s2s_zoo.apps.cli.shared import add_pairs, called, load, positive
from s2s_zoo.data import read_lines, read_pairs
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import TASKS

SHOWN = 3


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("compare", help="whether one system is better than another")
    command.set_defaults(command=_compare)
    systems = "checkpoints, or files with a line for each source; the first is compared with"
    command.add_argument("systems", nargs="+", metavar="NAME", help=systems)
    add_pairs(command, "the pairs")
    command.add_argument("--task", choices=TASKS, help="where files alone are compared")
    command.add_argument(
        *("--images", "--sounds"),
        dest="folder",
        metavar="DIR",
        help="of the files that captions or transcriptions name",
    )
    command.add_argument("--lowercase", action="store_true", help="score without case")
    command.add_argument("--samples", type=positive, default=1000, metavar="N", help="1000")
    show = f"sentences that differ most, {SHOWN} unless you say otherwise"
    command.add_argument("--show", type=int, default=SHOWN, metavar="N", help=show)
    command.add_argument("--json", action="store_true")
    add_search_options(command, "seed")


def _compare(arguments):
    from s2s_zoo.training.significance import OF_TASK, compare_texts

    names = arguments.systems
    if len(names) < 2 or len({*names}) < len(names):
        arguments.usage_error(f"expected two systems or more, and none twice: {' '.join(names)}")
    pairs = read_pairs(arguments.data, arguments.swap, arguments.columns)
    task, texts, sources, references = _written(arguments, names, pairs)
    found = compare_texts(OF_TASK[task], texts, references, arguments.samples, arguments.lowercase)
    shown = _most_different(arguments, OF_TASK[task][0], texts, sources, references)
    if arguments.json:
        report = {
            "data": arguments.data,
            "task": task,
            "sources": len(sources),
            "samples": arguments.samples,
            "metrics": [
                {**x._asdict(), "systems": [y._asdict() for y in x.systems]} for x in found
            ],
            "differ": shown,
        }
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for line in _lines(arguments, found, shown, len(sources)):
        print(line)


def _written(arguments, names, pairs):
    """The task, what each system wrote, the sources and the references."""
    texts, task = {}, arguments.task
    sources, references = (list(column) for column in zip(*pairs, strict=True))
    for name in names:
        if Path(name).is_file():
            texts[name] = list(read_lines(name))
            continue
        pipeline = load(name)
        if task not in (None, pipeline.task):
            raise DataError(
                f"compare expected systems of one task, {task}. Received: {name}, {pipeline.task}."
            )
        task = pipeline.task
        sources, references = pipeline.processor.held_out(pairs, arguments.folder)
        texts[name], _ = search_held_out(arguments, pipeline, sources)
    wrong = {name: len(lines) for name, lines in texts.items() if len(lines) != len(sources)}
    if wrong:
        raise DataError(
            f"A file of answers has a line for each of the {len(sources)} sources of "
            f"{called(arguments.data)}. Received: {wrong}."
        )
    return task or "translation", texts, sources, references


def _most_different(arguments, metric, texts, sources, references):
    """Sentences where the scores of the systems are farthest apart."""
    from s2s_zoo.training.significance import scores_of_each

    scores = {
        name: scores_of_each(metric, lines, references, arguments.lowercase)
        for name, lines in texts.items()
    }
    apart = np.ptp(np.stack(list(scores.values())), axis=0)
    order = np.argsort(-apart, kind="stable")[: max(0, arguments.show)]
    return [
        {
            "source": str(sources[i]),
            "reference": references[i],
            "answers": {name: lines[i] for name, lines in texts.items()},
            "scores": {name: round(float(each[i]), 2) for name, each in scores.items()},
        }
        for i in order.tolist()
        if apart[i] > 0
    ]


def _lines(arguments, found, shown, number):
    from s2s_zoo.training.significance import SIGNIFICANT

    yield (
        f"{called(arguments.data)}: {number} sources, {arguments.samples} resamples; p is how "
        f"likely such a difference to {found[0].systems[0].name} is by luck, * where below "
        f"{SIGNIFICANT}"
    )
    width = max(len(name) for name in arguments.systems)
    for comparison in found:
        yield f"\n{comparison.metric}  {comparison.signature}"
        first = comparison.systems[0].value
        for system in comparison.systems:
            line = f"  {system.name:<{width}}  {system.value:6.2f} ± {system.margin:5.2f}"
            if system.p_value is not None:
                star = " *" if system.p_value < SIGNIFICANT else ""
                line += f"  {system.value - first:+6.2f}  p {system.p_value:.3f}{star}"
            yield line
    for sentence in shown:
        yield f"\n{sentence['source']}"
        references = sentence["reference"]
        for reference in [references] if isinstance(references, str) else references:
            yield f"  {'=':<{width}}          {reference}"
        for name, text in sentence["answers"].items():
            yield f"  {name:<{width}}  {sentence['scores'][name]:6.1f}  {text}"
