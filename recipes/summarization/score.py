"""How good the lines of a summarizer are: ROUGE, and the share that invents no number and no name.

python recipes/summarization/score.py CHECKPOINT --data lines/test-descriptions.tsv
"""

import argparse
import json
import sys
import time
from pathlib import Path

import s2s_zoo
from s2s_zoo.data import read_pairs
from s2s_zoo.data.text.invented import invented
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.pipeline.doubts import loops
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.training.metrics import corpus_scores

LEAD = 8  # words of the baseline
ROUGE = ("rouge1", "rouge2", "rougeL")


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("checkpoint", help="a name, or a directory")
    add("--data", type=Path, nargs="+", required=True, help="files of texts and their lines")
    add("--count", type=int, metavar="N", help="of each file N pairs, evenly spread")
    add("--options", type=json.loads, default={}, metavar="JSON", help="of the call")
    add("--batch-size", type=int, default=32)
    add("--show", type=int, default=0, metavar="N", help="texts with their lines")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(argv)


def spread(pairs, count):
    """At most `count` pairs, evenly spread over all."""
    if not count or count >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // count] for i in range(count)]


def lead(text):
    return " ".join(normalize(text).split()[:LEAD])


def figures(sources, lines, references):
    """{name: points} of the lines of some sources."""
    found = {s.name: s.value for s in corpus_scores(ROUGE, lines, references)}
    pairs = list(zip(lines, sources, strict=True))
    held = sum(not invented(line, source) for line, source in pairs)
    circles = sum(loops(line, source) for line, source in pairs)
    words = sum(len(line.split()) for line in lines)
    return {
        **found,
        "nothing invented": 100 * held / len(lines),
        "loops": 100 * circles / len(lines),
        "words": words / len(lines),
    }


def table(rows):
    """The lines of a table, str."""
    names = list(next(iter(rows.values())))
    yield f"{'':24}" + "".join(f"{name:>18}" for name in names)
    for label, found in rows.items():
        yield f"{label:24}" + "".join(f"{found[name]:18.1f}" for name in names)


def main(argv=None):
    args = parse(argv)
    summarize = s2s_zoo.from_pretrained(args.checkpoint)
    report = {}
    for path in args.data:
        pairs = spread(read_pairs(path), args.count)
        sources, references = (list(side) for side in zip(*pairs, strict=True))
        begun = time.perf_counter()
        results = summarize(sources, batch_size=args.batch_size, return_scores=True, **args.options)
        seconds = time.perf_counter() - begun
        lines = [result.text for result in results]
        rows = {
            f"first {LEAD} words": figures(sources, [lead(s) for s in sources], references),
            str(args.checkpoint)[-24:]: figures(sources, lines, references),
        }
        warned = 100 * sum(bool(result.warning) for result in results) / len(results)
        report[str(path)] = {**rows, "warned": warned, "seconds": seconds}
        print(f"{path}: {len(pairs)} texts, {len(pairs) / seconds:.1f} a second")
        print("\n".join(table(rows)))
        print(f"{warned:.1f} % with a warning\n")
        for i in range(min(args.show, len(pairs))):
            print(f"  {sources[i][:300]}\n  -> {lines[i]}\n   = {references[i]}\n")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except S2SZooError as error:
        sys.exit(f"score.py: error: {error}")
