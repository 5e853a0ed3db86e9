"""The recipe's model on random ids, in parts and sizes of choice: a side, see `measure.Side`.

Every line of standard input names a piece of work; the answer holds the seconds of each of its
repeats, after one that compiles, by the clock and of all processors, and the bytes by which the
process was larger while they ran than before the first.
"""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from memory import forget_peak, resident
from ours import CONFIG, TRAINING, recipe_model

from s2s_zoo.protocol import END


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--precision", choices=TRAINING, required=True)
    parser.add_argument("--training", action="store_true", help="weights are kept in float32")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--config", type=Path, default=CONFIG)
    return parser.parse_args(argv)


def ids(rows, length, vocabulary):
    """Random ids (rows, length), the last of each row END."""
    found = np.random.default_rng(1).integers(4, vocabulary, (rows, length), dtype="int32")
    found[:, -1] = END
    return found


class Work:
    """The pieces of work, each a method that returns a function to be timed.

    Args:
        model: a compiled `Seq2Seq`.
        vocabulary: int, V.
    """

    def __init__(self, model, vocabulary):
        self.model = model
        self.vocabulary = vocabulary

    def search(self, rows, source_length, steps, num_beams):
        """A search of exactly so many steps."""
        options = {"strategy": "greedy", "return_scores": False}
        if num_beams > 1:
            options = {"num_beams": num_beams}
        generator = s2s_zoo.Generator(self.model, max_length=steps, min_length=steps - 1, **options)
        source = ids(rows, source_length, self.vocabulary)
        return lambda: generator.generate(source)

    def _batch(self, rows, source_length, target_length):
        target = tf.constant(ids(rows, target_length, self.vocabulary))
        inputs = {"source": tf.constant(ids(rows, source_length, self.vocabulary))}
        return {**inputs, "target": target}, target, tf.ones(target.shape)

    def forward(self, **size):
        """The loss of a batch."""
        return self._upto("loss", size)

    def gradient(self, **size):
        """The loss and its gradients."""
        return self._upto("gradients", size)

    def _upto(self, what, size):
        model, (inputs, labels, weights) = self.model, self._batch(**size)

        @tf.function
        def run():
            with tf.GradientTape() as tape:
                found = model(inputs, training=True)
                loss = model.compute_loss(inputs, labels, found, weights, training=True)
            if what == "loss":
                return loss
            return [tf.convert_to_tensor(x) for x in tape.gradient(loss, self._weights())]

        return lambda: keras.tree.map_structure(np.shape, run())

    def _weights(self):
        return [weight.value for weight in self.model.trainable_variables]

    def step(self, loss_parts=1, **size):
        """A whole step of training."""
        batch = self._batch(**size)
        self.model.loss_parts = loss_parts
        run = tf.function(self.model.train_step)
        return lambda: float(run(batch)["loss"])

    def optimizer(self):
        """Clipping by the global norm and Adam alone."""
        gradients = [tf.ones_like(weight) for weight in self._weights()]
        optimizer, variables = self.model.optimizer, self.model.trainable_variables
        run = tf.function(lambda: optimizer.apply(gradients, variables))

        def work():
            run()
            return variables[0].numpy()[0, 0]

        return work

    def loss(self, rows, target_length):
        """The cross-entropy of given logits, and its gradient."""
        shape = (rows, target_length, self.vocabulary)
        logits = tf.random.normal(shape, dtype=self.model.compute_dtype)
        labels = tf.constant(ids(rows, target_length, self.vocabulary))

        @tf.function
        def run():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                loss = tf.reduce_mean(self.model.loss.call(labels, logits))
            return tape.gradient(loss, logits)

        return lambda: run().shape

    def product(self, batch, m, k, n, count):
        """`count` matrix products in a row: (m, k) (k, n), or `batch` of them side by side."""
        lead, dtype = ((batch,) if batch else ()), self.model.compute_dtype
        xs = [tf.random.normal((*lead, m, k), dtype=dtype) for _ in range(count)]
        y = tf.random.normal((*lead, k, n), dtype=dtype)

        @tf.function
        def run():
            found = []
            for x in xs:
                with tf.control_dependencies(found[-1:]):
                    found.append(tf.matmul(x, y))
            return found  # all: what nobody reads is not computed

        return lambda: run()[-1].shape


def main():
    args = parse()
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(TRAINING[args.precision] if args.training else args.precision)
    config = json.loads(args.config.read_text(encoding="utf-8"))
    model = recipe_model(config, args.vocabulary)
    made, works = {}, Work(model, args.vocabulary)
    versions = {"s2s-zoo": s2s_zoo.__version__, "keras": keras.__version__}
    versions |= {"tensorflow": tf.__version__, "numpy": np.__version__}
    print(json.dumps({"versions": versions, "parameters": model.count_params()}), flush=True)
    for line in sys.stdin:
        work = json.loads(line)
        name, repeats = work.pop("work"), work.pop("repeats")
        before = resident()
        start = time.perf_counter()
        if line not in made:
            made[line] = getattr(works, name)(**work)
            made[line]()
        compiled = time.perf_counter() - start
        forget_peak()
        seconds, busy = [], []
        for _ in range(repeats):
            start, before_it = time.perf_counter(), time.process_time()
            made[line]()
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - before_it)
        answer = {
            "seconds": seconds,
            "processor_seconds": busy,
            "bytes": resident(peak=True) - before,
            "compiled": compiled,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
