"""How time and memory grow with source, vocabulary, beams and batch. README.md has the rules.

Every point is a process of its own: the recipe's model with random weights on random ids, for so
many steps that the work is the same whatever the weights. Memory is by how much the process was
larger, at most, during the timed repeats than before the first.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

import measure

SWEEPS = {
    "source length": (10, 50, 250, 500, 1000, 2000),
    "vocabulary": (4000, 8000, 16000, 32000, 64000),
    "beams": (1, 2, 4, 8, 16, 32),
    "batch": (1, 4, 16, 64, 256),
}
BASE = {"source length": 20, "vocabulary": 8000, "beams": 4, "batch": 8}
WORKS = ("greedy", "beam", "training")
STEPS = 20  # of every search, and target tokens of every training step


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--sweeps", nargs="+", choices=SWEEPS, default=list(SWEEPS), metavar="NAME")
    add("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="NAME")
    add("--longest", type=int, default=1000, help="source in training (default: 1000)")
    add("--precision", choices=measure.PRECISIONS, default=measure.PRECISIONS[-1])
    add("--repeats", type=int, default=5, help="of each point, after one to compile (default: 5)")
    add("--threads", type=int, default=measure.cores(), help="of each process (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    add("--plot", type=Path, metavar="FILE.png", help="draw it; needs matplotlib")
    args = parser.parse_args(argv)
    if args.repeats < 1 or args.threads < 1:
        parser.error("--repeats and --threads count from 1")
    return args


def points(args):
    """Yields (sweep, work, value, size) of everything that is to be measured."""
    for sweep in args.sweeps:
        for work in args.works:
            if sweep == "beams" and work != "beam":
                continue
            for value in SWEEPS[sweep]:
                if (sweep, work) == ("source length", "training") and value > args.longest:
                    continue
                yield sweep, work, value, {**BASE, sweep: value}


def measured(args, work, size):
    """The answer of a fresh process."""
    script = [sys.executable, measure.HERE / "synthetic.py", "--precision", args.precision]
    options = ["--vocabulary", size["vocabulary"], *(["--training"] * (work == "training"))]
    side = measure.Side([*script, *options], args.threads)
    shape = {"rows": size["batch"], "source_length": size["source length"]}
    if work == "training":
        shape |= {"work": "step", "target_length": STEPS}
    else:
        beams = size["beams"] if work == "beam" else 1
        shape |= {"work": "search", "steps": STEPS, "num_beams": beams}
    answer = side.ask(repeats=args.repeats, **shape)
    side.close()
    return {**answer, "versions": side.facts["versions"]}


def exponent(xs, ys):
    """The slope of the line through the logarithms, of least squares; 1 is linear."""
    xs, ys = ([math.log(max(value, 1e-12)) for value in values] for values in (xs, ys))
    return statistics.linear_regression(xs, ys).slope


def exponents(found):
    """{what was measured: exponent} of the last three points, where fixed costs matter least."""
    last = found[-3:]
    values = [point["value"] for point in last]
    return {
        what: exponent(values, [median(point, what) for point in last])
        for what in ("seconds", "processor_seconds", "bytes")
    }


def median(point, what):
    return point[what] if what == "bytes" else statistics.median(point[what])


def rows(curves):
    """Rows of a table: the first and the last point of every curve, and its exponents."""
    for (sweep, work), found in curves.items():
        slopes, ends = exponents(found), (found[0], found[-1])
        yield [
            sweep,
            work,
            " → ".join(f"{point['value']:,}" for point in ends),
            " → ".join(measure.number(1e3 * median(x, "seconds")) for x in ends),
            f"{slopes['seconds']:.2f} ({slopes['processor_seconds']:.2f})",
            " → ".join(measure.number(x["bytes"] / 1e6) for x in ends),
            f"{slopes['bytes']:.2f}",
            " → ".join(measure.number(x["compiled"]) for x in ends),
        ]


def draw(curves, path):
    """Writes a PNG: the time of all processors above, memory below, a column for each sweep."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    sweeps = list(dict.fromkeys(sweep for sweep, _ in curves))
    size = (3.4 * len(sweeps), 5.6)
    figure, axes = pyplot.subplots(2, len(sweeps), figsize=size, sharex="col", squeeze=False)
    colors = dict(zip(WORKS, ("tab:blue", "tab:orange", "tab:green"), strict=True))
    units = {"milliseconds of all processors": lambda x: 1e3 * median(x, "processor_seconds")}
    units["MB"] = lambda x: max(x["bytes"], 1e5) / 1e6
    for line, (unit, value) in zip(axes, units.items(), strict=True):
        line[0].set_ylabel(unit)
        for axis, sweep in zip(line, sweeps, strict=True):
            for (name, work), found in curves.items():
                if name == sweep:
                    xs, ys = [x["value"] for x in found], [value(x) for x in found]
                    axis.loglog(xs, ys, "o-", markersize=4, color=colors[work], label=work)
                    axis.loglog(
                        xs, [ys[-1] * x / xs[-1] for x in xs], ":", color=colors[work], lw=0.9
                    )
            bottom = min(value(x) for (name, _), f in curves.items() if name == sweep for x in f)
            axis.set_ylim(bottom=bottom / 2)
            axis.set_xticks(xs := SWEEPS[sweep], [f"{x:,}" for x in xs], rotation=45, fontsize=8)
            axis.minorticks_off()
            axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
            axis.grid(alpha=0.25)
    for axis, sweep in zip(axes[1], sweeps, strict=True):
        axis.set_xlabel(sweep)
    lines = {}
    for axis in axes[0]:
        lines |= {text: line for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    (slope,) = axes[0][0].plot([], [], ":", color="gray", label="linear")
    figure.legend([*lines.values(), slope], [*lines, "linear"], loc="upper center", ncols=4)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(path, dpi=72)
    pyplot.close(figure)


def main(argv=None):
    args = parse(argv)
    machine, curves, versions = measure.machine(args.threads), {}, {}
    for sweep, work, value, size in points(args):
        measure.say(f"{work}, {sweep} {value}")
        answer = measured(args, work, size)
        versions = answer.pop("versions")
        curves.setdefault((sweep, work), []).append({"value": value, **answer})
    measure.show(measure.heading(machine, [{"versions": versions}]))
    header = ["grows", "work", "from → to", "ms", "exponent (of processor time)"]
    header += ["MB", "exponent", "s to compile"]
    measure.show(measure.table(header, rows(curves)))
    if args.plot:
        draw(curves, args.plot)
    claims = [
        measure.claim(f"{work} over {sweep}, exponent of time", (("last three points",), slope))
        for (sweep, work), found in curves.items()
        for slope in [measure.Figure((exponents(found)["seconds"],))]
    ]
    result = {
        "benchmark": "scaling",
        "machine": machine,
        "sides": {"ours": {"versions": versions}},
        "precision": args.precision,
        "base": {**BASE, "steps": STEPS},
        "curves": {
            ", ".join(name): {"points": found, "exponents": exponents(found)}
            for name, found in curves.items()
        },
        "claims": claims,
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())
