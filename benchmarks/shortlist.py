"""What a shortlist gains and costs: sentences a second and BLEU with it and without, in turns."""

import argparse
import time
from pathlib import Path

import measure

import s2s_zoo
from s2s_zoo.data import read_lines
from s2s_zoo.training.metrics import corpus_score


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--data", type=Path, required=True, help="folder with train.LANG, test_2016_flickr.LANG")
    add("--source", default="en", metavar="LANG")
    add("--target", default="de", metavar="LANG")
    add("--precision", default=measure.PRECISIONS[-1], help="default: the fastest here")
    add("--per-source", type=int, default=20)
    add("--frequent", type=int, default=400)
    add("--num-beams", type=int, nargs="+", default=[1, 5])
    add("--batch-size", type=int, default=64)
    add("--repeats", type=int, default=5, help="rounds after one to warm up (default: 5)")
    return parser.parse_args(argv)


def work(pipeline, texts, **options):
    """Returns a function that translates once and says how long it took."""

    def turn():
        start = time.perf_counter()
        answers = pipeline(texts, progress=False, **options)
        return {"seconds": time.perf_counter() - start, "texts": answers}

    return turn


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(measure.cores())
    sides = args.source, args.target
    texts, references = (list(read_lines(args.data / f"test_2016_flickr.{x}")) for x in sides)
    pipeline = s2s_zoo.from_pretrained(args.model, dtype=args.precision)
    start = time.perf_counter()
    pipeline.build_shortlist(
        tuple(args.data / f"train.{x}" for x in sides),
        per_source=args.per_source,
        frequent=args.frequent,
    )
    seconds = time.perf_counter() - start
    jobs = {
        (str(beams), "shortlist" if shortlist else "vocabulary"): work(
            pipeline, texts, num_beams=beams, shortlist=shortlist, batch_size=args.batch_size
        )
        for beams in args.num_beams
        for shortlist in (False, True)
    }
    rows, whole = [], {}
    for (beams, among), turns in measure.take_turns(jobs, args.repeats).items():
        speed = measure.Figure(tuple(len(texts) / turn["seconds"] for turn in turns))
        answers = turns[-1]["texts"]
        same = sum(map(str.__eq__, answers, whole.setdefault(beams, answers)))
        bleu = corpus_score("bleu", answers, references).value
        rows.append([beams, among, speed.text(1), f"{bleu:.2f}", f"{same} of {len(texts)}"])
    measure.show(measure.heading(machine, []))
    measure.show(measure.table(["beams", "among", "sentences/s", "BLEU", "as without"], rows))
    measure.show(f"built in {seconds:.1f} s, {len(pipeline.shortlist.pack()):,} bytes")


if __name__ == "__main__":
    main()
