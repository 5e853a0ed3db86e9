"""Export: whether a SavedModel writes what the pipeline writes, and how fast, on the same batches.

Each runs in a process of its own; that of the SavedModel has TensorFlow and tensorflow-text alone.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import measure

SHOWN = 5  # answers that differ
PIPELINE, EXPORTED = "pipeline", "SavedModel"


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument("--texts", type=Path, metavar="FILE", help="one a line")
    sources.add_argument("--images", type=Path, metavar="DIR")
    add("--column", type=int, metavar="N", help="of the lines, from 1, split at tabs")
    add("--sources", type=int, default=1000, metavar="N", help="taken in order (default: 1000)")
    add("--num-beams", type=int, metavar="K", help="default: the model's")
    add("--batch-size", type=int, default=64)
    add("--repeats", type=int, default=5, help="rounds that count, after one to warm up")
    add("--threads", type=int, default=measure.cores(), help="of each (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    add("--side", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    counts = (args.sources, args.batch_size, args.num_beams or 1, args.column or 1)
    if min(*counts, args.repeats) < 1:
        parser.error("--sources, --batch-size, --num-beams, --column and --repeats count from 1")
    return args


def read_sources(args):
    """Returns the texts that are not blank, or the paths of images, as many as were asked for."""
    if args.images:
        from s2s_zoo.data import image_files

        return list(map(str, image_files(args.images)))[: args.sources]
    with open(args.texts, encoding="utf-8") as file:
        lines = (line.rstrip("\n") for line in file)
        if args.column:
            lines = (line.split("\t")[args.column - 1] for line in lines)
        return list(itertools.islice(filter(str.strip, lines), args.sources))


def batches_of(sources, size, by_length):
    """Returns lists of at most `size`, and for each place in them that of the source."""
    order = list(range(len(sources)))
    if by_length:
        order.sort(key=lambda i: len(sources[i]))
    places = [order[i : i + size] for i in range(0, len(order), size)]
    return [[sources[i] for i in batch] for batch in places], order


def pipeline_side(args):
    """The process of the pipeline: exports it to a directory, then answers turns."""
    import keras

    import s2s_zoo

    pipeline = s2s_zoo.from_pretrained(args.model)
    options = {} if args.num_beams is None else {"num_beams": args.num_beams}
    start = time.perf_counter()
    s2s_zoo.export(pipeline, args.side, return_alignment=False, **options)
    versions = {"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__}
    facts = {"versions": versions, "export_seconds": time.perf_counter() - start}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        texts, start = [], time.perf_counter()
        for batch in json.loads(line)["batches"]:
            texts += pipeline(batch, batch_size=len(batch), progress=False, **options)
        print(json.dumps({"seconds": time.perf_counter() - start, "texts": texts}), flush=True)


def show(sources, order, answers):
    """Prints what is equal and how fast each is, and returns what is to be written."""
    ours, exported = (answers[name][0]["texts"] for name in (PIPELINE, EXPORTED))
    different = [
        {"source": sources[i], PIPELINE: mine, EXPORTED: theirs}
        for i, mine, theirs in zip(order, ours, exported, strict=True)
        if mine != theirs
    ]
    equal = len(sources) - len(different)
    rates = {
        name: measure.Figure(tuple(len(sources) / turn["seconds"] for turn in turns))
        for name, turns in answers.items()
    }
    measure.show(
        f"**equal texts: {equal} of {len(sources)}**",
        *(json.dumps(found, ensure_ascii=False) for found in different[:SHOWN]),
    )
    rows = [[name, figure.text(1)] for name, figure in rates.items()]
    measure.show(measure.table(["runs in", "sources/s"], rows))
    found = measure.ratio(rates[EXPORTED], rates[PIPELINE])
    measure.show(measure.ratio_text("SavedModel over pipeline", found))
    figures = {name: list(figure.values) for name, figure in rates.items()}
    return {"equal": equal, "different": different, "sources_per_second": figures, "ratio": found}


def main(argv=None):
    args = parse(argv)
    if args.side:
        return pipeline_side(args)
    machine, sources = measure.machine(args.threads), read_sources(args)
    batches, order = batches_of(sources, args.batch_size, by_length=args.texts is not None)
    sides = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "exported"
        try:
            measure.say(f"exporting {args.model}")
            script, given = Path(__file__).resolve(), sys.argv[1:] if argv is None else argv
            command = [sys.executable, script, *given, "--side", directory]
            sides[PIPELINE] = measure.Side(command, args.threads)
            script = measure.HERE / "peers" / "run_saved_model.py"
            sides[EXPORTED] = measure.Side([sys.executable, script, directory], args.threads)
            measure.show(measure.heading(machine, [side.facts for side in sides.values()]))
            jobs = {name: partial(side.ask, batches=batches) for name, side in sides.items()}
            answers = measure.take_turns(jobs, args.repeats)
        finally:
            for side in sides.values():
                side.close()
    result = {
        "benchmark": "export",
        "machine": machine,
        "model": args.model,
        "num_beams": args.num_beams,
        "batch_size": args.batch_size,
        "sources": len(sources),
        "facts": {name: side.facts for name, side in sides.items()},
        **show(sources, order, answers),
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())
