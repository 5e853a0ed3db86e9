"""Decoding speed and cold start, beside the PyTorch peer, in one run. README.md has the rules."""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import measure
from peer_weights import convert

from s2s_zoo.data import read_lines
from s2s_zoo.training.metrics import corpus_score

TASKS = {
    "greedy, batch 64": {"search": "greedy", "batch_size": 64},
    "beam 5, batch 32": {"search": "beam", "batch_size": 32},
    "greedy, one at a time": {"search": "greedy", "batch_size": 1},
}
XLA = "search, XLA"  # in float32 alone: XLA on a CPU has no fast products in bfloat16
STOPPED = "search, stopped as the peer"  # of beams alone: with as many finished as there are beams
THROUGH = ("pipeline", "search", STOPPED, XLA)
TEXT = "A man in a blue shirt is standing on a ladder."
# What the s2s-zoo script does, wherever the package is installed.
COMMAND = "import sys; from s2s_zoo.apps.cli.main import main; sys.exit(main())"


def parse(argv=None):
    parser = measure.arguments(__doc__)
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="a directory, of the translation recipe")
    add("--sentences", type=int, default=1000, help="of the test set, in batches (default: 1000)")
    add("--single", type=int, default=200, help="of the test set, one at a time (default: 200)")
    args = parser.parse_args(argv)
    if min(args.repeats, args.sentences, args.single) < 1:
        parser.error("--repeats, --sentences and --single count from 1")
    return args


def commands(args, weights):
    """{(side, precision): command}, the sides alternating; `weights` is the file for the peer."""
    tokenizer = ("--tokenizer", args.checkpoint / "tokenizer.model")
    mine = ("decode", "--checkpoint", args.checkpoint, "--precision")
    peers = ("decode", *tokenizer, "--weights", weights, "--precision")
    return measure.alternate(
        {("ours", p): measure.ours(args, *mine, p) for p in measure.PRECISIONS},
        {("peer", p): measure.peer(args, *peers, p) for p in measure.PRECISIONS},
    )


def jobs(sides, task):
    """{(side, precision, through): function}, the sides alternating."""
    mine = {
        (*name, through): partial(side.ask, through=through, **task)
        for through in THROUGH
        for name, side in sides.items()
        if name[0] == "ours"
        and (through != XLA or name[1] == "float32")
        and (through != STOPPED or task["search"] == "beam")
    }
    peers = {
        (*name, "search"): partial(side.ask, **task)
        for name, side in sides.items()
        if name[0] == "peer"
    }
    return measure.alternate(mine, peers)


def show_task(title, count, answers, references):
    """Prints the table of a task and returns what is to be written, and the claims of it."""
    speed = {
        name: measure.Figure(tuple(count / turn["seconds"] for turn in turns))
        for name, turns in answers.items()
    }
    bleu, length = {}, {}
    rows = []
    for name, turns in answers.items():
        last = turns[-1]
        bleu[name] = corpus_score("bleu", last["texts"], references[:count]).value
        length[name] = last["tokens"] and last["tokens"] / count
        rows.append(
            [
                *name,
                speed[name].text(1),
                f"{1000 / speed[name].median:.2f}",
                f"{length[name] * speed[name].median:,.0f}" if length[name] else "",
                f"{length[name]:.1f}" if length[name] else "",
                f"{bleu[name]:.1f}",
            ]
        )
    header = ["side", "precision", "through", "sentences/s", "ms a sentence", "tokens/s"]
    measure.show(f"### {title}, {count} sentences")
    measure.show(measure.table([*header, "tokens a sentence", "BLEU"], rows))
    other, peers = measure.best(speed, "peer")
    claims = []
    for through in (("pipeline",), ("search", XLA), (STOPPED,)):
        part = {name: value for name, value in speed.items() if name[2] in through}
        if not any(name[0] == "ours" for name in part):
            continue
        name, mine = measure.best(part, "ours")
        what = f"sentences/s, ours through {name[2]} in {name[1]} over peer in {other[1]}"
        claims.append(
            measure.claim(f"decoding, {title}, sentences/s", (name, mine), (other, peers))
        )
        measure.show(measure.ratio_text(what, claims[-1]))
    return {
        "sentences": count,
        "sentences_per_second": measure.named(speed),
        "tokens_a_sentence": measure.named(length),
        "bleu": measure.named(bleu),
    }, claims


def process_seconds(args, *command):
    """Returns how long a fresh process takes from its start to its end."""
    environment = measure.environment(args.threads)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return seconds


def cold_start(args):
    """Prints the table of whole processes and returns what is to be written, and its claim."""
    answers = measure.take_turns(
        {
            ("s2s-zoo translate",): lambda: process_seconds(
                args, "-c", COMMAND, "translate", "--model", args.checkpoint, TEXT
            ),
            ("import tensorflow, tensorflow_text",): lambda: process_seconds(
                args, "-c", "import tensorflow, tensorflow_text"
            ),
        },
        args.repeats,
    )
    figures = {name: measure.Figure(tuple(seconds)) for name, seconds in answers.items()}
    rows = [[*name, figure.text(2)] for name, figure in figures.items()]
    found = measure.claim("cold start, seconds, less is better", *figures.items())
    measure.show("### Cold start, a fresh process whose files are in the page cache")
    measure.show(measure.table(["process", "seconds"], rows))
    measure.show(measure.ratio_text("seconds, translating over importing", found))
    return {"seconds": measure.named(figures)}, found


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    references = list(read_lines(args.data / f"test_2016_flickr.{args.target}"))
    with tempfile.TemporaryDirectory() as work:
        weights = Path(work) / "weights.npz"
        convert(args.checkpoint, weights)
        sides = measure.start(commands(args, weights), args.threads)
    facts = {name: side.facts for name, side in sides.items()}
    measure.show(measure.heading(machine, facts.values()))
    tasks, claims = {}, []
    for title, task in TASKS.items():
        count = min(args.single if task["batch_size"] == 1 else args.sentences, len(references))
        measure.say(title)
        work = jobs(sides, {**task, "sentences": count})
        # One sentence at a time is compiled further on the way, see `TieredGenerator`.
        answers = measure.take_turns(work, args.repeats, 5 if task["batch_size"] == 1 else 1)
        tasks[title], found = show_task(title, count, answers, references)
        claims += found
    for side in sides.values():
        side.close()
    measure.say("cold start")
    cold, found = cold_start(args)
    result = {
        "benchmark": "decode",
        "machine": machine,
        "sides": measure.named(facts),
        "tasks": tasks,
        "cold_start": cold,
        "claims": [*claims, found],
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())
