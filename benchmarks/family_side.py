"""This project's side of `families.py`: a checkpoint that decodes, see `measure.Side`."""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import json
import sys
import time
from pathlib import Path

import family_sizes
import keras
import memory
import numpy as np
import tensorflow as tf
from ours import forced_generator

import s2s_zoo.checkpoints.pretrained.loader
import s2s_zoo.pipeline.loading
from s2s_zoo.protocol import PAD, START


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="of the model")
    add("--precision", default="float32")
    return parser.parse_args(argv)


def loaded(args):
    """Returns facts about the model that was loaded, and the function of a turn."""
    tf.zeros(1)
    said = json.loads((args.folder / "source.json").read_text(encoding="utf-8"))
    pipeline, facts = memory.loading(
        lambda: s2s_zoo.pipeline.loading.from_pretrained(args.folder, dtype=args.precision)
    )
    model, processor, generators = pipeline.model, pipeline.processor, {}
    facts["weights"] = sum(np.prod(w.shape, dtype=int) * itemsize(w) for w in model.weights)
    facts["versions"] = {
        **{"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__},
        **{"tensorflow": tf.__version__, "numpy": np.__version__},
    }
    # Neither padding nor what stands in the place of the start is ever written.
    facts["suppressed"] = processor.order[[PAD, START]].tolist()

    def work(rows, num_beams, length, jit_compile=False):
        key = num_beams, length, jit_compile
        if key not in generators:
            generators[key] = forced_generator(model, *key)
        source = family_sizes.drawn(said, rows)
        if source.ndim == 2:
            source = processor.source_tokenizer.places[source].astype("int32")
        elif "columns" in said:  # a place is two numbers here, as `s2s_zoo.data.in_patches` has it
            places = np.stack(np.divmod(source[..., :2], 256), axis=-1).reshape(
                *source.shape[:2], 4
            )
            source = np.concatenate([places, source[..., 2:]], axis=-1)
        start = time.perf_counter()
        found = generators[key].generate(source).tokens[:, 0]
        return {"seconds": time.perf_counter() - start, "found": processor.order[found].tolist()}

    return facts, work


def itemsize(weight):
    """Bytes of one number."""
    return tf.as_dtype(weight.dtype).size


def main():
    facts, work = loaded(parse())
    print(json.dumps({**facts, "weights": int(facts["weights"])}), flush=True)
    for line in sys.stdin:
        print(json.dumps(work(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
