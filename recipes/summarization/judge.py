"""A blind comparison of a summarizer with the first eight words of texts that nobody trained on.

python recipes/summarization/judge.py sheet CHECKPOINT --output judged
python recipes/summarization/judge.py count judged

The first writes judged/sheet.csv, texts with two lines each, A and B, in an order drawn at random,
and judged/key.csv, which says what is what. Whoever reads writes A, B or = into the column
"better", without the key; the second says how often the summarizer is preferred.
"""

import argparse
import csv
import random
import sys
from collections import Counter
from pathlib import Path

from s2s_zoo.data import read_lines
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.protocol.errors import DataError, S2SZooError

HERE = Path(__file__).parent
LEAD = 8  # words
OURS, LEADING, EQUAL = "summarizer", "first words", "equal"


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="write a sheet to judge")
    sheet.add_argument("checkpoint", help="a name, or a directory")
    sheet.add_argument("--texts", type=Path, default=HERE / "everyday.tsv", help="kind TAB text")
    sheet.add_argument("--output", type=Path, required=True)
    sheet.add_argument("--seed", type=int, default=1)
    count = commands.add_parser("count", help="count what was preferred")
    count.add_argument("output", type=Path)
    return parser.parse_args(argv)


def write_sheet(summarize, path, output, seed):
    """Writes sheet.csv and key.csv for the texts of a file."""
    rows = [line.split("\t") for line in read_lines(path)]
    kinds, texts = (list(side) for side in zip(*rows, strict=True))
    draws = random.Random(seed)
    sheet, key = [], []
    for number, (kind, text, line) in enumerate(
        zip(kinds, texts, summarize(texts), strict=True), 1
    ):
        both = [(OURS, line), (LEADING, " ".join(normalize(text).split()[:LEAD]))]
        draws.shuffle(both)
        sheet.append(
            {"number": number, "text": text, "A": both[0][1], "B": both[1][1], "better": ""}
        )
        key.append({"number": number, "kind": kind, "A": both[0][0], "B": both[1][0]})
    output.mkdir(parents=True, exist_ok=True)
    for name, found in (("sheet", sheet), ("key", key)):
        with (output / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)


def counted(output):
    """{kind: Counter of what was preferred}, and of all under "all".

    Raises:
        DataError: for a row that was not judged, or has another answer.
    """
    key = {row["number"]: row for row in _read(output / "key.csv")}
    found = {"all": Counter()}
    for row in _read(output / "sheet.csv"):
        answer, known = row["better"].strip().upper(), key[row["number"]]
        if answer not in ("A", "B", "="):
            raise DataError(
                f"{output / 'sheet.csv'}, number {row['number']}: expected A, B or = in the column "
                f"better. Received: {row['better']!r:.40}."
            )
        preferred = EQUAL if answer == "=" else known[answer]
        found["all"][preferred] += 1
        found.setdefault(known["kind"], Counter())[preferred] += 1
    return found


def _read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(argv=None):
    args = parse(argv)
    if args.command == "sheet":
        import s2s_zoo

        write_sheet(s2s_zoo.from_pretrained(args.checkpoint), args.texts, args.output, args.seed)
        return
    for kind, counts in counted(args.output).items():
        print(f"{kind}: {', '.join(f'{name} {n}' for name, n in counts.most_common())}")


if __name__ == "__main__":
    try:
        main()
    except S2SZooError as error:
        sys.exit(f"judge.py: error: {error}")
