"""Training pairs for a summarizer of any expository text: a text and the line people wrote for it.

python recipes/summarization/prepare.py --data DATA --output data/lines

writes train.tsv, valid.tsv (which chooses the epoch) and test-*.tsv (which do not): a text, its
line, and where it is from, with tabs between them.
"""

import argparse
import re
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

from s2s_zoo.data.text.invented import invented, ordinary_words
from s2s_zoo.data.text.normal import normalize

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "translation" / "real_text")]

from apart import Pair, kept_apart  # noqa: E402
from held_out import family, part_of_package, part_of_page  # noqa: E402

SHORTEST = 60  # characters of a text
IN_TEST = 200  # of one that scores are of
WORDS = (2, 24)  # of a line
LONGEST_SECTION = 3000  # characters of a section of help
MOST_TO_CHOOSE = 500  # pairs of an origin that choose the epoch
GENERAL = 3  # sections that may have the same heading: "Example" says nothing of one
OF_NOTHING = re.compile(r"\b(?:transitional|dummy|empty) (?:dummy )?package", re.IGNORECASE)
ORIGINS = ("descriptions", "headings", "titles")


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="holds debian_descriptions, libreoffice_help, ...")
    add("--output", type=Path, required=True)
    add("--origins", nargs="+", choices=ORIGINS, default=ORIGINS)
    add("--since", type=int, default=2016, metavar="YEAR", help="of the titles for training")
    return parser.parse_args(argv)


def descriptions(folder):
    """Package descriptions and the line above each."""
    for package, line, text in rows(folder / "debian_descriptions" / "en.tsv"):
        if not OF_NOTHING.search(line):
            part = part_of_package(package)
            yield Pair(tuple(text.split(" <p> ")), line, "descriptions", family(package), part)


def headings(folder):
    """Sections of help and the heading above each; that of a page has all the page below it."""
    lines = [(*place.split("#"), text) for place, text, _ in rows(help_of(folder))]
    often = Counter(text for _, kind, text in lines if is_heading(kind))
    for page, found in groupby(lines, key=lambda line: line[0]):
        found = list(found)
        for i, (_, kind, heading) in enumerate(found):
            if is_heading(kind) and often[heading] <= GENERAL:
                text = section(found[i + 1 :], whole=i == 0)
                yield Pair(tuple(text), heading, "headings", page, part_of_page(page))


def help_of(folder):
    return folder / "libreoffice_help" / "de.tsv"


def is_heading(kind):
    return kind.startswith("hd_")


def section(lines, whole):
    """The paragraphs up to the next heading or, of a whole page, to its end."""
    found, length = [], 0
    for _, kind, text in lines:
        if is_heading(kind):
            if not whole:
                break
            continue
        length += len(text)
        if found and length > LONGEST_SECTION:
            break
        found.append(text)
    return found


def titles(folder, since):
    """Abstracts of papers and their titles; training has those since a year."""
    for part in ("train", "valid", "test"):
        path = folder / "acl_titles" / f"{part}.tsv"
        years = path.with_suffix(".ids").read_text(encoding="utf-8").splitlines()
        for (text, title), year in zip(rows(path), years, strict=True):
            if part != "train" or int(year.split()[-1]) >= since:
                yield Pair((text,), title, "titles", f"paper {year}", part)


def rows(path):
    with path.open(encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


def tidy(pair):
    """The pair as it is written, or None where the line cannot be one of this text."""
    text, line = normalize(" ".join(pair.paragraphs)), normalize(pair.line)
    words = line.split()
    if not words:
        return None
    if words[0].islower() and words[0] in ordinary_words():
        line = line[0].upper() + line[1:]
    least = IN_TEST if pair.part == "test" else SHORTEST
    fits = len(text) > least and WORDS[0] <= len(words) <= WORDS[1]
    return (text, line, pair.origin) if fits and len(text) > 2 * len(line) else None


def prepared(pairs):
    """The rows of each part; for training only lines that invent no number and no name."""
    parts, counts = {}, Counter()
    for part, chosen in kept_apart(pairs).items():
        parts[part] = []
        for pair in chosen:
            row = tidy(pair)
            if row is None:
                counts["of no use"] += 1
            elif part == "train" and invented(row[1], row[0]):
                counts["invents"] += 1
            else:
                parts[part].append(row)
    return parts, counts


def spread(found, count):
    """At most `count` of some rows, evenly spread over all."""
    count = min(count, len(found))
    return [found[i * len(found) // count] for i in range(count)]


def write(path, found):
    path.write_text("".join("\t".join(row) + "\n" for row in found), encoding="utf-8")
    print(f"{path}: {len(found):,} {dict(Counter(row[2] for row in found))}")


def main(argv=None):
    args = parse(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    sources = {
        "descriptions": lambda: descriptions(args.data),
        "headings": lambda: headings(args.data),
        "titles": lambda: titles(args.data, args.since),
    }
    pairs = [pair for origin in args.origins for pair in sources[origin]()]
    parts, counts = prepared(pairs)
    print(f"{len(pairs):,} pairs, left out: {dict(counts)}")
    write(args.output / "train.tsv", parts["train"])
    of_origins = {
        part: {origin: [row for row in parts[part] if row[2] == origin] for origin in args.origins}
        for part in ("valid", "test")
    }
    chosen = [spread(found, MOST_TO_CHOOSE) for found in of_origins["valid"].values()]
    write(args.output / "valid.tsv", [row for found in chosen for row in found])
    for origin, found in of_origins["test"].items():
        write(args.output / f"test-{origin}.tsv", found)


if __name__ == "__main__":
    main()
