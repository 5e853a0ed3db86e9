"""What the recipe's training and decoding steps cost at least, and what they take. See README.md.

Arithmetic and bytes are counted from the config, each product is measured at its own shape, and
both are compared with what the machine does at best: a product of 2048 x 2048 x 2048, and a triad
over arrays that no cache holds.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import measure
import numpy as np

CONFIG = measure.HERE.parent / "recipes" / "translation" / "config.json"
SIZES = {"float32": 4, "bfloat16": 2}
ROWS, LENGTH = 128, 16  # of a training batch, source and target
STEPS = (8, 40)  # of two searches, whose difference is that of so many steps
BIG = 1 << 25  # float64 elements, 256 MB
CELL = {"forward": 20, "backward": 14}  # words read and written for each unit, kernels.py


class Product(NamedTuple):
    """`count` products (m, k) (k, n), or of `batch` such pairs where it is not 0."""

    layer: str
    count: int
    batch: int
    m: int
    k: int
    n: int

    @property
    def operations(self):
        return 2 * self.count * max(1, self.batch) * self.m * self.k * self.n

    @property
    def elements(self):
        """Of both operands and the result."""
        m, k, n = self.m, self.k, self.n
        return self.count * max(1, self.batch) * (m * k + k * n + m * n)


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--rows", type=int, nargs="+", default=[1, 64], help="of a decoding step (default: 1 64)")
    add("--train", type=Path, metavar="FILE", help="JSON of train.py, for its tokens a second")
    add("--repeats", type=int, default=5, help="timed turns of each (default: 5)")
    add("--threads", type=int, default=measure.cores(), help="of each side (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    if min(args.repeats, args.threads, *args.rows) < 1:
        parser.error("--repeats, --threads and --rows count from 1")
    return args


def forward(config, vocabulary, rows, length):
    """The products of a forward pass over `rows` pairs, source and target of one length."""
    encoder, decoder = config["model"]["encoder"], config["model"]["decoder"]
    e, u, h, tokens = encoder["embedding_dim"], encoder["units"], decoder["units"], rows * length
    return [
        Product("encoder, input", 2, 0, tokens, e, 4 * u),
        Product("encoder, recurrence", 2 * length, 0, rows, u, 4 * u),
        Product("bridge", 2, 0, rows, 2 * u, h),
        Product("keys", 1, 0, tokens, 2 * u, h),
        *decoding(config, vocabulary, rows, length, length),
    ]


def decoding(config, vocabulary, rows, source_length, length=1):
    """The products of the decoder: of a whole target, or of one step."""
    encoder, decoder = config["model"]["encoder"], config["model"]["decoder"]
    e, h, d = decoder["embedding_dim"], decoder["units"], 2 * encoder["units"]
    tokens = rows * length
    return [
        Product("decoder, input", 1, 0, tokens, e, 4 * h),
        Product("decoder, recurrence", length, 0, rows, h, 4 * h),
        Product("scores", 1, rows, length, h, source_length),
        Product("context", 1, rows, length, source_length, d),
        Product("readout", 1, 0, tokens, h + d, e),
        Product("vocabulary", 1, 0, tokens, e, vocabulary),
    ]


def backward(product):
    """The two products that give the gradients of both operands.

    That of a recurrent kernel is one over all steps, as in kernels.py.
    """
    layer, count, batch, m, k, n = product
    weights = product._replace(m=k, k=m, n=n)
    if "recurrence" in layer:
        readings = 2 if "encoder" in layer else 1
        weights = weights._replace(count=readings, k=m * count // readings)
    return [product._replace(k=n, n=k), weights]


def training_passes(config, vocabulary, rows, length, parameters, size):
    """{what: bytes} of a training step beside the products, in one precision."""
    units = 2 * config["model"]["encoder"]["units"] + config["model"]["decoder"]["units"]
    return {
        "LSTM cells": sum(CELL.values()) * units * rows * length * size,
        "loss and its gradient": 3 * rows * length * vocabulary * size,
        "clipping and Adam": 8 * parameters * 4,
    }


def bandwidth(threads, repeats):
    """{what: Figure} of bytes a second, every thread with its own part of the arrays."""
    a, b, c = (np.full(BIG, value) for value in (1.0, 2.0, 0.0))
    parts = [slice(i * BIG // threads, (i + 1) * BIG // threads) for i in range(threads)]
    works = {
        "copy": (2, lambda part: np.copyto(c[part], a[part])),
        "sum": (3, lambda part: np.add(a[part], b[part], out=c[part])),
    }

    def run(words, work):
        start = time.perf_counter()
        list(pool.map(work, parts))
        return words * 8 * BIG / (time.perf_counter() - start)

    with ThreadPoolExecutor(threads) as pool:
        jobs = {name: partial(run, *work) for name, work in works.items()}
        answers = measure.take_turns(jobs, repeats)
    return {name: measure.Figure(tuple(values)) for name, values in answers.items()}


def ask(side, **work):
    """The seconds of one turn."""
    return statistics.median(side.ask(repeats=3, **work)["seconds"])


def timed_product(side, product):
    """The seconds of one turn for all `count` of them; few are measured."""
    count = max(1, min(8, product.count * (1 << 25) // product.elements))
    shape = {"batch": product.batch, "m": product.m, "k": product.k, "n": product.n}
    return ask(side, work="product", count=count, **shape) * product.count / count


def steps(side, rows):
    """The seconds of one step of greedy search."""
    short, long = (
        ask(side, work="search", rows=rows, source_length=LENGTH, steps=n, num_beams=1)
        for n in STEPS
    )
    return (long - short) / (STEPS[1] - STEPS[0])


def jobs_of(training, searching, products, rows):
    """{name: function} of everything that is timed in one precision."""
    size = {"rows": ROWS, "source_length": LENGTH, "target_length": LENGTH}
    loss = {"rows": ROWS, "target_length": LENGTH}
    whole = {work: partial(ask, training, work=work, **size) for work in ("forward", "gradient")}
    return {
        **{product: partial(timed_product, training, product) for product in products},
        **whole,
        "step": partial(ask, training, work="step", **size),
        "loss and its gradient": partial(ask, training, work="loss", **loss),
        "clipping and Adam": partial(ask, training, work="optimizer"),
        **{("greedy", n): partial(steps, searching, n) for n in rows},
    }


def layer_rows(products, passes, tokens, found, peak, triad, size):
    """Rows of a table, and the milliseconds at the roof and measured of all of them."""
    layers = {}
    for product in products:
        layers.setdefault(product.layer, []).append(product)
    rows, least, measured = [], 0.0, 0.0
    for layer, parts in layers.items():
        operations, moved = sum(x.operations for x in parts), sum(x.elements for x in parts) * size
        roof = sum(max(x.operations / peak, x.elements * size / triad) for x in parts)
        taken = sum(found[x].median for x in parts)
        least, measured = least + roof, measured + taken
        rows.append([layer, operations, moved, roof, taken])
    for what, moved in passes.items():
        taken = found[what].median if what in found else None
        least, measured = least + moved / triad, measured + (taken or 0)
        rows.append([what, 0, moved, moved / triad, taken])
    text = [
        [
            layer,
            f"{operations / tokens / 1e6:.2f}",
            f"{moved / tokens / 1e3:.1f}",
            f"{1e3 * roof:.2f}",
            "" if taken is None else f"{1e3 * taken:.2f}",
        ]
        for layer, operations, moved, roof, taken in rows
    ]
    return text, least, measured


def show_step(title, tokens, rows, least, measured, operations, seconds, peak):
    """Prints a table and returns the share of the matrix roof, a Figure."""
    header = ["part", "MFLOP a token", "kB a token", "ms at the roof", "ms measured alone"]
    whole = f"{1e3 * seconds.median:.2f}"
    total = ["sum", f"{operations / tokens / 1e6:.2f}", "", f"{1e3 * least:.2f}"]
    rows = [*rows, [*total, f"{1e3 * measured:.2f}"], ["**the whole step**", "", "", "", whole]]
    share = measure.Figure(tuple(100 * operations / peak / x for x in seconds.values))
    measure.show(f"### {title}", "", measure.table(header, rows))
    measure.show(
        f"**{share.text(1)} % of the matrix roof; {100 * least / seconds.median:.0f} % of what its "
        f"parts need at the roof of each; {100 * measured / seconds.median:.0f} % of the step is "
        "its parts measured alone, the rest lies between them**"
    )
    return share


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    config = json.loads(CONFIG.read_text(encoding="utf-8"))
    vocabulary = config["tokenizer"]["vocabulary_size"]
    ahead = forward(config, vocabulary, ROWS, LENGTH)
    training = [*ahead, *(x for product in ahead for x in backward(product))]
    searching = {rows: decoding(config, vocabulary, rows, LENGTH) for rows in args.rows}
    square = Product("2048 x 2048 x 2048", 4, 0, 2048, 2048, 2048)
    script = [sys.executable, measure.HERE / "synthetic.py", "--precision"]
    commands = {
        (kind, precision): [*script, precision, *(["--training"] * (kind == "training"))]
        for precision in measure.PRECISIONS
        for kind in ("training", "searching")
    }
    sides = measure.start(commands, args.threads)
    facts = {name: side.facts for name, side in sides.items()}
    products = dict.fromkeys([square, *training, *sum(searching.values(), [])])
    jobs = {
        (precision, name): job
        for precision in measure.PRECISIONS
        for name, job in jobs_of(
            sides["training", precision], sides["searching", precision], products, args.rows
        ).items()
    }
    answers = measure.take_turns(jobs, args.repeats)
    for side in sides.values():
        side.close()
    memory = bandwidth(args.threads, args.repeats)
    triad = memory["sum"].median
    result = report(args, machine, facts, config, training, searching, square, answers, triad)
    moved = {name: list(figure.values) for name, figure in memory.items()}
    measure.write(args.json, {**result, "bytes_per_second": moved})


def report(args, machine, facts, config, training, searching, square, answers, triad):
    """Prints the tables and returns what is to be written."""
    measure.show(measure.heading(machine, facts.values()))
    vocabulary = config["tokenizer"]["vocabulary_size"]
    tokens, claims, seconds = ROWS * LENGTH, [], {}
    for precision, size in ((x, SIZES[x]) for x in measure.PRECISIONS):
        found = {
            name: measure.Figure(tuple(values))
            for (kind, name), values in answers.items()
            if kind == precision
        }
        peak = square.operations / found[square].median
        measure.show(f"{precision}: {peak / 1e9:,.0f} GFLOP/s; memory {triad / 1e9:.1f} GB/s")
        parameters = facts["training", precision]["parameters"]
        passes = training_passes(config, vocabulary, ROWS, LENGTH, parameters, size)
        work = {
            "training": (training, passes, tokens, found["step"]),
            **{
                f"greedy, a step of {rows} rows": (products, {}, rows, found["greedy", rows])
                for rows, products in searching.items()
            },
        }
        for title, (products, others, count, taken) in work.items():
            rows, least, measured = layer_rows(products, others, count, found, peak, triad, size)
            operations = sum(x.operations for x in products)
            share = show_step(
                f"{title}, {precision}", count, rows, least, measured, operations, taken, peak
            )
            what = f"{title}, % of the matrix roof"
            claims.append(measure.claim(what, ((precision,), share)))
        split = {name: found[name].median for name in ("forward", "gradient", "step")}
        measure.show(", ".join(f"{name} {1e3 * x:.0f} ms" for name, x in split.items()))
        seconds[precision] = {
            str(name if isinstance(name, str) else tuple(name)): list(figure.values)
            for name, figure in found.items()
        }
        if args.train:
            models = json.loads(args.train.read_text())["models"]
            rates = models["Luong"]["target_tokens_per_second"]
            cost = sum(x.operations for x in training) / tokens / peak
            share = measure.Figure(tuple(100 * cost * x for x in rates[f"ours, {precision}"]))
            what = "training as train.py measured it, % of the matrix roof"
            claims.append(measure.claim(what, ((precision,), share)))
            measure.show(f"**{what}: {share.text(1)}**")
    sides = measure.named(facts)
    result = {"benchmark": "roofline", "machine": machine, "sides": sides}
    return {**result, "seconds": seconds, "claims": claims}


if __name__ == "__main__":
    sys.exit(main())
