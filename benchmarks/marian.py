"""Decoding a Marian of full size, beside transformers and CTranslate2. README.md has the rules."""

import argparse
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import measure

SOURCE, TARGET = 20, 24  # tokens of every source, END counted, and steps of every search
XLA = ("ours", "float32, XLA")  # what a pipeline turns to, and for one sentence alone
SIDES = {
    **{("ours", precision): None for precision in reversed(measure.PRECISIONS)},
    XLA: None,
    ("transformers", "float32"): ["hf"],
    ("CTranslate2-MKL", "float32"): ["ct2", "--mkl", "1"],
    ("CTranslate2-MKL", "int8"): ["ct2", "--mkl", "1"],
    ("CTranslate2-oneDNN", "float32"): ["ct2", "--mkl", "0"],
    ("CTranslate2-oneDNN", "int8"): ["ct2", "--mkl", "0"],
}


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--folder", type=Path, required=True, help="of the model; written first where there is none"
    )
    add("--data", type=Path, help="to write it: folder with train.en and train.de")
    add("--peer-python", required=True, help="an interpreter with transformers and ctranslate2")
    add("--beams", type=int, nargs="+", default=[1, 4])
    add("--batches", type=int, nargs="+", default=[1, 16, 64])
    add("--repeats", type=int, default=5, help="timed turns of each (default: 5)")
    add("--threads", type=int, default=measure.cores(), help="of each side (default: all cores)")
    add("--sides", nargs="+", default=sorted({name for name, _ in SIDES}), help="of these alone")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    if unknown := set(args.sides) - {name for name, _ in SIDES}:
        known = ", ".join(sorted({name for name, _ in SIDES}))
        parser.error(f"--sides knows {known}; not {', '.join(unknown)}")
    if not (args.folder / "model.safetensors").exists() and args.data is None:
        parser.error(f"{args.folder} has no model; --data is needed to write one")
    return args


def peer(args, *options):
    """The command of the peers' script."""
    script = measure.HERE / "peers" / "decode_marian.py"
    return [args.peer_python, script, *options, "--folder", args.folder]


def commands(args):
    """{(side, precision): command}."""
    mine = [sys.executable, measure.HERE / "ours.py", "forced", "--checkpoint", args.folder]
    return {
        (side, precision): [
            *(peer(args, *kind, "--threads", args.threads) if kind else mine),
            *("--precision", precision.split(",")[0]),
            *(["--jit-compile"] if (side, precision) == XLA else []),
        ]
        for (side, precision), kind in SIDES.items()
        if side in args.sides
    }


def jobs_of(sides, rows, num_beams):
    """{(side, precision): function of a turn}."""
    work = {"rows": rows, "num_beams": num_beams, "length": TARGET}
    return {
        name: partial(side.ask, **work)
        for name, side in sides.items()
        if name != XLA or num_beams == len(rows) == 1
    }


def show_task(num_beams, batch_size, answers):
    """Prints the table of a task and returns what is to be written, and the claims of it."""
    speed = {
        name: measure.Figure(tuple(batch_size / turn["seconds"] for turn in turns))
        for name, turns in answers.items()
    }
    found = {name: turns[-1]["found"] for name, turns in answers.items()}
    first = next((texts for name, texts in found.items() if name[0] == "transformers"), None)
    rows, same = [], {}
    for name, figure in speed.items():
        if first is not None:
            same[name] = measure.agreement(found[name], first)
        share = f"{same[name]:.0%}" if name in same else ""
        rows.append([*name, figure.text(2), f"{1000 / figure.median:.1f}", share])
    header = ["side", "precision", "sentences/s", "ms a sentence", "tokens as in transformers"]
    measure.show(f"### {num_beams} beams, batch {batch_size}", "", measure.table(header, rows))
    claims = []
    peers = {name: figure for name, figure in speed.items() if name[0] != "ours"}
    if len(peers) < len(speed):
        name, mine = measure.best(speed, "ours")
        for other, figure in peers.items():
            what = f"ours in {name[1]} over {' '.join(other)}"
            title = f"Marian, {num_beams} beams, batch {batch_size}, sentences/s"
            claims.append(measure.claim(title, (name, mine), (other, figure)))
            measure.show(measure.ratio_text(what, claims[-1]))
    return {"sentences_per_second": measure.named(speed), "same": measure.named(same)}, claims


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    if not (args.folder / "model.safetensors").exists():
        command = [*map(str, peer(args, "build", "--data", args.data))]
        subprocess.run(command, check=True, stdout=sys.stderr)
    sides = measure.start(commands(args), args.threads)
    facts = {name: side.facts for name, side in sides.items()}
    measure.show(measure.heading(machine, facts.values()))
    loads = [[*name, f"{side['seconds']:.2f}"] for name, side in facts.items()]
    measure.show("### Loading, once", "", measure.table(["side", "precision", "seconds"], loads))
    generator = random.Random(0)
    rows = [
        [*(generator.randrange(2, 7000) for _ in range(SOURCE - 1)), 0]
        for _ in range(max(args.batches))
    ]
    tasks, claims = {}, []
    for num_beams in args.beams:
        for batch_size in args.batches:
            measure.say(f"{num_beams} beams, batch {batch_size}")
            jobs = jobs_of(sides, rows[:batch_size], num_beams)
            answers = measure.take_turns(jobs, args.repeats)
            name = f"{num_beams} beams, batch {batch_size}"
            tasks[name], found = show_task(num_beams, batch_size, answers)
            claims += found
    for side in sides.values():
        side.close()
    result = {"benchmark": "marian", "machine": machine, "sides": measure.named(facts)}
    measure.write(args.json, {**result, "tasks": tasks, "claims": claims})


if __name__ == "__main__":
    sys.exit(main())
