"""Training speed of this project and of its PyTorch peer, in one run. README.md has the rules."""

import functools
import json
import statistics
import sys
import tempfile
from pathlib import Path

import measure

from s2s_zoo.data import SentencePieceTokenizer, read_lines

IN_MEMORY = "ours, batches in memory"  # never the best of "ours": it says what the input costs
CONFIG = measure.HERE.parent / "recipes" / "translation" / "config.json"


def parse(argv=None):
    parser = measure.arguments(__doc__)
    parser.add_argument("--steps", type=int, default=60, help="steps of one turn (default: 60)")
    parser.add_argument(
        "--peer-compile", action="store_true", help="also torch.compile; needs a C++ compiler"
    )
    args = parser.parse_args(argv)
    if args.repeats < 1 or args.steps < 1:
        parser.error("--repeats and --steps count from 1")
    return args


def train_tokenizer(args, path):
    """The vocabulary of the recipe, for both sides."""
    files = [args.data / f"train.{language}" for language in (args.source, args.target)]
    sentences = (line for file in files for line in read_lines(file))
    settings = json.loads(CONFIG.read_text(encoding="utf-8"))["tokenizer"]
    SentencePieceTokenizer.train(sentences, **settings).save(path)


def commands(args, tokenizer):
    """{(side, precision): command}, the sides alternating."""
    options = ("--tokenizer", tokenizer, "--steps", args.steps, "--precision")
    mine = {("ours", p): measure.ours(args, "train", *options, p) for p in measure.PRECISIONS}
    peers = {("peer", p): measure.peer(args, "train", *options, p) for p in measure.PRECISIONS}
    if args.peer_compile:
        for (_, precision), command in list(peers.items()):
            peers["peer", f"{precision}, compiled"] = [*command, "--compile"]
    return measure.alternate(mine, peers)


def work_of(sides):
    """{(side, precision): function of one turn}, ours also with its batches made before."""
    jobs = {}
    for (name, precision), side in sides.items():
        jobs[name, precision] = side.ask
        if name == "ours":
            jobs[IN_MEMORY, precision] = functools.partial(side.ask, in_memory=True)
    return jobs


def figures(answers):
    """Two figures for each side: tokens over seconds of a turn, and the median step's rate."""
    whole, step = {}, {}
    for name, turns in answers.items():
        whole[name] = measure.Figure(tuple(sum(t["tokens"]) / sum(t["seconds"]) for t in turns))
        step[name] = measure.Figure(
            tuple(
                statistics.median(
                    tokens / seconds
                    for tokens, seconds in zip(turn["tokens"], turn["seconds"], strict=True)
                )
                for turn in turns
            )
        )
    return whole, step


def report(args, machine, sides, answers):
    """Prints the tables and writes the JSON."""
    whole, step = figures(answers)
    rows = [
        [
            *name,
            whole[name].text(),
            step[name].text(),
            round(statistics.mean(turns[0]["tokens"])),
            f"{(sides.get(name) or sides['ours', name[1]]).facts['parameters']:,}",
        ]
        for name, turns in answers.items()
    ]
    header = ["side", "precision", "target tokens/s", "of the median step", "tokens a step"]
    measure.show(measure.heading(machine, [side.facts for side in sides.values()]))
    measure.show(measure.table([*header, "parameters"], rows))
    claims = []
    for what, found in (("target tokens/s", whole), ("of the median step", step)):
        (name, mine), (other, peers) = measure.best(found, "ours"), measure.best(found, "peer")
        claims.append(measure.claim(f"training, {what}", (name, mine), (other, peers)))
        title = f"{what}, ours in {name[1]} over peer in {other[1]}"
        measure.show(measure.ratio_text(title, claims[-1]))
    result = {
        "benchmark": "train",
        "machine": machine,
        "steps": args.steps,
        "sides": measure.named({name: side.facts for name, side in sides.items()}),
        "target_tokens_per_second": measure.named(whole),
        "target_tokens_per_second_of_the_median_step": measure.named(step),
        "claims": claims,
    }
    measure.write(args.json, result)


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    with tempfile.TemporaryDirectory() as work:
        tokenizer = Path(work) / "tokenizer.model"
        measure.say("learning the vocabulary")
        train_tokenizer(args, tokenizer)
        sides = measure.start(commands(args, tokenizer), args.threads)
        answers = measure.take_turns(work_of(sides), args.repeats)
        for side in sides.values():
            side.close()
    report(args, machine, sides, answers)


if __name__ == "__main__":
    sys.exit(main())
