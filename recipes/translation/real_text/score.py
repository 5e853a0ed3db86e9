"""Scores translations of real text: the share of lines whose translation holds all it must.

python recipes/translation/real_text/score.py translation-de-en
"""

import argparse
import re
import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("number", "date", "mail", "url", "name", "case", "paragraph", "markup")

SAME = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "−": "-", "‐": "-", "‑": "-"})
GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:([.,' ])\d{3})(?:\1\d{3})*(?!\d)")
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
SEPARATOR = re.compile(r"(?<!\\)([|/])")


@dataclass(frozen=True)
class Line:
    """A source and what its translation must hold: alternatives of each need."""

    kind: str
    source: str
    needs: tuple[tuple[str, ...], ...]


def parse_needs(text):
    r"""Returns the alternatives of each need of `a|b/c`; `\|` and `\/` stand for themselves."""
    needs, alternatives, word = [], [], ""
    for part in SEPARATOR.split(text):
        if part not in ("|", "/"):
            word += re.sub(r"\\([|/\\])", r"\1", part)
            continue
        alternatives.append(word)
        word = ""
        if part == "|":
            needs.append(tuple(alternatives))
            alternatives = []
    return (*needs, (*alternatives, word))


def read(path):
    """Reads a set: kind, source and needs, a line each."""
    lines = []
    for number, text in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        fields = text.split("\t")
        if len(fields) != 3 or fields[0] not in KINDS:
            raise ValueError(
                f"{path}, line {number}: expected one of {', '.join(KINDS)}, a source and needs "
                f"with tabs between them, received {text[:60]!r}."
            )
        needs = parse_needs(fields[2])
        if not all(alternative.strip() for need in needs for alternative in need):
            raise ValueError(f"{path}, line {number}: a need is empty: {fields[2]!r}.")
        lines.append(Line(fields[0], fields[1], needs))
    return lines


def normalize(text):
    """Makes letter case, forms of the same character and grouping of digits alike."""
    text = unicodedata.normalize("NFKC", text).translate(SAME).casefold()
    text = re.sub(r"\s+", " ", text)
    text = GROUPED.sub(lambda match: re.sub(r"\D", "", match.group()), text)
    return DECIMAL_COMMA.sub(".", text)


def holds(text, need):
    """Says whether a normalized text holds a normalized need.

    A need starts where a word does, and may end within one (`smok` is in "smoking"); a number is
    not part of a longer one.
    """
    before = after = ""
    if need[0].isdigit():
        before = r"(?<![\d])(?<!\d[.,])"
    elif need[0].isalpha():
        before = r"(?<![^\W\d_\u2e80-\u9fff])"
    if need[-1].isdigit():
        after = r"(?!\d)(?![.,]\d)"
    return re.search(before + re.escape(need) + after, text) is not None


def missing(line, translation):
    """Returns the needs of a line that its translation does not hold."""
    text = normalize(translation)
    return [
        need
        for need in line.needs
        if not any(holds(text, normalize(alternative)) for alternative in need)
    ]


def shares(lines, translations):
    """Returns the share of lines that hold all they must, of each kind and of `all`."""
    if len(lines) != len(translations):
        raise ValueError(
            f"Expected a translation of each of {len(lines)} lines, received {len(translations)}."
        )
    held = defaultdict(list)
    for line, translation in zip(lines, translations, strict=True):
        good = not missing(line, translation)
        held[line.kind].append(good)
        held["all"].append(good)
    return {kind: sum(held[kind]) / len(held[kind]) for kind in (*KINDS, "all") if kind in held}


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("pipeline", nargs="?", help="what from_pretrained takes")
    add("--translations", type=Path, help="a file of translations, a line each, and no pipeline")
    add("--set", type=Path, help="a .tsv of kind, source, needs; else that of the languages")
    add("--num-beams", type=int, default=4)
    add("--batch-size", type=int, default=32)
    add("--output", type=Path, help="where the translations are written")
    add("--failures", action="store_true", help="prints the lines that lack something, and what")
    args = parser.parse_args(argv)
    if (args.pipeline is None) == (args.translations is None):
        parser.error("expected the name of a pipeline or --translations FILE, and not both")
    if args.translations and not args.set:
        parser.error("--translations needs --set, such as --set de-en.tsv")
    return args


def translate(args):
    """Returns the lines of the set and their translations by the pipeline."""
    import s2s_zoo

    pipeline = s2s_zoo.from_pretrained(args.pipeline)
    path = args.set or HERE / f"{'-'.join(pipeline.languages or ['?', '?'])}.tsv"
    if not path.exists():
        sys.exit(f"score.py: error: there is no set {path.name}. Name one with --set FILE.")
    lines = read(path)
    sources = [line.source for line in lines]
    return lines, pipeline(sources, num_beams=args.num_beams, batch_size=args.batch_size)


def main(argv=None):
    args = parse(argv)
    if args.translations:
        lines = read(args.set)
        translations = args.translations.read_text(encoding="utf-8").splitlines()
    else:
        lines, translations = translate(args)
    if args.output:
        text = "".join(" ".join(text.split()) + "\n" for text in translations)
        args.output.write_text(text, encoding="utf-8")
    if args.failures:
        for line, translation in zip(lines, translations, strict=True):
            if lacks := missing(line, translation):
                needs = " ".join("/".join(need) for need in lacks)
                print(f"{line.kind}\t{line.source}\t{translation}\t{needs}")
    for kind, share in shares(lines, translations).items():
        print(f"{kind:<10}{sum(kind in (line.kind, 'all') for line in lines):>5}{share:>8.3f}")


if __name__ == "__main__":
    main()
