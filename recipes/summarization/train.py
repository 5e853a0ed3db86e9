"""Train or fine-tune a summarization model. Read top to bottom; the README has the commands.

python recipes/summarization/train.py --data acl_titles --since 2016 --output run
"""

import argparse
import hashlib
import sys
import warnings
from functools import partial
from pathlib import Path

from s2s_zoo.distribution import data_parallel
from s2s_zoo.errors import DataError

import s2s_zoo
from s2s_zoo.data import (
    CopyingProcessor,
    SentencePieceTokenizer,
    TextProcessor,
    WordTokenizer,
    read_pairs,
)
from s2s_zoo.protocol.tasks import SUMMARIZATION

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
        help="folders with train and valid .tsv, text TAB summary, .csv, .jsonl or .parquet; or "
        "tables, of which every tenth pair is held out; or hf://datasets/NAME",
    )
    add("--columns", nargs=2, metavar="NAME", help="of the text and of its summary in a table")
    add("--since", type=int, metavar="YEAR", help="only what train.ids says is not older")
    add("--language", default="en", metavar="LANG")
    add("--max-source-length", type=int, metavar="N", help="tokens, the rest is cut off")
    add("--max-target-length", type=int, metavar="N")
    add("--words", action="store_true", help="a vocabulary of words; others are copied")
    add("--no-copy", action="store_true", help="no pointer: only what is in the vocabulary")
    add(
        "--coverage",
        type=float,
        metavar="LAMBDA",
        help="with --from: go on with coverage and its loss, such as 1.0",
    )
    add(
        "--encoder-from",
        metavar="CHECKPOINT",
        help="begin with the encoder, the vocabulary and the embeddings of this one, which reads "
        "the language, such as translation-en-de",
    )
    args = parser.parse_args(argv)
    if args.encoder_from and (args.checkpoint or args.words):
        parser.error("--encoder-from is for a new model with its vocabulary: no --from, no --words")
    if args.coverage and not args.checkpoint:
        parser.error("--coverage goes on from a checkpoint: name it with --from")
    if args.words and args.no_copy:
        parser.error("--words needs the pointer for the words it does not know: no --no-copy")
    config = shared.read_config(args)
    for name in ("max_source_length", "max_target_length"):
        if getattr(args, name) is not None:
            config["processor"][name] = getattr(args, name)
    if args.no_copy:
        config["model"]["decoder"]["pointer"] = False
    return args, config


def load(args, config, split):
    """The pairs of every --data folder, those of --since where it was asked for."""
    pairs = []
    for folder in args.data:
        if sources.is_table(folder):
            pairs += sources.part_of_table(folder, split, partial(read_pairs, columns=args.columns))
            continue
        table = sources.table_of(folder, split)
        if not table.exists():
            raise DataError(f"{table} is missing. Name the folder of the data with --data.")
        known = config["data"].get(folder.name, {}).get(table.name)
        if known and hashlib.sha256(table.read_bytes()).hexdigest() != known:
            warnings.warn(
                f"{table} is not the file that scores are compared on: its sha256 is not {known}.",
                stacklevel=2,
            )
        found = read_pairs(table, columns=args.columns)
        if args.since:
            found = recent(found, folder / f"{split}.ids", args.since)
        pairs += found
    return pairs


def recent(pairs, path, year):
    """Those pairs whose line in an .ids file ends in this year or a later one."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if len(lines) != len(pairs):
        raise DataError(
            f"--since needs a line with a year in {path} for each of {len(pairs)} pairs. "
            f"Received: {len(lines)}. Leave --since out for other data."
        )
    return [pair for pair, line in zip(pairs, lines, strict=True) if int(line.split()[-1]) >= year]


def new_pipeline(args, config, pairs):
    """A vocabulary learnt from the training pairs, and a model that knows nothing yet."""
    kind = "words" if args.words else "sentencepiece"
    tokenizer_class = WordTokenizer if args.words else SentencePieceTokenizer
    texts = (text for pair in pairs for text in pair)
    tokenizer = shared.vocabulary(args, tokenizer_class, texts, config["tokenizer"][kind])
    for part in ("encoder", "decoder"):
        config["model"][part]["vocabulary_size"] = tokenizer.vocabulary_size
    processor = TextProcessor(tokenizer, tokenizer, **config["processor"])
    if args.words:
        extra_ids = config["extra_ids"]
        config["model"]["decoder"]["extra_ids"] = extra_ids
        processor = CopyingProcessor(
            tokenizer, tokenizer, **config["processor"], extra_ids=extra_ids
        )
    return assembled(args, config, processor)


def assembled(args, config, processor):
    """The pipeline of a new model."""
    return s2s_zoo.Pipeline(
        task="summarization",
        model=s2s_zoo.Seq2Seq.from_config(config["model"]),
        processor=processor,
        generation=config["generation"],
        languages=[args.language],
    )


def with_encoder(args, config):
    """A model whose encoder, vocabulary and embeddings are those of a checkpoint."""
    giver = s2s_zoo.from_pretrained(args.encoder_from)
    tokenizer = getattr(giver.processor, "source_tokenizer", None)
    if tokenizer is None:
        raise DataError(
            "--encoder-from takes the encoder of a checkpoint that reads text. Received: "
            f"{args.encoder_from}, of the task {giver.task}."
        )
    trained, model = giver.model.get_config(), config["model"]
    embedding = {name: trained["encoder"][name] for name in ("vocabulary_size", "embedding_dim")}
    model["encoder"], model["share_embeddings"] = trained["encoder"], True
    model["decoder"].update(embedding)
    if args.dropout is not None:
        model["encoder"]["dropout"] = args.dropout
    processor = TextProcessor(tokenizer, tokenizer, **config["processor"])
    pipeline = assembled(args, config, processor)
    take_over(pipeline.model.encoder, giver.model.encoder)
    return pipeline


def take_over(model, trained):
    """Gives the weights of a model the values that those of another have under the same path."""
    values = {weight.path: weight for weight in trained.weights}
    for variable in model.weights:
        if variable.path in values:
            variable.assign(values[variable.path])


def with_coverage(pipeline, weight):
    """The same model with coverage in its attention, which changes nothing yet, and its loss."""
    config = pipeline.model.get_config()
    config["decoder"]["attention"]["coverage"] = True
    config["decoder"]["coverage_loss"] = weight
    model = s2s_zoo.Seq2Seq.from_config(config)
    take_over(model, pipeline.model)
    return s2s_zoo.Pipeline(
        pipeline.task, model, pipeline.processor, pipeline.generation, pipeline.languages
    )


def main(argv=None):
    args, config = parse(argv)
    with data_parallel(args.devices):
        train(args, config)


def train(args, config):
    shared.prepare(args, config["training"])
    pairs, valid = load(args, config, "train"), load(args, config, "valid")
    if args.checkpoint:
        pipeline = s2s_zoo.from_pretrained(args.checkpoint)
        for name in ("max_source_length", "max_target_length"):
            if getattr(args, name) is not None:
                setattr(pipeline.processor, name, getattr(args, name))
        if args.learning_rate is None:
            config["training"]["learning_rate"] = tuning.RATE
        if args.coverage:
            pipeline = with_coverage(pipeline, args.coverage)
    elif args.encoder_from:
        pipeline = with_encoder(args, config)
    else:
        pipeline = new_pipeline(args, config, pairs)
    tuned = {"optimizer": tuning.gentle} if args.checkpoint else {}
    shared.train(args, config["training"], pipeline, pairs, valid, SUMMARIZATION.metrics, **tuned)


if __name__ == "__main__":
    shared.run(main)
