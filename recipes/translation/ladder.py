"""Trains every preset with the same data and epochs, and writes what comes of it as a table.

python recipes/translation/ladder.py --data multi30k --source de --target en --output ladder
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # other recipes have a train.py too

import train as recipe  # noqa: E402
from s2s_zoo.metrics import corpus_score  # noqa: E402
from s2s_zoo.presets import PRESETS  # noqa: E402

import s2s_zoo  # noqa: E402

HEAD = "| preset | parameters | minutes | BLEU | sentences/s |\n|---|---|---|---|---|"


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Further flags are those of train.py and hold for every preset.",
    )
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="folders, as for train.py")
    add("--source", required=True, metavar="LANG")
    add("--target", required=True, metavar="LANG")
    add("--columns", nargs=2, metavar="LANG", help="as for train.py")
    add("--output", type=Path, required=True, help="folder for a run of each, and ladder.md")
    add("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="NAME")
    add("--epochs", type=int, default=8)
    add("--test", default="test_2016_flickr", help="the files of --data to be scored on")
    add("--num-beams", type=int, default=5)
    return parser.parse_known_args(argv)


def train(args, more, name):
    """Trains a preset in a process of its own, from where an earlier one was cut off."""
    columns = ["--columns", *args.columns] if args.columns else []
    command = [
        *(sys.executable, HERE / "train.py", "--preset", name, "--resume"),
        *("--data", *args.data, "--source", args.source, "--target", args.target, *columns),
        *("--epochs", args.epochs, "--output", args.output / name, *more),
    ]
    if failed := subprocess.run(list(map(str, command)), check=False).returncode:
        sys.exit(f"ladder.py: error: {name} was not trained, train.py ended with {failed}.")


def measure(args, name, pairs):
    """Returns the row of a trained preset: what it cost, and what it does on held-out pairs."""
    sources, targets = map(list, zip(*pairs, strict=True))
    pipeline = s2s_zoo.from_pretrained(args.output / name / "best")
    pipeline(sources, num_beams=args.num_beams)  # the first call also makes its graphs
    start = time.perf_counter()
    texts = pipeline(sources, num_beams=args.num_beams)
    seconds = time.perf_counter() - start
    score = corpus_score("bleu", texts, targets)
    report = json.loads((args.output / name / "report.json").read_text(encoding="utf-8"))
    return {
        "preset": name,
        "parameters": pipeline.model.count_params(),
        "minutes": report["minutes"],
        "bleu": score.value,
        "signature": score.signature,
        "num_beams": args.num_beams,
        "sentences_per_second": len(sources) / seconds,
    }


def table(rows):
    """Returns the rows as a table of Markdown."""
    lines = [
        f"| `{row['preset']}` | {row['parameters'] / 1e6:.1f} M | {row['minutes']:.0f} "
        f"| {row['bleu']:.1f} | {row['sentences_per_second']:.0f} |"
        for row in rows
    ]
    return "\n".join([HEAD, *lines])


def main(argv=None):
    args, more = parse(argv)
    pairs = [pair for data in args.data for pair in recipe.of_folder(args, data, [args.test])]
    rows = []
    for name in args.presets:
        path = args.output / name / "row.json"
        if not path.exists():
            train(args, more, name)
            row = measure(args, name, pairs)
            path.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
        rows.append(json.loads(path.read_text(encoding="utf-8")))
        (args.output / "ladder.md").write_text(table(rows) + "\n", encoding="utf-8")
    print(f"\n{table(rows)}\n\n{rows[0]['signature']}, {rows[0]['num_beams']} beams")


if __name__ == "__main__":
    recipe.shared.run(main)
