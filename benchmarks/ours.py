"""This project's side: one turn of work for every line of standard input, see `measure.Side`."""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, read_lines, read_pairs
from s2s_zoo.generation.searcher import pad
from s2s_zoo.protocol import END, PAD, UNK
from s2s_zoo.protocol.tasks import TRANSLATION
from s2s_zoo.training.losses import SmoothedCrossEntropy
from s2s_zoo.training.optimizers import Adam

CONFIG = Path(__file__).resolve().parent.parent / "recipes" / "translation" / "config.json"
TRAINING = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
FED = {"attention": {"name": "bahdanau", "units": 512}, "input_feeding": True}
ATTENTIONS = {"luong": {}, "bahdanau": FED}  # what each changes in the decoder of the config
THROUGH = {
    "search": {},
    "search, stopped as the peer": {"early_stopping": True},
    "search, XLA": {"jit_compile": True},
}
SEARCHES = {"greedy": {"num_beams": 1}, "beam": {"num_beams": 5, "length_penalty": 1.0}}


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("work", choices=WORK)
    add("--data", type=Path)
    add("--source")
    add("--target")
    add("--precision", choices=TRAINING, required=True)
    add("--config", type=Path, default=CONFIG, help="train: the model and its training")
    add("--attention", choices=ATTENTIONS, default="luong", help="train: instead of the config's")
    add("--tokenizer", type=Path, help="train: a SentencePiece model")
    add("--steps", type=int, help="train: timed steps of one turn")
    add("--checkpoint", type=Path, help="decode, forced: a checkpoint directory")
    add("--jit-compile", action="store_true", help="forced: let XLA compile the search")
    return parser.parse_args(argv)


class Clock(keras.callbacks.Callback):
    """The time at the end of every step."""

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


def recipe_model(config, vocabulary_size):
    """The model of a recipe's config, compiled as the benchmarks train it."""
    training = config["training"]
    for part in ("encoder", "decoder"):
        config["model"][part]["vocabulary_size"] = vocabulary_size
    model = s2s_zoo.Seq2Seq.from_config(config["model"])
    model.compile(
        optimizer=Adam(training["learning_rate"], global_clipnorm=training["clipnorm"]),
        loss=SmoothedCrossEntropy(training["label_smoothing"]),
        jit_compile=False,
    )
    return model


def trainer(args):
    """Returns the model and the work of one turn: the same steps of `fit` each time.

    A step lasts from the end of the one before to its own, so it includes its batch and whatever
    `fit` does around it. The first turn compiles a step for each shape of batch.
    """
    keras.config.set_dtype_policy(TRAINING[args.precision])
    config = json.loads(args.config.read_text(encoding="utf-8"))
    config["model"]["decoder"].update(ATTENTIONS[args.attention])
    tokenizer = SentencePieceTokenizer.load(args.tokenizer)
    model = recipe_model(config, tokenizer.vocabulary_size)
    processor = TextProcessor(tokenizer, tokenizer, **config["processor"])
    pipeline = s2s_zoo.Pipeline("translation", model, processor)
    pairs = read_pairs(tuple(args.data / f"train.{x}" for x in (args.source, args.target)))
    batches = pipeline.batches(pairs, batch_tokens=config["training"]["batch_tokens"], seed=1)
    if args.steps + 4 > len(batches):
        sys.exit(f"--steps {args.steps} is too many: {len(batches)} batches in an epoch.")
    batches = batches.take(args.steps + 1)  # the first has no step before it
    tokens = [int(np.sum(weights)) for _, _, weights in batches][1:]

    made = batches.cache()

    def work(in_memory=False):
        clock = Clock()
        model.fit(made if in_memory else batches, verbose=0, callbacks=[clock])
        return {"tokens": tokens, "seconds": np.diff(clock.times).tolist()}

    return model, work


def decoder(args):
    """Returns the model and the work of one turn: to translate sentences of the test set."""
    pipeline = s2s_zoo.from_pretrained(args.checkpoint, dtype=args.precision)
    longest = pipeline.processor.max_target_length
    lines = list(read_lines(args.data / f"test_2016_flickr.{args.source}"))
    generators = {}

    def through_pipeline(texts, search, batch_size):
        """Text to text. A batch of one is a call for each sentence."""
        options = {**SEARCHES[search], "progress": False}
        start = time.perf_counter()
        if batch_size == 1:
            answers = [pipeline(text, **options) for text in texts]
        else:
            answers = pipeline(texts, batch_size=batch_size, **options)
        return {"seconds": time.perf_counter() - start, "tokens": None, "texts": answers}

    def through_search(texts, search, batch_size, **how):
        """Ids to ids: SentencePiece is outside the time, as it is in the peer's."""
        key = search, *how
        if key not in generators:
            options = {**SEARCHES[search], "suppress_tokens": (UNK,), **how}
            if search == "greedy":  # which has no scores to give, as the peer's has none
                options = {**options, "return_scores": False}
                del options["num_beams"]
            generators[key] = s2s_zoo.Generator(pipeline.model, search, longest, **options)
        rows = pipeline.processor.encode_source(texts)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = [None] * len(rows)
        start = time.perf_counter()
        for first in range(0, len(rows), batch_size):
            batch = order[first : first + batch_size]
            source = pad([rows[i] for i in batch])
            lengths = np.argmax(source == END, axis=1) + 1
            limits = np.minimum(TRANSLATION.longest_target(lengths), longest)
            limits[len(batch) :] = 1  # rows that fill the batch
            tokens = generators[key].generate(source, limits).tokens
            for row, i in enumerate(batch):
                found[i] = tokens[row, 0]
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "tokens": sum(int(np.sum(row != PAD)) for row in found),
            "texts": [pipeline.processor.decode(row) for row in found],
        }

    def work(sentences, search, batch_size, through):
        texts = lines[:sentences]
        if through == "pipeline":
            return through_pipeline(texts, search, batch_size)
        return through_search(texts, search, batch_size, **THROUGH[through])

    return pipeline.model, work


def forced_generator(model, num_beams, length, jit_compile=False):
    """A search that ends at a length that is given, and not before."""
    if num_beams == 1:
        options = {"strategy": "greedy", "return_scores": False}
    else:  # scored and stopped as in transformers
        options = {"num_beams": num_beams, "early_stopping": False, "score_forced": False}
    limits = {"max_length": length, "min_length": length - 1}
    return s2s_zoo.Generator(model, jit_compile=jit_compile, **limits, **options)


def forced_decoder(args):
    """Returns the model and the work of one turn: to decode ids to a length that is given.

    The ids, in and out, are those of the files of an imported checkpoint.
    """
    pipeline = s2s_zoo.from_pretrained(args.checkpoint, dtype=args.precision)
    ids, generators = pipeline.processor.source_tokenizer, {}

    def work(rows, num_beams, length):
        key = num_beams, length
        if key not in generators:
            generators[key] = forced_generator(pipeline.model, *key, args.jit_compile)
        source = ids.places[np.array(rows)].astype("int32")
        start = time.perf_counter()
        found = generators[key].generate(source).tokens[:, 0]
        return {"seconds": time.perf_counter() - start, "found": ids.order[found].tolist()}

    return pipeline.model, work


WORK = {"train": trainer, "decode": decoder, "forced": forced_decoder}


def main():
    args = parse()
    keras.utils.set_random_seed(1)
    start = time.perf_counter()
    model, work = WORK[args.work](args)
    versions = {"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__}
    facts = {
        "versions": {**versions, "tensorflow": tf.__version__, "numpy": np.__version__},
        "parameters": model.count_params(),
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(work(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
