"""What is in training data: how many pairs, how long, and what should not be among them."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from s2s_zoo.data.text.detection import script_of

Pair = tuple[str, str]

# Why a pair should not be trained on, the first that holds; what each is stands in the report.
FAULTS = {
    "blank": "a side without text",
    "identical": "source and target are the same",
    "duplicate": "the same pair once more",
    "leak": "source or target is in the test data",
    "script": "another script than the side has elsewhere",
    "ratio": "far longer, or shorter, than others of this source",
}
RATIO = 3.0  # times the usual ratio of the lengths, or a third of it
SHORT = 20  # characters of the longer side, below which a ratio says nothing
BOUNDS = (1, 5, 10, 20, 40, 80, 160)  # of the histogram, in words or, without spaces, characters


class Inspected(NamedTuple):
    """What `inspect_pairs` found.

    Attributes:
        faults: for each pair a key of `FAULTS`, or None.
        lengths: for each side how many pairs are of each length from one of `BOUNDS` on.
        scripts: for each side the script of most of its texts.
        ratio: float, the usual length of a target for one of its source, in characters.
    """

    faults: list[str | None]
    lengths: tuple[list[int], list[int]]
    scripts: tuple[str, str]
    ratio: float


def inspect_pairs(pairs: Sequence[Pair], test: Iterable[Pair] = ()) -> Inspected:
    """Looks through pairs.

    Args:
        pairs: list of (source, target), blank ones too.
        test: pairs that should have nothing in common with them.
    """
    whole = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    ratios = [math.log(len(target) / len(source)) for source, target in whole]
    usual = median(ratios) if ratios else 0.0
    scripts = [[script_of(text) for text in pair] for pair in pairs]
    common = tuple(
        max(found, key=found.__getitem__, default="")
        for found in (Counter(x[side] for x in scripts if x[side]) for side in (0, 1))
    )
    held = [{text.strip() for text in side} for side in zip(*test, strict=True)] or [set(), set()]
    faults: list[str | None] = []
    seen: set[Pair] = set()
    for (source, target), found in zip(pairs, scripts, strict=True):
        source, target = source.strip(), target.strip()
        if not source or not target:
            fault = "blank"
        elif source == target:
            fault = "identical"
        elif (source, target) in seen:
            fault = "duplicate"
        elif source in held[0] or target in held[1]:
            fault = "leak"
        elif any(x and x != usually for x, usually in zip(found, common, strict=True)):
            fault = "script"
        elif _is_odd(source, target, usual):
            fault = "ratio"
        else:
            fault = None
        seen.add((source, target))
        faults.append(fault)
    lengths = [_histogram(pair[side] for pair in whole) for side in (0, 1)]
    return Inspected(faults, (lengths[0], lengths[1]), (common[0], common[1]), math.exp(usual))


def report(inspected: Inspected) -> Iterator[str]:
    """The lines that say what was found."""
    faults = Counter(inspected.faults)
    total, good = len(inspected.faults), faults.pop(None, 0)
    yield f"{total:,} pairs, {good:,} without a fault"
    for name, meaning in FAULTS.items():
        if faults[name]:
            yield f"  {faults[name]:>9,}  {name}: {meaning}"
    yield f"scripts: {' and '.join(x.lower() or 'none' for x in inspected.scripts)}"
    yield f"a target has {inspected.ratio:.2f} characters for one of its source"
    yield "length in words, or characters where there are no spaces:    source    target"
    most = max(1, *map(max, inspected.lengths))
    for place, bound in enumerate(BOUNDS):
        following = BOUNDS[place + 1 : place + 2]
        name = f"{bound} to {following[0] - 1}" if following else f"{bound} and more"
        source, target = (side[place] for side in inspected.lengths)
        bar = "█" * round(20 * source / most)
        yield f"  {name:<14}{bar:<20}{'':<18}{source:>15,}{target:>10,}"


def _is_odd(source, target, usual):
    if max(len(source), len(target)) < SHORT:
        return False
    return abs(math.log(len(target) / len(source)) - usual) > math.log(RATIO)


def _histogram(texts):
    counts = [0] * len(BOUNDS)
    for text in texts:
        words = text.split()
        length = len(words) if script_of(text) not in ("HAN", "KANA", "THAI") else len(text)
        counts[sum(length >= bound for bound in BOUNDS) - 1] += 1
    return counts
