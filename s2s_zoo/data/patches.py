"""Images in patches, as many as a model reads, in their own proportions (Lee et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

DIGIT = 256  # rows and columns are told by two digits, which are exact in 16 bits
PLACES = 4


def grid_of(width: int, height: int, most: int, patch: int) -> tuple[int, int]:
    """Rows and columns of patches of an image: as near to its proportions as `most` allows."""
    scale = (most * (patch / height) * (patch / width)) ** 0.5
    rows, columns = (int(scale * side / patch) for side in (height, width))
    return max(1, min(rows, most)), max(1, min(columns, most))


def in_patches(image: Image.Image, most: int, patch: int) -> np.ndarray:
    """Returns an image as patches, row by row, and zeros behind them (2210.03347, section 3).

    It is resized to as many patches as fit, its proportions kept but for what a whole patch asks
    for, and shifted and scaled by the mean and the deviation of its own pixels.

    Args:
        image: a Pillow image, RGB.
        most: int, N, patches.
        patch: int, P, the side of one in pixels.

    Returns:
        (N, 4 + 3 P^2) float32: the row of each patch and its column, from 1 and as two digits to
        the base 256, then its pixels.
    """
    from PIL import Image

    rows, columns = grid_of(*image.size, most, patch)
    counts = np.sum(np.reshape(image.histogram(), (3, 256)), axis=0, dtype="float64")
    mean = counts @ np.arange(256) / counts.sum()
    deviation = np.sqrt(counts @ (np.arange(256) - mean) ** 2 / counts.sum())
    deviation = max(deviation, counts.sum() ** -0.5)  # of an image of one colour
    size = columns * patch, rows * patch
    # In floats, so that nothing is rounded to whole pixels.
    bands = [x.convert("F").resize(size, Image.Resampling.BILINEAR) for x in image.split()]
    pixels = (np.stack([np.asarray(band) for band in bands], axis=-1) - mean) / deviation
    pixels = pixels.reshape(rows, patch, columns, patch, 3).swapaxes(1, 2)
    found = np.zeros((most, PLACES + 3 * patch**2), "float32")
    real = found[: rows * columns]
    places = np.indices((rows, columns)).reshape(2, -1) + 1
    real[:, 0:PLACES:2], real[:, 1:PLACES:2] = (places // DIGIT).T, (places % DIGIT).T
    real[:, PLACES:] = pixels.reshape(rows * columns, -1)
    return found
