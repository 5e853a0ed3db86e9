"""What the benchmarks share: processes that take turns, the machine, figures and tables."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CPUINFO = Path("/proc/cpuinfo")
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def processor(cpuinfo=CPUINFO):
    """The name of this processor, and which of `CPU_FLAGS` it has."""
    if not cpuinfo.exists():
        return platform.processor() or platform.machine(), []
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    found = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    flags = found.get("flags", "").split()
    return found.get("model name", platform.machine()), [x for x in CPU_FLAGS if x in flags]


def precisions(flags):
    """What both sides are measured in: bfloat16 where the processor has products in it.

    Elsewhere it is float32 with conversions before and after, which nobody would ask for.
    """
    half = any(flag.endswith("bf16") for flag in flags)
    return ("float32", "bfloat16") if half else ("float32",)


PRECISIONS = precisions(processor()[1])  # the fastest comes last


class Side:
    """A process that does one piece of work at a time and rests while the others have a turn.

    It prints a JSON object about itself when it is ready, then one for every line it reads: the
    line is a JSON object with the arguments of the work. Other lines that it prints are ignored,
    and its standard error is shown if it ends too soon.

    Args:
        command: list of str.
        threads: int, how many it may compute with.
        variables: dict, of its environment besides.
        seconds: float, after which it is ended, or None.
    """

    def __init__(self, command, threads, variables=(), seconds=None):
        self.command = list(map(str, command))
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            encoding="utf-8",
            env={**environment(threads), **dict(variables)},
        )
        self.timer = threading.Timer(seconds, self.process.kill) if seconds else None
        if self.timer:
            self.timer.start()
        self.facts = self._read()

    def ask(self, **work):
        """Returns the answer to one piece of work, a dict."""
        with suppress(BrokenPipeError):  # reading tells how the process ended
            self.process.stdin.write(json.dumps(work) + "\n")
            self.process.stdin.flush()
        return self._read()

    def close(self):
        """Ends the process, which ends by itself when nothing more is to be read."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        if self.timer:
            self.timer.cancel()
        self.process.stdout.close()
        self.said.close()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        self.said.seek(0)
        said = self.said.read().decode("utf-8", "replace").strip()
        say(said)
        self.close()
        code = f"ended with exit code {self.process.returncode}"
        sys.exit("\n".join([" ".join(self.command), *said.splitlines()[-1:], code]))


class Figure(NamedTuple):
    """The values of the repeats, in order."""

    values: tuple

    @property
    def median(self):
        return statistics.median(self.values)

    def text(self, digits=0):
        """The median, with the lowest and the highest."""
        numbers = [f"{x:,.{digits}f}" for x in (self.median, min(self.values), max(self.values))]
        return "{} ({}–{})".format(*numbers)


def arguments(description, repeats=7):
    """Returns a parser with the options that both benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with train.LANG, test_2016_flickr.LANG")
    add("--source", default="en", metavar="LANG")
    add("--target", default="de", metavar="LANG")
    add("--peer-python", required=True, help="an interpreter that has torch; see README.md")
    add("--repeats", type=int, default=repeats, help=f"timed turns of each (default: {repeats})")
    add("--threads", type=int, default=cores(), help="of each side (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    return parser


def environment(threads):
    """The environment of a process that computes with so many threads."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    counts = dict.fromkeys(names, str(threads))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    return {**os.environ, **counts, **quiet, "PYTHONIOENCODING": "utf-8"}


def ours(args, *options):
    """The command of this project's side."""
    data = ("--data", args.data, "--source", args.source, "--target", args.target)
    return [sys.executable, HERE / "ours.py", *options, *data]


def peer(args, *options):
    """The command of the peer's side."""
    data = ("--data", args.data, "--source", args.source, "--target", args.target)
    script = HERE / "peers" / "train_torch.py"
    return [args.peer_python, script, *options, *data, "--threads", args.threads]


def start(commands, threads):
    """Returns {name: Side} for {name: command}, all ready."""
    sides = {}
    for name, command in commands.items():
        say(f"starting {' '.join(name)}")
        sides[name] = Side(command, threads)
    return sides


def alternate(first, second):
    """Returns a dict with an entry of the one, then of the other, until both are used up."""
    pairs = zip_longest(first.items(), second.items())
    return dict(entry for pair in pairs for entry in pair if entry is not None)


def take_turns(jobs, repeats, warm_up=1):
    """Runs every job in turn, again and again; the first rounds warm up and are dropped.

    Args:
        jobs: {name: function without arguments}.
        repeats: int, rounds that count.
        warm_up: int, rounds before them.

    Returns:
        {name: list of what the function returned}.
    """
    answers = {name: [] for name in jobs}
    for repeat in range(1 - warm_up, repeats + 1):
        say(f"round {repeat} of {repeats}" if repeat > 0 else "warming up")
        for name, job in jobs.items():
            answer = job()
            if repeat > 0:
                answers[name].append(answer)
    return answers


def best(figures, side):
    """Returns (name, Figure) of the highest median among the names that begin with `side`."""
    mine = {name: figure for name, figure in figures.items() if name[0] == side}
    return max(mine.items(), key=lambda item: item[1].median)


def agreement(found, expected):
    """The share of the tokens of some rows that are those of others, place by place."""
    pairs = [pair for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def ratio(figure, other):
    """Returns the ratio of two medians, with the lowest and highest within one round."""
    rounds = [a / b for a, b in zip(figure.values, other.values, strict=True)]
    value = figure.median / other.median
    return {"ratio": value, "lowest": min(rounds), "highest": max(rounds)}


def ratio_text(what, found):
    return f"**{what}: {found['ratio']:.2f}** ({found['lowest']:.2f}–{found['highest']:.2f})"


def claim(what, ours, peer=None):
    """What a run has shown, for its JSON and for the table of all runs.

    Args:
        what: str, with the unit; "less is better" where it is.
        ours, peer: (name, Figure), the name a tuple of str.
    """
    (name, figure) = ours
    found = {"claim": what, "ours": " ".join(name), "values": list(figure.values)}
    if peer is not None:
        (other, theirs) = peer
        found |= {"peer": " ".join(other), "peer_values": list(theirs.values)}
        found |= ratio(figure, theirs)
    return found


def claims_table(claims):
    """Returns a Markdown table of medians, one row for each claim."""

    def cell(name, values):
        return f"{number(statistics.median(values))} ({name})"

    rows = []
    for found in claims:
        row = [found["claim"], cell(found["ours"], found["values"]), "", ""]
        if "peer" in found:
            row[2] = cell(found["peer"], found["peer_values"])
            row[3] = f"{found['ratio']:.2f} ({found['lowest']:.2f}–{found['highest']:.2f})"
        rows.append(row)
    return table(["claim", "this project", "beside", "ratio"], rows)


def number(value):
    """Three digits of a number, or all of those before the point."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def table(header, rows):
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine(threads):
    """What the figures depend on, as a dict."""
    cpu, flags = processor()
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "flags": flags,
        "cores": cores(),
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def cores():
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def heading(facts, sides):
    """Lines about the machine and the versions, to stand above a table."""
    versions = {" ".join(f"{k} {v}" for k, v in side["versions"].items()) for side in sides}
    return "\n".join(
        [
            f"{facts['cpu']} ({' '.join(facts['flags']) or 'no wide vectors known'}), "
            f"{facts['cores']} cores, {facts['threads']} threads, {facts['system']}, "
            f"Python {facts['python']}, {facts['date']}; load before the start {facts['load']:.2f}",
            *sorted(versions),
        ]
    )


def write(path, result):
    """Writes the JSON of a run, where it is wanted."""
    if path is not None:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def named(values):
    """{tuple of str: value} with names that JSON has, the figures as lists."""
    return {
        ", ".join(name): list(value.values) if isinstance(value, Figure) else value
        for name, value in values.items()
    }


def show(*lines):
    """Prints a part of the report, at once: a run takes long."""
    print(*lines, sep="\n", end="\n\n", flush=True)


def say(text):
    """Tells how far the run is, on standard error."""
    print(text, file=sys.stderr, flush=True)
