"""This project's side of `gpu.py`: a recipe with JAX in one precision, see `measure.Side`.

It prints facts about itself, then an answer for each line of standard input: {"do": "train"} takes
the same steps again, {"do": "search", "strategy": …} decodes the same sources.
"""

import argparse
import importlib.util
import json
import resource
import sys
import time
import zlib
from pathlib import Path

import jax
import keras
import numpy as np

import s2s_zoo
from s2s_zoo.data import FeatureCache
from s2s_zoo.generation.searcher import pad
from s2s_zoo.protocol import PAD

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
SEARCHES = {"greedy": {}, "beam": {"num_beams": 5, "length_penalty": 1.0}}
LONGEST = 32  # tokens of an answer: a model of so few steps may never end by itself


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("task", choices=TASKS)
    add("--precision", choices=POLICIES, required=True)
    add("--data", type=Path, required=True)
    add("--output", type=Path, required=True, help="of the vocabulary, the same for all")
    add("--steps", type=int, required=True, help="of one turn")
    add("--rows", type=int, required=True, help="sources of one search")
    add("--seed", type=int, default=1)
    add("--smallest", action="store_true", help="a tiny model")
    add("--drawn", action="store_true", help="photos are drawn here, not read")
    add("--encoder-weights", type=Path, help="of the network for photos; random where not given")
    return parser.parse_args(argv)


def recipe(task):
    path = RECIPES / task / "train.py"
    spec = importlib.util.spec_from_file_location(f"{task}_recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flags(args, *more):
    shared = ("--data", args.data, "--output", args.output, "--seed", args.seed, "--resume")
    return [str(x) for x in (*shared, "--precision", POLICIES[args.precision], *more)]


def translation(args):
    """Returns the pipeline, its batches and sources to decode."""
    module = recipe("translation")
    options, config = module.parse(flags(args, "--source", "en", "--target", "de"))
    if args.smallest:
        config["tokenizer"]["vocabulary_size"] = 40
        config["model"]["encoder"].update(embedding_dim=8, units=4)
        config["model"]["decoder"].update(embedding_dim=8, units=8)
        config["training"]["batch_tokens"] = 128
    module.shared.prepare(options, config["training"])
    pairs = module.load(options, "train")
    pipeline = module.new_pipeline(options, config, pairs)
    made, _ = module.shared.ready(options, config["training"], pipeline, pairs)
    texts = [source for source, _ in module.load(options, "valid")][: args.rows]
    sources = pad(pipeline.processor.encode_source(texts))
    return pipeline, pipeline.batches(pairs, **made), sources


def captioning(args):
    """As `translation`, the first phase of the recipe: the network for photos is frozen."""
    module = recipe("captioning")
    weights = args.encoder_weights or args.output / "random.weights.h5"
    options, config = module.parse(flags(args, "--encoder-weights", weights))
    if args.smallest:
        config["tokenizer"]["vocabulary_size"] = 16
        config["processor"]["size"] = config["model"]["encoder"]["size"] = [64, 64]
        config["model"]["encoder"].update(alpha=0.25, projection=8)
        config["model"]["decoder"].update(embedding_dim=8, units=8)
        config["training"]["batch_tokens"] = 64
    settings = {**config["training"], **config["phases"]["frozen"]}
    module.shared.prepare(options, settings)
    if not weights.exists():
        encoder = config["model"]["encoder"]
        shape = (*encoder["size"], 3)
        keras.applications.MobileNet(
            shape, encoder["alpha"], include_top=False, weights=None
        ).save_weights(weights)
    pairs, valid = module.load(args.data)
    path = args.output / "tokenizer.model"
    pipeline = module.new_pipeline(options, config, pairs, path)
    if args.drawn:
        pipeline.processor.encode_source = lambda names: [
            drawn(name, pipeline.processor.size) for name in names
        ]
    pipeline.model.encoder.freeze(settings["train_from"])
    images = FeatureCache(pipeline, [name for name, _ in pairs], args.output / "features")
    make = module.optimizer_for(pipeline.model.encoder)
    made, _ = module.shared.ready(options, settings, pipeline, pairs, make, images=images)
    names = [name for name, _ in valid][: args.rows]
    return (
        pipeline,
        pipeline.batches(pairs, **made),
        np.stack(pipeline.processor.encode_source(names)),
    )


TASKS = {"translation": translation, "captioning": captioning}


def drawn(name, size):
    """Pixels (H, W, 3) that depend on the name alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).integers(
        0, 256, (*size, 3), dtype="uint8"
    )


class Turn(keras.utils.PyDataset):
    """The same batches, made before."""

    def __init__(self, batches, steps):
        super().__init__()
        self.batches = [batches[i % len(batches)] for i in range(steps)]
        self.tokens = sum(int(np.sum(weights)) for _, _, weights in self.batches)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def memory():
    """The most bytes held so far: of the accelerator or, where it does not tell, of the process."""
    found = jax.devices()[0].memory_stats() or {}
    return found.get("peak_bytes_in_use") or (
        1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )


def main():
    args = parse()
    args.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    pipeline, batches, sources = TASKS[args.task](args)
    turn, model, generators = Turn(batches, args.steps), pipeline.model, {}

    def train():
        """The steps of a turn: the first compiles one for each shape of batch."""
        begun = time.perf_counter()
        loss = model.fit(turn, verbose=0).history["loss"][0]  # a number, so all has been computed
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "tokens": turn.tokens, "loss": loss, "memory": memory()}

    def search(strategy):
        if strategy not in generators:
            generators[strategy] = s2s_zoo.Generator(model, strategy, LONGEST, **SEARCHES[strategy])
        begun = time.perf_counter()
        tokens = generators[strategy].generate(sources).tokens[:, 0]
        seconds = time.perf_counter() - begun
        found = int(np.sum(np.asarray(tokens) != PAD))
        return {"seconds": seconds, "rows": len(sources), "tokens": found, "memory": memory()}

    versions = {"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__, "jax": jax.__version__}
    facts = {
        "versions": versions,
        "device": jax.devices()[0].device_kind,
        "parameters": model.count_params(),
        "shapes": sorted({tuple(labels.shape) for _, labels, _ in turn.batches}),
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(facts), flush=True)
    work = {"train": train, "search": search}
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(work[asked.pop("do")](**asked)), flush=True)


if __name__ == "__main__":
    main()
