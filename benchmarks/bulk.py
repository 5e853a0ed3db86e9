"""Bulk: sentences a second beside the pipeline, and what is left when an actor is killed."""

import argparse
import collections
import itertools
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import measure

import s2s_zoo
from s2s_zoo.apps import bulk
from s2s_zoo.data import read_lines

ACTOR = b"ray::MapWorker"  # how Ray names the processes of a pool


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--texts", type=Path, required=True, metavar="FILE", help="one a line, taken in order")
    add("--sentences", type=int, default=10_000, help="to be timed (default: 10,000)")
    add("--shard-size", type=int, default=1_000)
    add("--actors", type=int, nargs="+", default=[1, 2])
    add("--kill", type=int, default=100_000, help="sentences of the run with a killed actor")
    add("--repeats", type=int, default=3)
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    counts = args.sentences, args.shard_size, args.kill, args.repeats, *args.actors
    if min(counts) < 1:
        parser.error("--sentences, --shard-size, --actors, --kill and --repeats count from 1")
    return args


def through_bulk(args, path, folder, actors):
    """Translates a file into a folder; the model is loaded and the graphs are made within."""
    writer = bulk.Writer(args.model, num_beams=1)
    size = args.shard_size
    yield from bulk.run(writer, [path], folder, shard_size=size, actors=actors)


def pids_of_actors():
    """The processes of this machine that are actors."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes().startswith(ACTOR):
                found.append(int(entry.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


def killed(args, path, folder, expected):
    """Runs with as many actors as there may be, kills one after the second shard, and counts."""
    before, pid, start = set(pids_of_actors()), None, time.perf_counter()
    for i, shard in enumerate(through_bulk(args, path, folder, max(args.actors))):
        measure.say(f"{shard['rows']} rows, {Path(shard['shard']).name}")
        if i == 1:
            pid = min(set(pids_of_actors()) - before)
            os.kill(pid, signal.SIGKILL)
            measure.say(f"killed {pid}")
    seconds = time.perf_counter() - start
    keys, wrong = collections.Counter(), 0
    for file in sorted(folder.glob("*.jsonl")):
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            keys[row["key"]] += 1
            wrong += row["output"] != expected[row["text"]]
    wanted = {f"{path}:{i}" for i in range(args.kill)}
    return {
        "sentences": args.kill,
        "actors": max(args.actors),
        "killed": pid,
        "missing": len(wanted - keys.keys()),
        "double": sum(keys.values()) - len(keys),
        "other_output": wrong,
        "seconds": seconds,
    }


def take(lines, count):
    """The first lines, from the beginning again where there are too few."""
    return list(itertools.islice(itertools.cycle(lines), count))


def main(argv=None):
    args = parse(argv)
    lines = [line for line in read_lines(args.texts) if line.strip()]
    machine = measure.machine(measure.cores())
    pipeline = s2s_zoo.from_pretrained(args.model)
    sentences = take(lines, args.sentences)
    pipeline(sentences, num_beams=1, progress=False)
    rates = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        timed, many = folder / "timed.txt", folder / "many.txt"
        timed.write_text("\n".join(sentences) + "\n", encoding="utf-8")
        many.write_text("\n".join(take(lines, args.kill)) + "\n", encoding="utf-8")
        sides = {"here": None} | {f"{n} actors" if n > 1 else "1 actor": n for n in args.actors}
        for repeat in range(args.repeats):
            measure.say(f"round {repeat + 1} of {args.repeats}")
            start = time.perf_counter()
            pipeline(sentences, num_beams=1, progress=False)
            rates["pipeline"].append(len(sentences) / (time.perf_counter() - start))
            for name, actors in sides.items():
                start = time.perf_counter()
                done = list(through_bulk(args, timed, folder / f"{name}{repeat}", actors))
                rates[name].append(sum(x["rows"] for x in done) / (time.perf_counter() - start))
        distinct = list(dict.fromkeys(lines))
        outputs = pipeline(distinct, num_beams=1, progress=False)
        fault = killed(args, many, folder / "fault", dict(zip(distinct, outputs, strict=True)))
    figures = {name: measure.Figure(tuple(values)) for name, values in rates.items()}
    header = ["through", "sentences/s, with loading"]
    measure.show(
        measure.heading(machine, [{"versions": {"s2s-zoo": s2s_zoo.__version__}}]),
        "",
        measure.table(header, [[name, figure.text()] for name, figure in figures.items()]),
        "",
        f"{fault['sentences']:,} sentences with {fault['actors']} actors, one of them killed: "
        f"{fault['missing']} missing, {fault['double']} double, {fault['other_output']} other "
        f"outputs, {fault['sentences'] / fault['seconds']:,.0f} sentences a second.",
    )
    measure.write(args.json, {"machine": machine, "sentences_per_second": rates, "fault": fault})


if __name__ == "__main__":
    main()
