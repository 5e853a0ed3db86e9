"""How often texts are called foreign that are not, and found that are.

python -m benchmarks.detection de=en-de/train.tsv:1 en=en-de/train.tsv:0 fr=en-fr/train.tsv:1 …
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from s2s_zoo.data.text.detection import foreign

WORDS = ((1, 2), (3, 4), (5, 7), (8, 14), (15, 10**9))


def texts_of(where: str, count: int, draws: random.Random) -> tuple[str, list[str]]:
    """The language, and different texts of a column of a file: language=FILE:COLUMN."""
    language, _, place = where.partition("=")
    path, _, column = place.rpartition(":")
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    texts = sorted({line.split("\t")[int(column)] for line in lines if line})
    return language, draws.sample(texts, min(count, len(texts)))


def words_of(text: str, language: str) -> int:
    """How many words a text has; in Chinese two characters are about one."""
    return len(text) // 2 if language == "zh" else len(text.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", metavar="LANGUAGE=FILE:COLUMN")
    parser.add_argument("--count", type=int, default=8000, help="texts of each")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--show", action="store_true", help="print what is called foreign")
    arguments = parser.parse_args()
    draws = random.Random(arguments.seed)
    files = [(where, *texts_of(where, arguments.count, draws)) for where in arguments.texts]
    foreign("This is read by the detector to load it.", ["de"], "en")
    for expected in dict.fromkeys(language for _, language, _ in files):
        target = "de" if expected == "en" else "en"
        for where, language, texts in files:
            start = time.process_time()
            found = [foreign(text, [expected], target) for text in texts]
            each = 1000 * (time.process_time() - start) / len(texts)
            if language == expected:
                wrong = [x for x, other in zip(texts, found, strict=True) if other is not None]
                print(f"{where} for readers of {expected}: {len(wrong)} of {len(texts)} foreign")
                for text in wrong if arguments.show else ():
                    print(f"    {text}")
                continue
            shares = []
            for least, most in WORDS:
                right = [
                    other == language
                    for text, other in zip(texts, found, strict=True)
                    if least <= words_of(text, language) <= most
                ]
                if right:
                    shares.append(f"{least}+ words {sum(right) / len(right):.4f} of {len(right)}")
            print(f"{where} for readers of {expected}, {each:.2f} ms: {', '.join(shares)}")


if __name__ == "__main__":
    main()
