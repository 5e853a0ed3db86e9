"""Photos as another camera might have taken them, for training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

RATIO = 4 / 3  # by which the proportions of a part may be others
TRIES = 10


class Augmentation:
    """Cuts a part out of a photo and changes its colours, both drawn anew at every call.

    The part has a share of the area drawn from [crop, 1], and proportions up to 3 : 4 or 4 : 3 of
    those of the photo (Szegedy et al. 2015, 1409.4842, section 6). Brightness, contrast and
    saturation are each multiplied by a number drawn from [1 - colour, 1 + colour].

    Args:
        crop: float above 0 and up to 1, the smallest share of the area; with 1 nothing is cut.
        colour: float from 0 and below 1.

    Call arguments:
        image: a Pillow image, RGB.
        generator: np.random.Generator.

    Returns:
        A Pillow image, RGB.

    Raises:
        ValueError: for a number outside its range.
    """

    def __init__(self, crop: float = 0.7, colour: float = 0.2) -> None:
        if not (0 < crop <= 1 and 0 <= colour < 1):
            raise ValueError(
                "Augmentation expected crop above 0 and up to 1, and colour from 0 and below 1. "
                f"Received: crop={crop!r}, colour={colour!r}."
            )
        self.crop = crop
        self.colour = colour

    def __call__(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        from PIL import ImageEnhance

        if self.crop < 1:
            image = image.crop(self._box(image.size, generator))
        if self.colour:
            for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
                image = kind(image).enhance(generator.uniform(1 - self.colour, 1 + self.colour))
        return image

    def _box(self, size, generator):
        """(left, top, right, bottom) of the part; the whole where nothing drawn fits."""
        width, height = size
        for _ in range(TRIES):
            share = generator.uniform(self.crop, 1)
            ratio = math.exp(generator.uniform(-math.log(RATIO), math.log(RATIO)))
            wide = max(1, round(width * math.sqrt(share * ratio)))
            high = max(1, round(height * math.sqrt(share / ratio)))
            if wide <= width and high <= height:
                left = int(generator.integers(width - wide + 1))
                top = int(generator.integers(height - high + 1))
                return left, top, left + wide, top + high
        return 0, 0, width, height
