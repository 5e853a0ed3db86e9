"""Matrix products of a decoding step in TensorFlow: float32, bfloat16, and int8 in two ways."""

import argparse
import time

import measure
import numpy as np
import tensorflow as tf

SHAPES = [(1, 256, 8000), (64, 256, 8000), (320, 256, 8000), (64, 768, 2048)]
SHAPES += [(1, 512, 58101), (64, 512, 58101)]


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, type=shape, metavar="MxKxN")
    parser.add_argument("--repeats", type=int, default=15, help="rounds after one to warm up")
    parser.add_argument("--calls", type=int, default=5, help="of a round (default: 5)")
    return parser.parse_args(argv)


def shape(text):
    """The type of an argument such as 64x256x8000."""
    rows, width, columns = map(int, text.split("x"))
    return rows, width, columns


def quantized(x):
    """Activations (M, K) in int8, and the scale (M, 1) float32 of each row."""
    scale = tf.reduce_max(tf.abs(x), axis=-1, keepdims=True) / 127.0
    return tf.cast(tf.round(x / tf.maximum(scale, 1e-9)), tf.int8), scale


def products(x, w):
    """Returns {what: function without arguments}, each giving about x w, (M, N).

    Args:
        x: (M, K) float32, activations.
        w: (K, N) float32, weights; they are made ready outside the functions.
    """
    scales = np.abs(w).max(axis=0) / 127
    w8, scales = tf.constant(np.rint(w / scales).astype("int8")), tf.constant(scales)
    whole, half = tf.constant(w), tf.cast(w, tf.bfloat16)
    x, x_half = tf.constant(x), tf.cast(x, tf.bfloat16)

    def int8(x, w8, scales):
        q, scale = quantized(tf.cast(x, tf.float32))
        found = tf.raw_ops.BatchMatMulV3(x=q, y=w8, Tout=tf.int32)
        return tf.cast(found, tf.float32) * scale * scales

    graph, xla = tf.function(int8), tf.function(int8, jit_compile=True)
    float32 = tf.function(lambda x: tf.matmul(x, whole))
    bfloat16 = tf.function(lambda x: tf.matmul(x, half))
    return {
        "float32": lambda: float32(x),
        "bfloat16": lambda: bfloat16(x_half),
        "int8, graph": lambda: graph(x_half, w8, scales),
        "int8, XLA": lambda: xla(x_half, w8, scales),
    }


def timed(function, calls):
    """Returns a function that gives the milliseconds of a call."""

    def turn():
        start = time.perf_counter()
        for _ in range(calls):
            found = function()
        found.numpy()
        return 1000 * (time.perf_counter() - start) / calls

    return turn


def main(argv=None):
    args = parse(argv)
    rng, rows = np.random.default_rng(0), []
    for m, k, n in args.shapes:
        x, w = (rng.normal(size=size).astype("float32") for size in ((m, k), (k, n)))
        made = products(x, w)
        jobs = {name: timed(function, args.calls) for name, function in made.items()}
        turns = measure.take_turns(jobs, args.repeats)
        best = [f"{min(turns[name]):.2f}" for name in made]
        rows.append([f"{m} x {k} x {n}", *best])
    measure.show(measure.heading(measure.machine(measure.cores()), []))
    measure.show(measure.table(["M x K x N", *made], rows))


if __name__ == "__main__":
    main()
