"""Memory and time of a training step whose loss is made in parts, with a large vocabulary.

Every point is a process of its own, see `scaling.py`.
"""

import argparse
import statistics
import sys
from pathlib import Path

import measure

SIZE = {"rows": 64, "source_length": 32, "target_length": 32}


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--vocabulary", type=int, default=58_101, help="default: that of opus-mt-en-de")
    add("--parts", type=int, nargs="+", default=[1, 4, 16])
    add("--repeats", type=int, default=3)
    add("--threads", type=int, default=measure.cores())
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    if min(args.vocabulary - 4, args.repeats, args.threads, *args.parts) < 1:
        parser.error("--parts, --repeats and --threads count from 1, --vocabulary from 5")
    return args


def main(argv=None):
    args = parse(argv)
    machine, sides, found = measure.machine(args.threads), [], {}
    for precision in measure.PRECISIONS:
        for parts in args.parts:
            measure.say(f"{precision}, {parts} parts")
            script = [sys.executable, measure.HERE / "synthetic.py", "--precision", precision]
            options = ["--training", "--vocabulary", args.vocabulary]
            side = measure.Side([*script, *options], args.threads)
            answer = side.ask(work="step", repeats=args.repeats, loss_parts=parts, **SIZE)
            found[precision, str(parts)] = answer
            sides.append(side.facts)
            side.close()
    header = ["precision", "parts", "MB beside the weights", "ms", "processor ms"]
    rows = [
        [
            *name,
            f"{answer['bytes'] / 1e6:,.0f}",
            *(
                f"{1e3 * statistics.median(answer[what]):,.0f}"
                for what in ("seconds", "processor_seconds")
            ),
        ]
        for name, answer in found.items()
    ]
    measure.show(measure.heading(machine, sides), "", measure.table(header, rows))
    measure.write(args.json, {"machine": machine, "size": SIZE, "steps": measure.named(found)})


if __name__ == "__main__":
    main()
