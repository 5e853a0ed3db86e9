"""Every claim beside its peer, in one run: one Markdown table, one JSON. README.md has the rules.

python -m benchmarks --data multi30k --peer-python peers_venv/bin/python --output runs/benchmarks
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where the scripts find one another
import measure  # noqa: E402

TRANSLATION, CAPTIONING = "translation-en-de", "captioning-en"


def parse(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder with {train,test_2016_flickr}.{en,de}")
    add("--checkpoint", type=Path, help="run/best of recipes/translation as it is, for decoding")
    add("--images", type=Path, help="folder of photos, for captioning")
    add("--peer-python", help="an interpreter with torch, transformers and ctranslate2")
    add("--output", type=Path, required=True, metavar="DIR", help="for reports, JSON and models")
    add("--only", nargs="+", choices=PARTS, metavar="NAME", help=f"of {', '.join(PARTS)}")
    add("--repeats", type=int, default=5, help="timed turns of each (default: 5)")
    add("--threads", type=int, default=measure.cores(), help="of each side (default: all cores)")
    add("--steps", type=int, default=30, help="of training in a turn (default: 30)")
    add("--sentences", type=int, default=1000, help="of a turn of decoding (default: 1000)")
    add("--single", type=int, default=200, help="of a turn one at a time (default: 200)")
    args = parser.parse_args(argv)
    if min(args.repeats, args.threads, args.steps, args.sentences, args.single) < 1:
        parser.error("--repeats, --threads, --steps, --sentences and --single count from 1")
    return args


def data(args):
    wanted = [f"{x}.{y}" for x in ("train", "test_2016_flickr") for y in ("en", "de")]
    if args.data is None:
        return "needs --data, a folder with Multi30k"
    missing = [name for name in wanted if not (args.data / name).is_file()]
    return missing and f"{args.data} lacks {', '.join(missing)}"


def checkpoint(args):
    return args.checkpoint is None and "needs --checkpoint, run/best of recipes/translation"


def photos(args):
    return args.images is None and "needs --images, a folder of photos"


def peer(*modules):
    """What a peer's environment has to have."""

    def lacks(args):
        if args.peer_python is None:
            return f"needs --peer-python, an interpreter with {', '.join(modules)}"
        command = [args.peer_python, "-c", f"import {', '.join(modules)}"]
        done = subprocess.run(command, capture_output=True, text=True)
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return done.returncode and f"{args.peer_python} cannot import {', '.join(modules)}: {last}"

    return lacks


def installed(*modules):
    def lacks(args):
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        return missing and f"needs {', '.join(missing)}: pip install them into this environment"

    return lacks


def of_data(args):
    return ["--data", args.data, "--peer-python", args.peer_python]


def train(args):
    compiler = shutil.which("c++") or shutil.which("g++")
    return [*of_data(args), *(["--peer-compile"] if compiler else [])]


def decode(args):
    return [*of_data(args), "--checkpoint", args.checkpoint]


def marian(args):
    return [*of_data(args), "--folder", args.output / "marian"]


def families(args):
    return ["--peer-python", args.peer_python]


def caption(args):
    return ["--model", CAPTIONING, "--images", args.images]


def serve(args):
    return ["--model", TRANSLATION, "--texts", args.data / "test_2016_flickr.en"]


def roofline(args):
    trained = args.output / "train.json"
    return ["--train", trained] if trained.exists() else []


def scaling(args):
    return ["--plot", args.output / "scaling.png"]


# {name of the script: what it needs, its own options, those of this run that it takes}
TIMED = ("repeats", "threads")
PARTS = {
    "train": ((data, peer("torch")), train, (*TIMED, "steps")),
    "decode": ((data, checkpoint, peer("torch")), decode, (*TIMED, "sentences", "single")),
    "marian": ((data, peer("torch", "transformers", "ctranslate2")), marian, TIMED),
    "caption": ((photos,), caption, ("repeats",)),
    "serve": ((data, installed("fastapi", "httpx2", "uvicorn")), serve, TIMED),
    "roofline": ((), roofline, TIMED),
    "scaling": ((installed("matplotlib"),), scaling, TIMED),
    "families": ((peer("torch", "transformers", "sentencepiece", "PIL"),), families, TIMED),
    "lsh": ((installed("jax"),), lambda args: [], ()),
}


def run(name, args):
    """Runs a script. Returns its JSON, or a dict that says why there is none."""
    needs, options, shared = PARTS[name]
    for lacks in needs:
        if reason := lacks(args):
            return {"skipped": reason}
    files = {kind: args.output / f"{name}.{kind}" for kind in ("json", "md", "log")}
    files["json"].unlink(missing_ok=True)
    command = [sys.executable, measure.HERE / f"{name}.py", *options(args), "--json", files["json"]]
    for option in shared:
        command += [f"--{option}", getattr(args, option)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KERAS_BACKEND"] = "jax" if name == "lsh" else "tensorflow"
    with files["md"].open("w") as report, files["log"].open("w") as log:
        done = subprocess.run(list(map(str, command)), stdout=report, stderr=log, env=environment)
    if done.returncode:
        last = files["log"].read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return {"failed": f"exit code {done.returncode}, see {files['log']}: {' '.join(last[-1:])}"}
    return json.loads(files["json"].read_text(encoding="utf-8"))


def report(args, machine, results):
    """Returns the Markdown of all results: the machine, the claims, what was left out."""
    sides = [side for found in results.values() for side in found.get("sides", {}).values()]
    claims = [claim for found in results.values() for claim in found.get("claims", ())]
    rounds = f"medians of {args.repeats} turns; the range of a ratio is that within one turn"
    left = [
        f"- {name} {kind}: {found[kind]}"
        for name, found in results.items()
        for kind in ("skipped", "failed")
        if kind in found
    ]
    parts = [measure.heading(machine, sides), rounds, measure.claims_table(claims)]
    return "\n\n".join(parts + ["\n".join(left)] * bool(left))


def main(argv=None):
    args = parse(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    args.output = args.output.resolve()
    machine, results = measure.machine(args.threads), {}
    for name in args.only or PARTS:
        measure.say(name)
        results[name] = run(name, args)
        for kind in ("skipped", "failed"):
            if kind in results[name]:
                measure.say(f"{name} {kind}: {results[name][kind]}")
        text = report(args, machine, results)
        (args.output / "benchmarks.md").write_text(text + "\n", encoding="utf-8")
        whole = {"machine": machine, "repeats": args.repeats, "parts": results}
        measure.write(args.output / "benchmarks.json", whole)
    measure.show(text)
    return int(any("failed" in found for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
