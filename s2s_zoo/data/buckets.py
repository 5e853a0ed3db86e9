"""Which few fixed shapes hold all pairs of a data set with little padding.

A compiled training step is traced once for every shape, so there may only be a handful.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LENGTHS = (
    *range(4, 32, 2),
    *range(32, 64, 4),
    *range(64, 128, 16),
    *range(128, 256, 32),
    *range(256, 512, 64),
    *range(512, 1025, 128),
)

TRACED, COMPILED = 12, 3  # shapes where a step is traced in a second, or compiled for ten and more


def usual_shapes() -> int:
    """How many shapes there may be where nobody says: JAX has every one compiled by XLA."""
    import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded
    import keras

    return COMPILED if keras.backend.backend() == "jax" else TRACED


def rows_of(shape: Sequence[int], batch_tokens: int) -> int:
    """How many rows a batch of `shape` (S, T) has: as many as give `batch_tokens` targets."""
    return max(1, batch_tokens // shape[1])


def assign(shapes: Any, source_lengths: np.ndarray, target_lengths: np.ndarray) -> np.ndarray:
    """Returns the index of the first shape that holds each pair.

    Args:
        shapes: (K, 2), ordered by size; the last holds every pair.
        source_lengths: (N,) int.
        target_lengths: (N,) int.
    """
    shapes = np.asarray(shapes)
    fits = (source_lengths[:, None] <= shapes[:, 0]) & (target_lengths[:, None] <= shapes[:, 1])
    return fits.argmax(axis=1)


def choose_shapes(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    batch_tokens: int,
    lengths: Iterable[int] = LENGTHS,
    max_shapes: int | None = None,
) -> list[tuple[int, int]]:
    """Chooses the shapes (S, T) of the batches.

    Starts from the one shape that holds every pair and adds, as long as it pays, the shape that
    saves most positions; the empty rows of the last batch of each shape count as positions.

    Args:
        source_lengths: (N,) int, in tokens with END.
        target_lengths: (N,) int, in tokens with END.
        batch_tokens: int, target positions in a batch.
        lengths: sequence of int, what S and T may be, beside the longest lengths found.
        max_shapes: int, or None for `usual_shapes`.

    Returns:
        list of (S, T), smallest first.

    Raises:
        ValueError: if `batch_tokens` or `max_shapes` is below 1.
    """
    max_shapes = usual_shapes() if max_shapes is None else max_shapes
    if batch_tokens < 1 or max_shapes < 1:
        raise ValueError(
            "Batches need batch_tokens >= 1 and max_shapes >= 1. "
            f"Received: batch_tokens={batch_tokens}, max_shapes={max_shapes}."
        )
    sides, cells = [], []
    for found in (source_lengths, target_lengths):
        longest = int(found.max())
        side = np.array([*(length for length in sorted(lengths) if length < longest), longest])
        sides.append(side[np.searchsorted(side, found.min()) :])
        cells.append(sides[-1][np.searchsorted(sides[-1], found)])
    (sources, targets), counts = np.unique(cells, axis=1, return_counts=True)

    def cost(shapes):
        owners = assign(shapes, sources, targets)
        filled = np.bincount(owners, counts, len(shapes))
        rows = np.array([rows_of(shape, batch_tokens) for shape in shapes])
        return (np.ceil(filled / rows) * rows * np.sum(shapes, axis=1)).sum()

    candidates = [(int(source), int(target)) for source in sides[0] for target in sides[1]]
    shapes = [candidates.pop()]
    best = cost(shapes)
    while len(shapes) < max_shapes and candidates:
        trials = [sorted([*shapes, candidate], key=_size) for candidate in candidates]
        costs = [cost(trial) for trial in trials]
        if min(costs) >= best:
            break
        best = min(costs)
        shapes = trials[costs.index(best)]
        candidates = [candidate for candidate in candidates if candidate not in shapes]
    used = np.unique(assign(shapes, sources, targets))
    return [shapes[index] for index in used]


def _size(shape):
    return sum(shape), shape[1]
