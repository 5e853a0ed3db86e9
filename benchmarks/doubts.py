"""How a checkpoint scores real sentences and nonsense: where its threshold of doubt may be.

python -m benchmarks.doubts CHECKPOINT PAIRS.tsv [--column 1] [--other SENTENCES.txt] [--count 500]

Half a percent of the real sentences may be doubted: what their scores are at 0.005 is
"doubt" in the generation.json of the checkpoint.
"""

from __future__ import annotations

import argparse
import random
import string
from pathlib import Path

import numpy as np

import s2s_zoo
from s2s_zoo.pipeline.doubts import loops

QUANTILES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.5)
AS_THEY_ARE = {"split": False, "protect": False, "detect": False, "doubt": False}


def nonsense(count: int, draws: random.Random) -> list[str]:
    """Words of random letters, two to nine in each text."""
    return [
        " ".join(
            "".join(draws.choices(string.ascii_lowercase, k=draws.randint(2, 9)))
            for _ in range(draws.randint(2, 9))
        ).capitalize()
        + "."
        for _ in range(count)
    ]


def shuffled(sentence: str, draws: random.Random) -> str:
    """The words of a sentence in another order, or its characters where it has no spaces."""
    parts = sentence.split() if " " in sentence else list(sentence)
    draws.shuffle(parts)
    return (" " if " " in sentence else "").join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("pairs", type=Path, help="lines of columns parted by tabs")
    parser.add_argument("--column", type=int, default=1, help="that has the sources, from 0")
    parser.add_argument("--other", type=Path, help="sentences in another language, one a line")
    parser.add_argument("--doubt", type=float, help="a threshold, where it is no quantile")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draws = random.Random(arguments.seed)
    lines = arguments.pairs.read_text(encoding="utf-8").split("\n")
    sources = list(dict.fromkeys(x.split("\t")[arguments.column] for x in lines if x))
    real = draws.sample(sources, min(arguments.count, len(sources)))
    few = arguments.count // 5
    kinds = {
        "real": real,
        "letters": nonsense(few, draws),
        "shuffled": [shuffled(s, draws) for s in draws.sample(real, min(few, len(real)))],
    }
    if arguments.other:
        others = arguments.other.read_text(encoding="utf-8").split("\n")
        kinds["other"] = draws.sample([line for line in others if line], few)
    pipeline = s2s_zoo.from_pretrained(arguments.checkpoint)
    for kind, texts in kinds.items():
        results = pipeline(texts, return_scores=True, **AS_THEY_ARE)
        scores = np.array([result.score_per_token for result in results])
        if kind == "real":
            least = np.quantile(scores, 0.005) if arguments.doubt is None else arguments.doubt
        at = " ".join(f"{q}: {np.quantile(scores, q):.2f}" for q in QUANTILES)
        below = np.mean(scores < least)
        circles = sum(loops(r.text, s) for r, s in zip(results, texts, strict=True))
        print(f"{kind}: {len(texts)} texts, {below:.3f} below {least:.2f}, {circles} loops; {at}")


if __name__ == "__main__":
    main()
