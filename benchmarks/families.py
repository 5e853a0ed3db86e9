"""Every family of the Hub beside transformers, at its published size. README.md has the rules.

python benchmarks/families.py --only blip led --json families.json
"""

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import family_sizes
import measure

LENGTH = 24  # steps of every search
XLA = "float32, XLA"  # what a pipeline turns to for one source alone
MIB = 1 << 20


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    known = ", ".join(family_sizes.FAMILIES)
    add("--only", nargs="+", metavar="NAME", choices=family_sizes.FAMILIES, help=f"of {known}")
    add("--folder", type=Path, help="where the checkpoints are, and stay (default: they go again)")
    add("--peer-python", default=sys.executable, help="an interpreter with torch and transformers")
    add("--beams", type=int, nargs="+", default=[1, 4])
    add("--batches", type=int, nargs="+", default=[1, 16])
    add("--repeats", type=int, default=5, help="timed turns of each (default: 5)")
    add("--loads", type=int, default=3, help="processes that load a checkpoint (default: 3)")
    add("--length", type=int, default=LENGTH, help=f"steps of every search (default: {LENGTH})")
    add("--threads", type=int, default=measure.cores(), help="of each side (default: all cores)")
    add("--tiny", action="store_true", help="as small as in the tests: shows that all of it runs")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    numbers = (*args.beams, *args.batches, args.repeats, args.loads, args.threads)
    if min(numbers) < 1 or args.length < 2:
        parser.error("every number counts from 1, and --length from 2")
    return args


def commands(args, family, folder):
    """{(side, precision): command}, in turn."""
    peer = [args.peer_python, measure.HERE / "peers" / "decode_family.py", "hf"]
    peer += ["--family", family, "--threads", args.threads]
    own = [sys.executable, measure.HERE / "family_side.py"]
    return {
        (side, precision): [*command, "--folder", folder, "--precision", precision]
        for precision in measure.PRECISIONS
        for side, command in (("ours", own), ("transformers", peer))
    }


def build(args, family, folder):
    """Writes the checkpoint where there is none."""
    if (folder / "model.safetensors").exists():
        return
    script = measure.HERE / "peers" / "decode_family.py"
    command = [args.peer_python, script, "build", "--family", family, "--folder", folder]
    command += ["--tiny"] * args.tiny
    subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)


def load(args, family, folder):
    """Every side in so many processes, one after the other; the last ones stay.

    Returns:
        {(side, precision): Side}, and the same of a list of facts about each loading.
    """
    facts, wanted = {}, commands(args, family, folder)
    for turn in range(args.loads):
        sides = measure.start(wanted, args.threads)
        for name, side in sides.items():
            facts.setdefault(name, []).append(side.facts)
            if turn < args.loads - 1:
                side.close()
    return sides, facts


def figures(facts, what):
    """{(side, precision): Figure} of one of the facts about loading, where all have it."""
    if not all(what in found for turns in facts.values() for found in turns):
        return {}
    return {
        name: measure.Figure(tuple(found[what] for found in turns)) for name, turns in facts.items()
    }


def show_loading(family, facts):
    """Prints the table of loading, and returns its claims and the cells of the last table."""
    seconds, held, peak = (figures(facts, what) for what in ("seconds", "held", "peak"))
    weights = {name: turns[-1]["weights"] for name, turns in facts.items()}
    rows, shares = [], {}
    for name in facts:
        shares[name] = [
            measure.Figure(tuple(x / weights[name] for x in found[name].values))
            for found in (held, peak)
            if found
        ]
        size = f"{weights[name] / MIB:,.0f}"
        cells = [figure.text(2) for figure in shares[name]] or ["", ""]
        rows.append([*name, size, seconds[name].text(2), *cells])
    header = ["side", "precision", "MiB of weights", "seconds", "held / weights", "peak / weights"]
    measure.show(f"### {family}: loading", "", measure.table(header, rows))
    claims, cells = [], []
    for precision in measure.PRECISIONS:
        pair = [(side, precision) for side in ("ours", "transformers")]
        ours, theirs = ((name, seconds[name]) for name in pair)
        title = f"{family}, loading, s in {precision}; less is better"
        claims.append(measure.claim(title, ours, theirs))
        text = f"{claims[-1]['ratio']:.2f}"
        if held:
            both = [shares[name] for name in pair]
            title = f"{family}, memory of {precision}, bytes a byte of weights; less is better"
            claims.append(
                measure.claim(title, *((n, x[0]) for n, x in zip(pair, both, strict=True)))
            )
            text += f"; {both[0][0].median:.2f} and {both[1][0].median:.2f}"
        cells.append(text)
    return claims, cells


def jobs_of(sides, suppressed, rows, num_beams, length):
    """{(side, precision): function of a turn}."""
    work = {"rows": rows, "num_beams": num_beams, "length": length}
    jobs = {}
    for (side, precision), process in sides.items():
        more = {} if side == "ours" else {"suppressed": suppressed}
        jobs[side, precision] = partial(process.ask, **work, **more)
        if (side, precision, rows, num_beams) == ("ours", "float32", 1, 1):
            jobs[side, XLA] = partial(process.ask, **work, jit_compile=True)
    return jobs


def same(found, expected):
    """The share of tokens that agree, of all but the last, which is the end."""
    return measure.agreement(*([row[:-1] for row in rows] for rows in (found, expected)))


def show_task(title, batch_size, answers):
    """Prints the table of a task.

    Returns:
        What is to be written, the claim, and the share of equal tokens in float32.
    """
    speed = {
        name: measure.Figure(tuple(batch_size / turn["seconds"] for turn in turns))
        for name, turns in answers.items()
    }
    found = {name: turns[-1]["found"] for name, turns in answers.items()}
    shares = {name: same(rows, found["transformers", "float32"]) for name, rows in found.items()}
    rows = [
        [*name, figure.text(2), f"{1000 / figure.median:.1f}", f"{shares[name]:.0%}"]
        for name, figure in speed.items()
    ]
    header = ["side", "precision", "sources/s", "ms a source", "tokens as in transformers"]
    measure.show(f"### {title}", "", measure.table(header, rows))
    ours, theirs = (measure.best(speed, side) for side in ("ours", "transformers"))
    claim = measure.claim(f"{title}, sources/s", ours, theirs)
    measure.show(measure.ratio_text(f"{title}, the best of both", claim))
    written = {"sources_per_second": measure.named(speed), "same": measure.named(shares)}
    return written, claim, shares["ours", "float32"]


def measured(args, family, folder):
    """Loads and decodes one family.

    Returns:
        What is to be written, and the row of the last table.
    """
    build(args, family, folder)
    sides, facts = load(args, family, folder)
    claims, cells = show_loading(family, facts)
    suppressed = facts["ours", measure.PRECISIONS[0]][0]["suppressed"]
    tasks, agreed = {}, []
    for num_beams in args.beams:
        for batch_size in args.batches:
            title = f"{family}, {num_beams} beams, batch {batch_size}"
            measure.say(title)
            jobs = jobs_of(sides, suppressed, batch_size, num_beams, args.length)
            answers = measure.take_turns(jobs, args.repeats)
            tasks[title], claim, share = show_task(title, batch_size, answers)
            claims.append(claim)
            cells.append(f"{claim['ratio']:.2f} ({claim['lowest']:.2f}–{claim['highest']:.2f})")
            agreed.append(share)
    for side in sides.values():
        side.close()
    result = {"loads": measure.named(facts), "tasks": tasks, "claims": claims}
    like = family_sizes.FAMILIES[family].like
    return result, [family, "tiny" if args.tiny else like, *cells, f"{min(agreed):.0%}"]


def header(args):
    """Of the last table."""
    loading = [f"loading, {x}: s; held a byte of both" for x in measure.PRECISIONS]
    tasks = [f"{beams} beams, batch {rows}" for beams in args.beams for rows in args.batches]
    return ["family", "like", *loading, *tasks, "float32: same tokens"]


def main(argv=None):
    args = parse(argv)
    machine, results, rows = measure.machine(args.threads), {}, []
    for family in args.only or family_sizes.FAMILIES:
        measure.say(family)
        with tempfile.TemporaryDirectory() as passing:
            name = f"{family}-tiny" if args.tiny else family
            results[family], row = measured(args, family, (args.folder or Path(passing)) / name)
        if not rows:
            sides = [turns[0] for turns in results[family]["loads"].values()]
            measure.show(measure.heading(machine, sides))
        rows.append(row)
        claims = [claim for found in results.values() for claim in found["claims"]]
        whole = {"benchmark": "families", "machine": machine, "sides": dict(enumerate(sides))}
        measure.write(args.json, {**whole, "families": results, "claims": claims})
    measure.show("### Ours over theirs", "", measure.table(header(args), rows))


if __name__ == "__main__":
    sys.exit(main())
