"""Captioning: milliseconds a photo one at a time, by part, and photos a second in batches of 32."""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import keras
import measure
import numpy as np

from s2s_zoo.generation import Generator


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--images", type=Path, required=True, metavar="DIR")
    add("--num-beams", type=int, default=4, metavar="K")
    add("--photos", type=int, default=128, help="taken from DIR, in order (default: 128)")
    add("--batch-size", type=int, default=32)
    add("--repeats", type=int, default=7, help="rounds over the photos, after one to warm up")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    if min(args.photos, args.batch_size, args.repeats, args.num_beams) < 1:
        parser.error("--photos, --batch-size, --repeats and --num-beams count from 1")
    return args


def seconds_of(work, items):
    """The seconds a round over the items takes."""
    start = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - start


def jobs(args):
    """Returns {what: function of a round}, in the order they are reported."""
    caption = s2s_zoo.from_pretrained(args.model)
    files = s2s_zoo.data.image_files(args.images)[: args.photos]
    caption.model.encoder.freeze()
    network = caption.model.encoder.frozen()
    options = {name: caption.generation[name] for name in ("length_penalty", "suppress_tokens")}
    search = Generator(
        caption.model,
        "beam",
        caption.processor.max_target_length,
        num_beams=args.num_beams,
        **options,
    )
    pixels = [np.stack(caption.processor.encode_source([file])) for file in files]
    features = [network.predict_on_batch(image) for image in pixels]
    batches = [files[i : i + args.batch_size] for i in range(0, len(files), args.batch_size)]

    def whole(batch):
        return caption(batch, num_beams=args.num_beams, progress=False)

    def milliseconds(work, items):
        return 1000 * seconds_of(work, items) / len(items)

    return {
        "reading and resizing, ms": partial(
            milliseconds, lambda file: caption.processor.encode_source([file]), files
        ),
        "network, batch 1, ms": partial(milliseconds, network.predict_on_batch, pixels),
        f"decoder, beam {args.num_beams}, batch 1, ms": partial(
            milliseconds, search.generate, features
        ),
        f"whole, batch {args.batch_size}, photos/s": lambda: (
            len(files) / seconds_of(whole, batches)
        ),
    }


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(measure.cores())
    answers = measure.take_turns(jobs(args), args.repeats)
    versions = {"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__}
    measure.show(measure.heading(machine, [{"versions": versions}]))
    figures = {what: measure.Figure(tuple(values)) for what, values in answers.items()}
    rows = [[what, figure.text(1)] for what, figure in figures.items()]
    measure.show(measure.table(["captioning", "median"], rows))
    result = {
        "benchmark": "caption",
        "machine": machine,
        "sides": {"ours": {"versions": versions}},
        "claims": [
            measure.claim(f"captioning, {what}", (("ours",), figure))
            for what, figure in figures.items()
        ],
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())
