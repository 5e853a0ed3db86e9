"""A SavedModel of `s2s-zoo export`, for export.py: TensorFlow and tensorflow-text alone.

A turn for every line of standard input, see `measure.Side`.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401  its operations


def main():
    start = time.perf_counter()
    serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    [name] = serve.structured_input_signature[1]
    versions = {package: version(package) for package in ("tensorflow", "tensorflow-text")}
    facts = {"versions": versions, "seconds": time.perf_counter() - start}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        texts, start = [], time.perf_counter()
        for batch in json.loads(line)["batches"]:
            if name == "images":
                batch = [Path(path).read_bytes() for path in batch]
            found = serve(**{name: tf.constant(batch)})["texts"].numpy()
            texts += [row[0].decode() for row in found]
        print(json.dumps({"seconds": time.perf_counter() - start, "texts": texts}), flush=True)


if __name__ == "__main__":
    main()
