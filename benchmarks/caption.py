"""Captioning: milliseconds a photo one at a time, by part, and photos a second in batches of 32."""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

import s2s_zoo
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
    args = parser.parse_args(argv)
    if min(args.photos, args.batch_size, args.repeats, args.num_beams) < 1:
        parser.error("--photos, --batch-size, --repeats and --num-beams count from 1")
    return args


def seconds_of(work, items, repeats):
    """The median over the rounds of the mean seconds an item takes; the first round warms up."""
    rounds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for item in items:
            work(item)
        rounds.append((time.perf_counter() - start) / len(items))
    return statistics.median(rounds[1:])


def measure(args):
    """Returns {what: figure}, in the order they are reported."""
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

    def timed(work, items):
        return 1000 * seconds_of(work, items, args.repeats)

    return {
        "reading and resizing, ms": timed(
            lambda file: caption.processor.encode_source([file]), files
        ),
        "network, batch 1, ms": timed(network.predict_on_batch, pixels),
        f"decoder, beam {args.num_beams}, batch 1, ms": timed(search.generate, features),
        f"whole, batch {args.batch_size}, photos/s": len(files)
        / (len(batches) * seconds_of(whole, batches, args.repeats)),
    }


def main(argv=None):
    args = parse(argv)
    for name, figure in measure(args).items():
        print(f"{name:<40} {figure:8.1f}")


if __name__ == "__main__":
    main()
