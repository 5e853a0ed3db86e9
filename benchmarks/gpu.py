"""Mixed precision on a GPU: training and search with JAX, PyTorch beside it, one command.

python benchmarks/gpu.py --data multi30k --output runs/gpu --minutes 12

It needs no TensorFlow: JAX, torch, and what s2s_zoo needs besides. --train NAME trains a recipe
instead, and leaves it in pieces that can be fetched.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import measure
from pieces import join, split

PRECISIONS = ("float32", "bfloat16", "float16")
TASKS = ("translation", "captioning")
OTHER = "float32, another seed"  # what the losses of one precision differ by in themselves
RECIPES = measure.HERE.parent / "recipes"
GPU = shutil.which("nvidia-smi")
NEEDED = 60  # seconds: a part for which less is left is not begun


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="after --: flags of the recipe of --train"
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="DIR")
    add("--minutes", type=float, default=12, help="of all together (default: 12)")
    add("--max-file-mb", type=float, default=20, help="larger files are put into pieces")
    add("--data", type=Path, help="Multi30k, {train,val}.{en,de}; made up where not given")
    add("--photos", type=Path, help="the captioning recipe's data; made up where not given")
    add("--encoder-weights", type=Path, help="of the network for photos, .weights.h5")
    add("--tasks", nargs="+", choices=TASKS, default=TASKS)
    add("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    add("--steps", type=int, default=100, help="of a turn of training (default: 100)")
    add("--repeats", type=int, default=3, help="timed turns (default: 3)")
    add("--rows", type=int, default=256, help="sources decoded at once (default: 256)")
    add("--peer", choices=("compiled", "plain", "none"), default="compiled")
    add("--smallest", action="store_true", help="tiny models, to see that all of it runs")
    add("--train", metavar="NAME", choices=[*TASKS, "summarization"], help="train this recipe")
    add("--join", action="store_true", help="make the files in --output whole again, and no more")
    argv = sys.argv[1:] if argv is None else list(argv)
    cut = argv.index("--") if "--" in argv else len(argv)
    args = parser.parse_args(argv[:cut])
    args.flags = argv[cut + 1 :]
    if min(args.steps, args.repeats, args.rows, args.minutes, args.max_file_mb) <= 0:
        parser.error("--steps, --repeats, --rows, --minutes and --max-file-mb are more than 0")
    if args.flags and not args.train:
        parser.error("what stands after -- is for the recipe of --train")
    return args


def made_up(folder, rows, words):
    """Sentences and captions of made up words, for machines that have no data.

    The target of a sentence is its words in reverse, so that there is something to learn.
    """
    draw = random.Random(1)
    known = [
        "".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 7))) for _ in range(words)
    ]
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for split_name, count in (("train", rows), ("val", max(8, rows // 20))):
        texts = [draw.choices(known, k=draw.randint(3, 20)) for _ in range(count)]
        for language, step in (("en", 1), ("de", -1)):
            lines = (" ".join(text[::step]) for text in texts)
            (folder / f"{split_name}.{language}").write_text("\n".join(lines), encoding="utf-8")
    names = [f"{i}.jpg" for i in range(max(16, rows // 20))]
    lines = (f"{name}\t{' '.join(draw.choices(known, k=8))}\n" for name in names for _ in range(3))
    (photos / "captions.tsv").write_text("".join(lines), encoding="utf-8")
    (photos / "train.txt").write_text("\n".join(names[:-8]), encoding="utf-8")
    (photos / "dev.txt").write_text("\n".join(names[-8:]), encoding="utf-8")


def ours(args, task, precision):
    """The command of this project's side."""
    data = {"translation": args.data, "captioning": args.photos}[task]
    made = args.output / "data"
    seed = 2 if precision == OTHER else 1
    options = ["--precision", precision.split(",")[0], "--seed", seed, "--steps", args.steps]
    options += ["--data", data or (made if task == "translation" else made / "photos")]
    options += ["--output", args.output / task, "--rows", args.rows]
    options += ["--smallest"] * args.smallest + ["--drawn"] * (data is None)
    if args.encoder_weights:
        options += ["--encoder-weights", args.encoder_weights]
    return [sys.executable, measure.HERE / "gpu_side.py", task, *options]


def peer(args, precision):
    """The command of the PyTorch side, with the vocabulary that ours has learnt."""
    options = ["--source", "en", "--target", "de", "--data", args.data or args.output / "data"]
    options += ["--tokenizer", args.output / "translation" / "tokenizer.model"]
    options += ["--precision", precision, "--steps", args.steps, "--threads", measure.cores()]
    options += ["--device", "auto"] + ["--compile"] * (args.peer == "compiled")
    return [sys.executable, measure.HERE / "peers" / "train_torch.py", "train", *options]


def work(command, repeats, searches, until):
    """What a side says of itself, of every turn of training, and of its searches."""
    left = until - time.monotonic()
    if left < NEEDED:
        return {"left out": f"{max(0, left):.0f} s of --minutes were left"}
    variables = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    found = {}
    try:
        side = measure.Side(command, measure.cores(), variables, left)
        found |= side.facts
        asked = {"do": "train"} if searches else {}
        found["turns"] = [side.ask(**asked) for _ in range(1 + repeats)]
        for strategy in searches:
            calls = [side.ask(do="search", strategy=strategy) for _ in range(3)]
            found[strategy] = calls
        side.close()
    except SystemExit as error:  # of this side; the others go on
        found["failed"] = str(error)
    return found


def rows(results):
    """The lines of the table: one for each side that has trained."""
    for name, found in results.items():
        if "turns" not in found:
            why = found.get("failed") or found["left out"]
            yield [name, ": ".join(why.splitlines()[-2:]), *[""] * 6]
            continue
        first, *turns = found["turns"]
        rate = measure.Figure(tuple(sum_of(x, "tokens") / sum_of(x, "seconds") for x in turns))
        decoded = [
            f"{calls[0]['rows'] / min(x['seconds'] for x in calls[1:]):,.0f} "
            f"({calls[0]['seconds']:.1f} s)"
            if (calls := found.get(strategy))
            else ""
            for strategy in ("greedy", "beam")
        ]
        peak = max(x.get("memory", 0) for x in found["turns"])
        loss = turns[-1].get("loss")
        yield [
            name,
            rate.text(),
            f"{sum_of(first, 'seconds'):.1f}",
            f"{peak / 2**20:,.0f}" if peak else "",
            "" if loss is None else f"{loss:.4f}",
            *decoded,
            f"{found['parameters']:,}",
        ]


def sum_of(turn, name):
    return sum(turn[name]) if isinstance(turn[name], list) else turn[name]


def losses(results):
    """How far the last loss of each precision is from that of float32, beside that of a seed."""
    last = {
        name.removeprefix("ours, "): found["turns"][-1]["loss"]
        for name, found in results.items()
        if name.startswith("ours") and "turns" in found
    }
    if not {"float32", OTHER} <= last.keys():
        return {}
    noise = abs(last[OTHER] - last["float32"])
    return {
        precision: {
            "difference": loss - last["float32"],
            "of a seed": noise,
            "within noise": abs(loss - last["float32"]) <= max(3 * noise, 0.01 * last["float32"]),
        }
        for precision, loss in last.items()
        if precision not in ("float32", OTHER)
    }


def report(args, whole):
    """Writes what was measured so far, as JSON and as Markdown."""
    measure.write(args.output / "gpu.json", whole)
    header = ["side", "target tokens/s", "first turn, s", "peak MB", "loss"]
    header += ["greedy sources/s (first)", "beam 5 sources/s (first)", "parameters"]
    lines = [measure.heading(whole["machine"], whole["sides"]), whole["device"]]
    for task, results in whole["tasks"].items():
        lines += [f"### {task}", measure.table(header, rows(results))]
        for precision, found in losses(results).items():
            verdict = "within" if found["within noise"] else "NOT within"
            lines.append(
                f"loss of {precision}: {found['difference']:+.4f} beside float32, {verdict} three "
                f"times what another seed makes ({found['of a seed']:.4f}), or 1 %"
            )
    text = "\n\n".join(lines)
    (args.output / "gpu.md").write_text(text + "\n", encoding="utf-8")
    return text


def accelerator():
    """What the driver says of the GPU."""
    if GPU is None:
        return "no GPU of NVIDIA"
    query = [GPU, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True).stdout.strip()


def compare(args, until):
    """All sides, one after the other: each has the device for itself."""
    if args.data is None or args.photos is None:
        made_up(args.output / "data", *((200, 15) if args.smallest else (20_000, 12_000)))
    whole = {"benchmark": "gpu", "machine": measure.machine(measure.cores())}
    whole |= {"device": accelerator(), "sides": [], "tasks": {}}
    for task in args.tasks:
        results = whole["tasks"][task] = {}
        precisions = [*args.precisions, *[OTHER] * ("float32" in args.precisions)]
        sides = {f"ours, {x}": (ours(args, task, x), True) for x in precisions}
        if task == "translation" and args.peer != "none":
            known = [x for x in args.precisions if GPU or x != "float16"]  # a CPU has none of it
            sides |= {f"PyTorch {args.peer}, {x}": (peer(args, x), False) for x in known}
        for name, (command, searches) in sides.items():
            measure.say(f"{task}: {name}")
            found = work(command, args.repeats, ("greedy", "beam") * searches, until)
            results[name] = found
            whole["sides"] += [found] * ("versions" in found)
            text = report(args, whole)
    measure.show(text)
    return int(any("failed" in x for results in whole["tasks"].values() for x in results.values()))


def train(args, until):
    """Trains a recipe as far as the time allows; the same command later goes on from there."""
    folder = args.output / args.train
    join(folder)
    command = [sys.executable, RECIPES / args.train / "train.py", *args.flags]
    command += ["--output", folder, "--resume"]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    left = max(1, until - time.monotonic())
    try:
        code = subprocess.run(list(map(str, command)), env=environment, timeout=left).returncode
    except subprocess.TimeoutExpired:
        measure.say(f"--minutes are over: {folder} is that of the last whole epoch")
        code = 0
    count = split(folder, int(args.max_file_mb * 2**20)) if folder.exists() else 0
    measure.say(f"{count} files of {folder} are in pieces: --join makes them whole again")
    return code


def main(argv=None):
    args = parse(argv)
    until = time.monotonic() + 60 * args.minutes
    args.output.mkdir(parents=True, exist_ok=True)
    args.output = args.output.resolve()
    if args.join:
        for folder in (args.output, *(x for x in args.output.iterdir() if x.is_dir())):
            join(folder)
        return 0
    if args.train:
        return train(args, until)
    code = compare(args, until)
    split(args.output, int(args.max_file_mb * 2**20))
    return code


if __name__ == "__main__":
    sys.exit(main())
