"""Images from files, bytes, addresses, arrays and Pillow, as RGB of one size."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.data.pages import PAGES, laid_on_black, middle
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from PIL import Image

# Pillow reads others too, one of them by running another program.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
}
MAX_PIXELS = 64_000_000
MAX_BYTES = 64 << 20
TIMEOUT = 10.0  # seconds, for an address to answer and to be read
ADDRESSES = ("http://", "https://")


def is_address(source: Any) -> bool:
    """Whether a source is the URL of an image."""
    return isinstance(source, str) and source.lower().startswith(ADDRESSES)


def image_files(folder: StrPath) -> list[Path]:
    """Returns the paths of the images in a folder, by the ending of their names, in their order.

    Raises:
        DataError: if there is none.
    """
    endings = {ending for kind in FORMATS.values() for ending in kind}
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in endings)
    if not found:
        raise DataError(
            f"{folder} holds no image: no name ends in {', '.join(sorted(endings))}. "
            "Name a folder with images, or the files."
        )
    return found


def read_image(source: Any) -> Image.Image:
    """Reads an image as a person would see it.

    The orientation of a camera is applied, transparency lies on white, of an animation the first
    picture counts, and 16 bits become 8.

    Args:
        source: str or path of a file; str, an address (http, https), of which at most `MAX_BYTES`
            are read in at most `TIMEOUT` seconds; bytes of a file, or a file that is open in
            binary mode; a Pillow image; or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of
            uint8, of other integers, where up to 255 are 8 bits and up to 65535 are 16, or of
            floats from 0 to 1.

    Returns:
        A Pillow image, RGB.

    Raises:
        DataError: if the source is no image, is damaged, or has more than `MAX_PIXELS` pixels.
        TypeError: for anything else.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        return _to_rgb(source, "The image")
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, bytes | bytearray):
        return _decode(bytes(source), f"The {len(source)} bytes")
    if is_address(source):
        return _decode(download(source, MAX_BYTES), source)
    if hasattr(source, "read"):
        return _of_open_file(source)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            "Expected an image: a path, an address, bytes, an open file, a Pillow image or an "
            "array. "
            f"Received: {type(source).__name__} {source!r:.80}."
        )
    try:
        size = Path(source).stat().st_size
        if size > MAX_BYTES:
            raise _too_large(source, f"{size:,} bytes, where at most {MAX_BYTES:,} are read")
        with open(source, "rb") as file:
            data = file.read(MAX_BYTES + 1)  # a device has no size
        if len(data) > MAX_BYTES:
            raise _too_large(source, f"more than {MAX_BYTES:,} bytes")
        return _decode(data, source)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{source} cannot be read: {getattr(error, 'strerror', None) or error}. "
            "Check the name of the file."
        ) from error


def pixels_of(data: bytes) -> int:
    """The number of pixels that the head of a file says, nothing decoded; 0 if it is no image."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                return math.prod(image.size)
        except Image.DecompressionBombError:
            return MAX_PIXELS + 1
        except Exception:  # `read_image` says what is wrong
            return 0


def resized(image: Image.Image, size: Sequence[int], resize: str) -> np.ndarray:
    """Returns an RGB image as (H, W, 3) uint8.

    Args:
        image: a Pillow image, RGB.
        size: (H, W).
        resize: "stretch", which changes the proportions, "bicubic", which does so by another
            filter than the bilinear one, "crop", which cuts off what is too much of the longer
            side, equally at both ends, "middle", which does so as CLIP, bicubically, "page", which
            keeps all of it and lays it on black, or "turned_page", which turns it clockwise first
            where it lies and the size stands, or the other way round.
    """
    from PIL import Image, ImageOps

    height, width = size
    if resize in PAGES:
        return laid_on_black(image, height, width, resize == "turned_page")
    if resize == "middle":
        return middle(image, height, width)
    if image.size != (width, height):
        fit = ImageOps.fit if resize == "crop" else Image.Image.resize
        filters = Image.Resampling
        by = filters.BICUBIC if resize == "bicubic" else filters.BILINEAR
        image = fit(image, (width, height), by)
    return np.asarray(image)


def _of_open_file(file):
    """The image in a file that is open, from where it stands."""
    name = f"The file {getattr(file, 'name', file)!r:.80}"
    try:
        data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # closed, or text that is none
        raise DataError(f"{name} cannot be read: {error}. Open it in binary mode.") from error
    if not isinstance(data, bytes):
        raise TypeError(f"{name} gives {type(data).__name__}, not bytes. Open it in binary mode.")
    if len(data) > MAX_BYTES:
        raise _too_large(name, f"more than {MAX_BYTES:,} bytes")
    return _decode(data, name)


def _decode(data, name):
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; the size is looked at here
        try:
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                return _to_rgb(image, name)
        except Image.DecompressionBombError as error:
            raise _too_large(name, str(error)) from error
        except DataError:
            raise
        except Image.UnidentifiedImageError as error:
            raise DataError(
                f"{name}: not an image of a known format ({', '.join(FORMATS)}). "
                "Convert it, or leave it out."
            ) from error
        except Exception as error:  # damaged files make Pillow raise many kinds
            raise DataError(
                f"{name} is damaged or incomplete: {str(error) or type(error).__name__}. "
                "Get the file again."
            ) from error


def _to_rgb(image, name):
    from PIL import Image, ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(
            name, f"{width:,} x {height:,} pixels, where at most {MAX_PIXELS:,} are read"
        )
    if not width * height:
        raise DataError(f"{name} has no pixels. Give an image of at least one.")
    of_file = image.format is not None  # whose integers are 16 bits, however dark it is
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _from_array(np.asarray(image), of_file)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_array(array, of_16_bits=False):
    from PIL import Image

    shape = array.shape
    if len(shape) == 3 and shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or not array.size:
        raise DataError(
            "An image array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), with pixels. "
            f"Received: {shape}. Give a batch as a list of images."
        )
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and 0 <= array.min() and array.max() <= 1):
            raise DataError(
                "An image array of floats goes from 0 to 1. Received: "
                f"{array.min()} to {array.max()}. Divide it, or give uint8 from 0 to 255."
            )
        array = np.round(array * 255).astype("uint8")
    elif array.dtype != np.uint8:
        whole = array.dtype.kind in "iu"
        if not whole or array.min() < 0 or array.max() > 65535:
            limits = f" from {array.min()} to {array.max()}" if whole else ""
            raise DataError(
                "An image array is of uint8, of other integers to 65535, or of floats from 0 to 1. "
                f"Received: {array.dtype}{limits}. Convert it."
            )
        if of_16_bits or array.max() > 255:
            array = array.astype("uint16") >> 8
        array = array.astype("uint8")
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)), "The array")


def download(address: str, most: int, kind: str = "an image") -> bytes:
    """The bytes behind an address, read in at most `TIMEOUT` seconds.

    Args:
        address: str.
        most: int, bytes that are read.
        kind: str, what they should be, for the error.

    Raises:
        DataError: if it does not answer in time, or with more bytes.
    """
    import time
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + TIMEOUT
    chunks, size = [], 0
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "s2s-zoo"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            while chunk := answer.read1(1 << 16):
                chunks.append(chunk)
                size += len(chunk)
                if size > most:
                    raise _too_large(address, f"more than {most:,} bytes", kind)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {TIMEOUT:g} seconds")
    except DataError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{address} cannot be read: {reason}. Check the address, or download the file."
        ) from error
    return b"".join(chunks)


def _too_large(name, what, kind="an image"):
    return DataError(f"{name} is too large for {kind}: {what}. Make it smaller first.")
