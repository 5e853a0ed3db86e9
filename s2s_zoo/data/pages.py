"""Images as a CLIP sees them, and pages of documents as a Donut does (2111.15664)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

PAGES = ("page", "turned_page")  # ways to resize that keep the proportions and lay it on black
WITHOUT_GRAPH = (*PAGES, "middle")  # those that no TensorFlow graph does
MOST = 1 << 26  # pixels of an image between two steps; a line would have any number


def middle(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Returns the middle of an RGB image as CLIP sees it, (height, width, 3) uint8.

    Its shorter side becomes the longer one of the size, bicubically, in whole pixels, and what is
    too much is cut off at both ends.
    """
    from PIL import Image

    short, long = sorted(image.size)
    first = max(height, width)
    other = int(first * long / short)
    across, down = (first, other) if image.width <= image.height else (other, first)
    left, top = (across - width) // 2, (down - height) // 2
    if across * down > MOST:
        wide, high = image.width / across, image.height / down
        box = (left * wide, top * high, (left + width) * wide, (top + height) * high)
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box))
    image = image.resize((across, down), Image.Resampling.BICUBIC)
    return np.asarray(image.crop((left, top, left + width, top + height)))


def laid_on_black(image: Image.Image, height: int, width: int, turned: bool) -> np.ndarray:
    """Returns all of an RGB image, as large as it fits in the middle, (height, width, 3) uint8.

    Its shorter side becomes the shorter one of the size, then it is made smaller where that is too
    much for the other: two steps of whole pixels, as the models were trained with.

    Args:
        image: a Pillow image, RGB.
        height, width: int.
        turned: bool, turn it clockwise first where it lies and the size stands, or the other way
            round.
    """
    from PIL import Image

    by = Image.Resampling.BILINEAR
    if turned and (image.width - image.height) * (width - height) < 0:
        image = image.transpose(Image.Transpose.ROTATE_270)
    short, long = sorted(image.size)
    first = min(height, width)
    other = max(1, int(first * long / short))
    across, down = (first, other) if image.width <= image.height else (other, first)
    image = image.resize((across, down), by) if across * down <= MOST else image
    low, narrow = min(down, height), min(across, width)
    if (low, narrow) != (down, across) or across * down > MOST:
        if down > across:
            narrow = max(1, int(across * low / down))
        elif across > down:
            low = max(1, int(down * narrow / across))
        image = image.resize((narrow, low), by)
    black = Image.new("RGB", (width, height))
    black.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return np.asarray(black)
