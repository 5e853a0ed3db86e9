"""Which few fixed shapes hold all pairs of a data set with little padding.

A compiled training step is traced once for every shape, so there may only be a handful.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

LENGTHS = (
    *range(2, 64),
    *range(64, 128, 4),
    *range(128, 256, 8),
    *range(256, 512, 16),
    *range(512, 1025, 32),
)
COARSE = 40  # lengths of a side among which nested shapes are looked for

TRACED, COMPILED = 12, 3  # shapes where a step is traced in a second, or compiled for ten and more


def usual_shapes() -> int:
    """How many shapes there may be where nobody says: JAX has every one compiled by XLA."""
    import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded
    import keras

    return COMPILED if keras.backend.backend() == "jax" else TRACED


def rows_of(shapes: Any, batch_tokens: int) -> Any:
    """How many rows a batch of a shape (..., 2) has: as many as give `batch_tokens` targets."""
    return np.maximum(1, batch_tokens // np.asarray(shapes)[..., 1])


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


def assign_in_batches(
    shapes: Any, source_lengths: np.ndarray, target_lengths: np.ndarray, batch_tokens: int
) -> np.ndarray:
    """Returns the index of the shape of each pair, so that few batches have rows to spare.

    As `assign`, but the longest pairs of a shape that do not fill a batch of it move on to the next
    shape that holds them all, as long as that makes fewer positions. A shape may be left with none.

    Args:
        shapes, source_lengths, target_lengths: as for `assign`.
        batch_tokens: int, target positions in a batch.
    """
    first = assign(shapes, source_lengths, target_lengths)
    shapes = np.asarray(shapes)
    sizes, rows = shapes.sum(axis=1), rows_of(shapes, batch_tokens)
    owners = first.copy()
    for index, shape in enumerate(shapes[:-1]):
        members = np.flatnonzero(owners == index)
        spare = len(members) % rows[index]
        holding = index + 1 + np.flatnonzero((shape <= shapes[index + 1 :]).all(axis=1))
        saved = rows[index] * sizes[index]
        if spare and len(holding) and spare * sizes[holding[0]] < saved:
            order = np.argsort((source_lengths + target_lengths)[members], kind="stable")
            owners[members[order[-spare:]]] = holding[0]
    return min(
        (first, owners),
        key=lambda x: positions(shapes, np.bincount(x, minlength=len(shapes)), batch_tokens),
    )


def positions(shapes: Any, filled: np.ndarray, batch_tokens: int, spare: bool = True) -> Any:
    """Returns how many positions of both sides the batches of some shapes have.

    Args:
        shapes: (..., K, 2).
        filled: (..., K) int, how many pairs each has.
        batch_tokens: int, target positions in a batch.
        spare: bool, the empty rows of the last batch of each shape count.
    """
    if spare:
        rows = rows_of(shapes, batch_tokens)
        filled = -(-filled // rows) * rows
    return (filled * np.sum(shapes, axis=-1)).sum(axis=-1)


def choose_shapes(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    batch_tokens: int,
    lengths: Iterable[int] = LENGTHS,
    max_shapes: int | None = None,
    spare: bool = True,
) -> list[tuple[int, int]]:
    """Chooses the shapes (S, T) of the batches.

    Of all shapes that lie within one another those with the fewest positions are found, by dynamic
    programming over how many pairs there are of which lengths; then every side of each shape moves
    on its own to where it saves most.

    Args:
        source_lengths: (N,) int, in tokens with END.
        target_lengths: (N,) int, in tokens with END.
        batch_tokens: int, target positions in a batch.
        lengths: sequence of int, what S and T may be, beside the longest lengths found.
        max_shapes: int, or None for `usual_shapes`.
        spare: bool, the empty rows of the last batch of each shape count as positions.

    Returns:
        list of (S, T), smallest first.

    Raises:
        ValueError: if `batch_tokens` or `max_shapes` is below 1.
    """
    found = source_lengths, target_lengths
    [shapes] = _chosen(*found, batch_tokens, lengths, max_shapes, [spare])
    return shapes


def share_out(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    batch_tokens: int,
    lengths: Iterable[int] = LENGTHS,
    max_shapes: int | None = None,
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Chooses the shapes of the batches, and one of them for each pair.

    Args:
        source_lengths, target_lengths, batch_tokens, lengths, max_shapes: as for `choose_shapes`.

    Returns:
        list of (S, T), smallest first; (N,) int, the index of the shape of each pair.
    """
    found = source_lengths, target_lengths
    tried = []
    for shapes in _chosen(*found, batch_tokens, lengths, max_shapes, (True, False)):
        owners = assign_in_batches(shapes, *found, batch_tokens)
        filled = np.bincount(owners, minlength=len(shapes))
        tried.append((positions(shapes, filled, batch_tokens), shapes, owners))
    _, shapes, owners = min(tried, key=lambda x: x[0])
    used, owners = np.unique(owners, return_inverse=True)
    return [shapes[index] for index in used], owners


def _chosen(source_lengths, target_lengths, batch_tokens, lengths, max_shapes, spares):
    """Yields the shapes for each of `spares`, of the same nested ones: see `choose_shapes`."""
    max_shapes = usual_shapes() if max_shapes is None else max_shapes
    if batch_tokens < 1 or max_shapes < 1:
        raise ValueError(
            "Batches need batch_tokens >= 1 and max_shapes >= 1. "
            f"Received: batch_tokens={batch_tokens}, max_shapes={max_shapes}."
        )
    sides, rounded = [], []
    for found in (source_lengths, target_lengths):
        longest = int(found.max())
        side = np.array([*(length for length in sorted(lengths) if length < longest), longest])
        sides.append(side[np.searchsorted(side, found.min()) :])
        rounded.append(sides[-1][np.searchsorted(sides[-1], found)])
    cells, counts = np.unique(rounded, axis=1, return_counts=True)

    nested = _nested(sides, cells, counts, max_shapes)
    for spare in spares:
        shapes = _settled(nested, sides, cells, counts, batch_tokens, spare)
        used = np.unique(assign(shapes, *cells))
        yield [shapes[index] for index in used]


def _nested(sides, cells, counts, most):
    """The best shapes that hold one another, for each number of them from `most` down to one."""
    sides = [side[:: -1 - len(side) // COARSE][::-1] for side in sides]  # with the longest
    held = np.zeros([len(side) for side in sides])
    np.add.at(held, tuple(map(np.searchsorted, sides, cells)), counts)
    held = held.cumsum(0).cumsum(1)  # pairs that a shape holds
    sizes = np.add.outer(*sides)
    fewest = sizes * held  # positions of these pairs, in the shape and those within it
    within: list[np.ndarray] = []  # of each number of shapes, less two: the next smaller shape
    found = []
    while True:
        place, shapes = (len(sides[0]) - 1, len(sides[1]) - 1), []
        for smaller in [*within[::-1], None]:
            shapes.append((int(sides[0][place[0]]), int(sides[1][place[1]])))
            place = place if smaller is None else tuple(smaller[place])
        found.append(shapes[::-1])
        if len(found) == most:
            return found[::-1]
        one_more, smaller = np.empty_like(fewest), np.empty((*fewest.shape, 2), int)
        for place in np.ndindex(fewest.shape):
            inside = tuple(slice(end + 1) for end in place)
            gained = fewest[inside] - sizes[place] * held[inside]
            smaller[place] = np.unravel_index(gained.argmin(), gained.shape)
            one_more[place] = gained.min() + sizes[place] * held[place]
        fewest = one_more
        within.append(smaller)


def _settled(nested, sides, cells, counts, batch_tokens, spare):
    """The best of some lists of shapes, each side of which then moves to where it is best."""

    def cost(shapes):
        filled = np.bincount(assign(shapes, *cells), counts, len(shapes))
        return positions(shapes, filled, batch_tokens, spare)

    def moved(index, side):
        others = np.array(sorted(shapes[:index] + shapes[index + 1 :], key=_size))
        trials = np.tile(shapes[index], (len(sides[side]), 1))
        trials[:, side] = sides[side]
        owners = assign(others, *cells)
        order = np.argsort(owners, kind="stable")
        present, starts = np.unique(owners[order], return_index=True)
        holds = (cells[:, order] <= trials[:, :, None]).all(axis=1)  # (trials, cells)
        smaller = _rank(trials)[:, None] < _rank(others)[owners[order]]
        taken = np.zeros((len(trials), len(others)), int)
        counted = (holds & smaller) * counts[order]
        taken[:, present] = np.add.reduceat(counted, starts, axis=1)
        left = np.bincount(owners, counts, len(others)) - taken
        costs = positions(others, left, batch_tokens, spare)
        costs = costs + positions(trials[:, None], taken.sum(1)[:, None], batch_tokens, spare)
        return tuple(trials[costs.argmin()].tolist())

    shapes, best = list(min(nested, key=cost)), np.inf
    while cost(shapes) < best:
        best = cost(shapes)
        for index in range(len(shapes) - 1):  # the last holds all pairs
            for side in (0, 1):
                shapes[index] = moved(index, side)
        shapes.sort(key=_size)
    return shapes


def _rank(shapes):
    """Numbers that are in the order of `_size`."""
    return (shapes.sum(axis=1) << 32) + shapes[:, 1]


def _size(shape):
    return sum(shape), shape[1]
