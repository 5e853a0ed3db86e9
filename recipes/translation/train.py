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

import sources  # noqa: E402
import training as shared  # noqa: E402
import tuning  # noqa: E402


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    shared.add_arguments(parser, HERE / "config.json")
    add(
        "--data",
        type=sources.data_source,
        nargs="+",
        required=True,
        help="folders with train.LANG and val.LANG, or train and valid .tsv, .csv, .jsonl, .tmx …; "
        "or such tables, of which every tenth pair is held out; or hf://datasets/NAME",
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


def load(args, split):
    """The pairs of all --data, those that are trained on or those that choose the epoch."""
    return [pair for source in args.data for pair in of_source(args, source, split)]


def of_source(args, source, split):
    """Pairs of a split of a table, or of a folder."""
    if sources.is_table(source):
        return sources.part_of_table(source, split, lambda table: of_table(args, table))
    return of_folder(args, source, {"train": ["train"], "valid": ["val", "valid"]}[split])


def of_folder(args, source, names):
    """Pairs of the first of these files, named without their ending, that a folder has."""
    for name in names:
        parallel = source / f"{name}.{args.source}", source / f"{name}.{args.target}"
        if parallel[0].exists():
            return read_pairs(parallel)
        table = sources.table_of(source, name)
        if table.exists():
            return of_table(args, table)
    raise DataError(
        f"{source} has neither {names[0]}.{args.source} and {names[0]}.{args.target} "
        f"nor {names[-1]}.tsv. Name the folder of the data with --data."
    )


def of_table(args, table):
    """Pairs of columns that the languages name; without a header the order says which is which."""
    columns = args.columns or [args.source, args.target]
    if sources.has_header(table, columns):
        return read_pairs(table, columns=columns)
    if sorted(columns) != sorted([args.source, args.target]):
        raise DataError(
            f"--columns names the languages of {table}. Received: {columns}; "
            f"expected {args.source} and {args.target} in some order."
        )
    return read_pairs(table, swap=columns[0] == args.target)


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
    pairs = load(args, "train")
    valid = load(args, "valid")
    tuned = {"optimizer": tuning.gentle} if args.checkpoint else {}
    if args.checkpoint:
        if args.learning_rate is None:
            config["training"]["learning_rate"] = tuning.RATE
        pipeline = s2s_zoo.from_pretrained(args.checkpoint)
        if args.lora:
            s2s_zoo.enable_lora(pipeline.model, args.lora)
    else:
        pipeline = new_pipeline(args, config, pairs)
    shared.train(args, config["training"], pipeline, pairs, valid, ("bleu", "chrf"), **tuned)


if __name__ == "__main__":
    shared.run(main)
