"""Which target tokens a source token becomes: IBM Model 1."""

from collections.abc import Sequence

import numpy as np

PAIRS_AT_ONCE = 2048  # whose links are counted together


def translation_table(
    sources: Sequence[np.ndarray], targets: Sequence[np.ndarray], iterations: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How probably each source token becomes each target token it was seen with.

    IBM Model 1 (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", J93-2003,
    section 4.1) by expectation maximization, without an empty source word:

        t(f|e) = c(f, e) / sum_f c(f, e);  c(f, e) = sum over pairs of t(f|e) / sum_e' t(f|e')

    where a pair counts every link of one of its source tokens e with one of its target tokens f.
    It begins with the same t everywhere.

    Args:
        sources: list of N int arrays, ids.
        targets: list of N int arrays, ids, each the translation of the source at its place.
        iterations: int.

    Returns:
        source (M,) int32, target (M,) int32, probability (M,) float64 of each of the M links that
        were seen, ordered by source, then by target.

    Raises:
        ValueError: for lists of different lengths, or without a pair.
    """
    if len(sources) != len(targets) or not len(sources):
        raise ValueError(
            "translation_table expected as many targets as sources, at least one. Received: "
            f"{len(sources)} sources, {len(targets)} targets."
        )
    base = 1 + max(int(np.max(row)) for row in targets)
    parts = [
        (sources[i : i + PAIRS_AT_ONCE], targets[i : i + PAIRS_AT_ONCE])
        for i in range(0, len(sources), PAIRS_AT_ONCE)
    ]
    seen = np.empty(0, "int64")
    for part in parts:
        seen = np.union1d(seen, _links(*part, base)[0])
    source, target = np.divmod(seen, base)
    table = np.ones(len(seen))
    for _ in range(iterations):
        counts = np.zeros(len(seen))
        for part in parts:
            codes, words = _links(*part, base)
            places = np.searchsorted(seen, codes)
            weights = table[places]
            weights /= np.bincount(words, weights)[words]
            counts += np.bincount(places, weights, len(seen))
        table = counts / np.bincount(source, counts)[source]
    return source.astype("int32"), target.astype("int32"), table


def _links(sources, targets, base):
    """Every link of every pair: e * base + f, and which target token of the part it explains."""
    codes, words, first = [], [], 0
    for e, f in zip(sources, targets, strict=True):
        codes.append((np.asarray(e, "int64")[:, None] * base + np.asarray(f)).ravel())
        words.append(np.tile(np.arange(first, first + len(f)), len(e)))
        first += len(f)
    return np.concatenate(codes), np.concatenate(words)
