"""Train or fine-tune a translation model. Read top to bottom; the README has the commands.

python recipes/translation/train.py --data multi30k --source en --target de --output run
"""

import argparse
import sys
from pathlib import Path

from s2s_zoo.distribution import data_parallel
from s2s_zoo.errors import DataError
from s2s_zoo.presets import PRESETS

import s2s_zoo
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, read_pairs

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import training as shared  # noqa: E402


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    shared.add_arguments(parser, HERE / "config.json")
    add(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="folders with train.LANG and val.LANG, or train and valid .tsv, .csv, .jsonl, .tmx …",
    )
    add("--source", required=True, metavar="LANG")
    add("--target", required=True, metavar="LANG")
    add("--columns", nargs=2, metavar="LANG", help="of the tables; default: source target")
    add("--preset", choices=PRESETS, help="a published architecture in place of the config's")
    add("--lora", type=int, metavar="RANK", help="with --from: train matrices of this rank alone")
    args = parser.parse_args(argv)
    if args.lora and not args.checkpoint:
        parser.error("--lora adapts a checkpoint: name it with --from")
    if args.preset and args.checkpoint:
        parser.error("--preset is for a new model: leave --from")
    preset = s2s_zoo.preset(args.preset) if args.preset else None
    return args, shared.read_config(args, preset)


def load(args, splits):
    """The pairs of every --data folder for the first of the splits that it has."""
    pairs = []
    for folder in args.data:
        for split in splits:
            parallel = folder / f"{split}.{args.source}", folder / f"{split}.{args.target}"
            table = shared.table_of(folder, split)
            if parallel[0].exists():
                pairs += read_pairs(parallel)
                break
            if table.exists() and table.suffix != ".tsv":
                pairs += read_pairs(table, columns=args.columns or [args.source, args.target])
                break
            if table.exists():
                columns = args.columns or [args.source, args.target]
                if sorted(columns) != sorted([args.source, args.target]):
                    raise DataError(
                        f"--columns names the languages of {table}. Received: {columns}; "
                        f"expected {args.source} and {args.target} in some order."
                    )
                pairs += read_pairs(table, swap=columns[0] == args.target)
                break
        else:
            raise DataError(
                f"{folder} has neither {splits[0]}.{args.source} and {splits[0]}.{args.target} "
                f"nor {splits[-1]}.tsv. Name the folder of the data with --data."
            )
    return pairs


def new_pipeline(args, config, pairs):
    """A vocabulary learnt from the training pairs, and a model that knows nothing yet."""
    sentences = (text for pair in pairs for text in pair)
    tokenizer = shared.vocabulary(args, SentencePieceTokenizer, sentences, config["tokenizer"])
    model = config["model"]
    for part in ("encoder", "decoder"):
        model[part]["vocabulary_size"] = tokenizer.vocabulary_size
    return s2s_zoo.Pipeline(
        task="translation",
        model=s2s_zoo.Seq2Seq.from_config(model),
        processor=TextProcessor(tokenizer, tokenizer, **config["processor"]),
        generation=config["generation"],
        languages=[args.source, args.target],
    )


def main(argv=None):
    args, config = parse(argv)
    with data_parallel(args.devices):
        train(args, config)


def train(args, config):
    shared.prepare(args, config["training"])
    pairs = load(args, ["train"])
    valid = load(args, ["val", "valid"])
    if args.checkpoint:
        pipeline = s2s_zoo.from_pretrained(args.checkpoint)
        if args.lora:
            s2s_zoo.enable_lora(pipeline.model, args.lora)
    else:
        pipeline = new_pipeline(args, config, pairs)
    shared.train(args, config["training"], pipeline, pairs, valid, ("bleu", "chrf"))


if __name__ == "__main__":
    shared.run(main)
