"""A question that is written above an image, for a model that reads it there (Lee et al. 2022)."""

from __future__ import annotations

import functools
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

from s2s_zoo.protocol.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# Liberation Sans has the widths of Arial, in which the models of the Hub read their questions.
ALIKE = ("arial.ttf", "Arial.ttf", "LiberationSans-Regular.ttf")
OTHERS = ("DejaVuSans.ttf",)
HEIGHT, WIDTH, MARGIN = 36, 80, 5  # of letters in pixels, of a line in letters, around it in pixels
LONGEST = 2000  # characters of a question
MOST = 1 << 26  # pixels of an image with its question


def with_header(image: Image.Image, text: str) -> Image.Image:
    """Returns an image below a text, black on white, both as wide as the wider one.

    Args:
        image: a Pillow image, RGB.
        text: str, in lines of at most `WIDTH` letters.

    Raises:
        DataError: for a blank text or a long one, and for an image that would become too large.
    """
    from PIL import Image, ImageDraw

    lines = textwrap.wrap(text[: LONGEST + 1], WIDTH)
    if not lines or len(text) > LONGEST:
        raise DataError(
            f"A question about an image expected 1 to {LONGEST:,} characters. Received: "
            f"{len(text):,}{'' if lines else ', none to be seen'}. Ask a shorter one, of letters."
        )
    written, letters = "\n".join(lines), _font()
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((0, 0), written, font=letters)
    header = Image.new("RGB", (int(box[2]) + 2 * MARGIN, int(box[3]) + 2 * MARGIN), "white")
    ImageDraw.Draw(header).text((MARGIN, MARGIN), written, fill="black", font=letters)
    width = max(header.width, image.width)
    heights = [int(part.height * (width / part.width)) for part in (header, image)]
    if width * sum(heights) > MOST:
        raise DataError(
            f"An image below its question would be {width:,} x {sum(heights):,} pixels, where at "
            f"most {MOST:,} are made. Cut from {image.width:,} x {image.height:,} what it is about."
        )
    both = Image.new("RGB", (width, sum(heights)), "white")
    for part, height, top in zip((header, image), heights, (0, heights[0]), strict=True):
        if height:
            both.paste(part.resize((width, height)), (0, top))
    return both


@functools.cache
def _font() -> Any:
    """The first font of those above that is installed, or the one that comes with Pillow."""
    from PIL import ImageFont

    for name in (*ALIKE, *OTHERS):
        try:
            found: Any = ImageFont.truetype(name, HEIGHT)
        except OSError:
            continue
        break
    else:
        name, found = "the font of Pillow", ImageFont.load_default(HEIGHT)
    if name not in ALIKE:
        warnings.warn(
            f"Neither Arial nor Liberation Sans is installed: questions are drawn in {name}, and "
            "answers may differ. Install one, such as: apt install fonts-liberation.",
            stacklevel=4,
        )
    return found
