"""Gives a trained checkpoint what it reads real text with, and writes it small.

python recipes/translation/real_text/finish.py run/best translation-de-en --languages de en \
    --pairs data/de-en/train.tsv --columns en de

The normal form of texts and the symbols are in the training pairs already, so that they are no
part of the configuration it was trained with.
"""

import argparse
from pathlib import Path

import s2s_zoo
from s2s_zoo.data import TextProcessor
from s2s_zoo.data.text.known_words import KnownWords
from s2s_zoo.data.text.symbols import TEMPLATE


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("checkpoint", type=Path, help="the directory that train.py wrote")
    add("output", type=Path)
    add("--languages", nargs="+", required=True, help="those it reads, and last what it writes")
    add("--pairs", type=Path, help="what it was trained on: the words that it knows")
    add("--columns", nargs=2, metavar="LANGUAGE", help="of --pairs, where not source, target")
    add("--doubt", type=float, help="log-probability of a token: below it a result has a warning")
    add("--weights-dtype", default="int8", choices=("float32", "float16", "bfloat16", "int8"))
    add("--card", type=Path, help="README.md of the checkpoint")
    return parser.parse_args(argv)


def reader(processor, known_words=None):
    """The processor with the normal form, and as many symbols as its vocabulary has."""
    tokenizer = processor.source_tokenizer
    known = 0
    while is_unit(TEMPLATE.format(known + 1), tokenizer):
        known += 1
    return TextProcessor(
        tokenizer,
        processor.target_tokenizer,
        processor.max_source_length,
        processor.max_target_length,
        normalize=True,
        symbols={"template": TEMPLATE, "limit": known} if known else None,
        known_words=known_words,
    )


def is_unit(symbol, tokenizer):
    return tokenizer.decode([tokenizer.encode([symbol])[0][-1:]]) == [symbol]


def main(argv=None):
    args = parse(argv)
    pipeline = s2s_zoo.from_pretrained(args.checkpoint)
    words = None
    if args.pairs:
        swap = args.columns is not None and args.columns[0] == args.languages[-1]
        pairs = s2s_zoo.read_pairs(args.pairs, swap=swap)
        words = KnownWords.collect(target for _, target in pairs)
    pipeline.processor = reader(pipeline.processor, words)
    pipeline.languages = args.languages
    if args.doubt is not None:
        pipeline.doubt = args.doubt
    card = args.card.read_text(encoding="utf-8") if args.card else None
    pipeline.save(args.output, weights_dtype=args.weights_dtype, card=card)


if __name__ == "__main__":
    main()
