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
MODELS = {"Luong": "luong", "Bahdanau with input feeding": "bahdanau"}
COMPARED = (("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"))
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


def commands(args, tokenizer, attention):
    """{(side, precision): command}, the sides alternating."""
    options = ("--tokenizer", tokenizer, "--steps", args.steps)
    options = (*options, "--attention", attention, "--precision")
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


def report(model, sides, answers):
    """Prints the tables of a model and returns what is to be written of it."""
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
    measure.show(f"### {model}")
    measure.show(measure.table([*header, "parameters"], rows))
    claims = []
    for mine, theirs in COMPARED:
        if not {("ours", mine), ("peer", theirs)} <= whole.keys():
            continue
        both = best_in(whole, "ours", mine), best_in(whole, "peer", theirs)
        claims.append(measure.claim(f"training {model}, target tokens/s", *both))
        what = f"target tokens/s, ours in {mine} over peer in {both[1][0][1]}"
        measure.show(measure.ratio_text(what, claims[-1]))
    return {
        "target_tokens_per_second": measure.named(whole),
        "target_tokens_per_second_of_the_median_step": measure.named(step),
        "claims": claims,
    }


def best_in(found, side, precision):
    """The best of a side among those in a precision, compiled or not."""
    return measure.best({k: v for k, v in found.items() if k[1].startswith(precision)}, side)


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    facts, models = {}, {}
    with tempfile.TemporaryDirectory() as work:
        tokenizer = Path(work) / "tokenizer.model"
        measure.say("learning the vocabulary")
        train_tokenizer(args, tokenizer)
        for model, attention in MODELS.items():
            measure.say(model)
            sides = measure.start(commands(args, tokenizer, attention), args.threads)
            if not facts:
                measure.show(measure.heading(machine, [side.facts for side in sides.values()]))
            answers = measure.take_turns(work_of(sides), args.repeats)
            models[model] = report(model, sides, answers)
            facts |= {(model, *name): side.facts for name, side in sides.items()}
            for side in sides.values():
                side.close()
    result = {
        "benchmark": "train",
        "machine": machine,
        "steps": args.steps,
        "sides": measure.named(facts),
        "models": models,
        "claims": [claim for found in models.values() for claim in found.pop("claims")],
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())
