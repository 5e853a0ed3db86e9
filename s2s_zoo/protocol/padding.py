"""Rows of ids of different lengths as one array."""

from collections.abc import Sequence

import numpy as np

from s2s_zoo.protocol import PAD


def pad_rows(
    rows: Sequence[Sequence[int] | np.ndarray], length: int, count: int | None = None
) -> np.ndarray:
    """Returns (count, length) int32: the rows, each filled up with PAD, then rows of PAD alone.

    Args:
        rows: int arrays or lists of at most `length` ids.
        length: int.
        count: int, at least as many as there are rows; None is exactly as many.
    """
    padded = np.full((len(rows) if count is None else count, length), PAD, "int32")
    for out, row in zip(padded, rows, strict=False):
        out[: len(row)] = row
    return padded
