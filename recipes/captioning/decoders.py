"""Trains decoders on the same features for the same minutes, and writes a table of what they do.

python recipes/captioning/decoders.py --data flickr8k --minutes 60 --output decoders \
    --encoder-weights efficientnet_lite0.weights.h5
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import s2s_zoo
from s2s_zoo import DataError
from s2s_zoo.training.metrics import corpus_scores

HERE = Path(__file__).parent
METRICS = ("bleu_1", "bleu_4", "cider")
HEAD = (
    "| decoder | its parameters | epochs | minutes | BLEU-1 | BLEU-4 | CIDEr | photos/s |\n"
    "|---|---|---|---|---|---|---|---|"
)


def sibling(name):
    """A script of this folder; other recipes have scripts of the same names."""
    spec = importlib.util.spec_from_file_location(f"captioning_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = sibling("train")


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Further flags are those of train.py and hold for every decoder.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder, as for train.py")
    add("--encoder-weights", required=True, metavar="FILE", help="as for train.py")
    add("--minutes", type=float, required=True, help="of training, for each decoder")
    add("--output", type=Path, required=True, help="folder for a run of each, and decoders.md")
    add("--config", type=Path, default=HERE / "efficientnet_lite0.json", help="what all share")
    add("--candidates", type=Path, default=HERE / "decoders.json", help="what they differ in")
    add("--decoders", nargs="+", metavar="NAME", help="of the candidates; default: all")
    add("--num-beams", type=int, default=5)
    args, more = parser.parse_known_args(argv)
    if not args.minutes > 0:
        parser.error(f"--minutes is more than 0. Received: {args.minutes}")
    candidates = json.loads(args.candidates.read_text(encoding="utf-8"))
    unknown = set(args.decoders or ()) - set(candidates)
    if unknown:
        parser.error(f"--decoders: {min(unknown)} is none of {', '.join(candidates)}")
    args.candidates = {name: candidates[name] for name in args.decoders or candidates}
    return args, more


def config_of(base, candidate):
    """The configuration of a run: what all share, with what a candidate says in its place."""
    config = json.loads(json.dumps(base))
    config["model"]["encoder"].update(candidate.get("encoder", {}))
    config["model"]["decoder"] = candidate.get("decoder", config["model"]["decoder"])
    config["phases"]["frozen"].update(candidate.get("frozen", {}))
    return config


def train(args, more, config, epochs, output):
    """Trains in a process of its own, from where an earlier one was cut off."""
    command = [
        *(sys.executable, HERE / "train.py", "--resume", "--phases", "frozen"),
        *("--config", config, "--data", args.data, "--encoder-weights", args.encoder_weights),
        *("--features", args.output / "features", "--epochs", epochs, "--output", output, *more),
    ]
    if failed := subprocess.run(list(map(str, command)), check=False).returncode:
        sys.exit(f"decoders.py: error: {output} was not trained, train.py ended with {failed}.")
    return json.loads((output / "frozen" / "report.json").read_text(encoding="utf-8"))


def held_out(args, config):
    """The photos of dev.txt that choose no epoch, and the captions of each.

    Raises:
        DataError: if there is none.
    """
    _, valid = recipe.load(args.data)
    chosen = {name for name, _ in recipe.shared.choosing(config["training"], valid)}
    rest = [pair for pair in valid if pair[0] not in chosen]
    if not rest:
        raise DataError(
            f"All {len(valid)} photos of dev.txt choose epochs, so none is left to compare with. "
            "Make valid_size of the configuration half of them."
        )
    return rest


def measure(args, name, report, photos):
    """Returns the row of a trained decoder: what it cost, and what it writes of held-out photos."""
    files, references = map(list, zip(*photos, strict=True))
    pipeline = s2s_zoo.from_pretrained(args.output / name / "best")
    pipeline(files[:64], num_beams=args.num_beams)  # the first call also makes its graphs
    start = time.perf_counter()
    captions = pipeline(files, num_beams=args.num_beams)
    seconds = time.perf_counter() - start
    scores = corpus_scores(METRICS, captions, references)
    return {
        "decoder": name,
        "parameters": pipeline.model.decoder.count_params(),
        "epochs": len(report["epochs"]),
        "minutes": report["minutes"],
        "scores": {score.name: score.value for score in scores},
        "photos": len(files),
        "num_beams": args.num_beams,
        "photos_per_second": len(files) / seconds,
    }


def table(rows):
    """Returns the rows as a table of Markdown."""

    def scores(row):
        return " | ".join(f"{row['scores'][m]:.1f}" if m in row["scores"] else "" for m in METRICS)

    lines = [
        f"| `{row['decoder']}` | {row['parameters'] / 1e6:.1f} M | {row['epochs']} "
        f"| {row['minutes']:.1f} | {scores(row)} | {row['photos_per_second']:.0f} |"
        for row in rows
    ]
    return "\n".join([HEAD, *lines])


def main(argv=None):
    args, more = parse(argv)
    base = json.loads(args.config.read_text(encoding="utf-8"))
    photos = held_out(args, base)
    rows = []
    for name, candidate in args.candidates.items():
        folder = args.output / name
        if not (folder / "row.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            config = folder / "config.json"
            config.write_text(json.dumps(config_of(base, candidate), indent=2), encoding="utf-8")
            # An epoch, to see how many the minutes are.
            minutes = train(args, more, config, 1, folder / "probe")["minutes"]
            epochs = max(1, int(args.minutes / minutes))
            report = train(args, more, config, epochs, folder)
            row = measure(args, name, report, photos)
            (folder / "row.json").write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
        rows.append(json.loads((folder / "row.json").read_text(encoding="utf-8")))
        (args.output / "decoders.md").write_text(table(rows) + "\n", encoding="utf-8")
    print(f"\n{table(rows)}\n\n{rows[0]['photos']} photos, {rows[0]['num_beams']} beams")


if __name__ == "__main__":
    recipe.shared.run(main)
