"""Images read in a graph are those that Pillow reads."""

import functools
import io

import numpy as np
import PIL
import pytest
from PIL import Image

from s2s_zoo.data import read_image
from s2s_zoo.data.images import resized

tf = pytest.importorskip("tensorflow")

from s2s_zoo.data import images_in_graph  # noqa: E402

PILLOW = int(PIL.__version__.split(".")[0])
SIZES = (
    ((64, 96), "stretch"),
    ((64, 96), "crop"),
    ((96, 64), "crop"),
    ((64, 96), "bicubic"),
)


def noise(width, height, channels=3):
    values = np.random.default_rng(width).integers(0, 256, (height, width, channels))
    return Image.fromarray(values.astype("uint8").squeeze())


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@functools.cache
def reader(size, resize):
    return tf.function(lambda data: images_in_graph.read_pixels(data, size, resize))


def width_first(image, size, resize):
    """What Pillow makes of an image axis by axis, as up to 12 and whichever it begins with now."""
    (height, width), box = size, (0, 0, *image.size)
    if resize == "crop":
        ratio = width / height
        wide = image.width / image.height >= ratio
        w, h = (ratio * image.height, image.height) if wide else (image.width, image.width / ratio)
        x, y = (image.width - w) * 0.5, (image.height - h) * 0.5
        box = (x, y, x + w, y + h)
    kind = Image.Resampling.BICUBIC if resize == "bicubic" else Image.Resampling.BILINEAR
    image = image.resize((width, image.height), kind, (box[0], 0, box[2], image.height))
    return np.asarray(image.resize(size[::-1], kind, (0, box[1], width, box[3])))


def compare(data):
    image = read_image(data)
    for size, resize in SIZES:
        wanted = resized(image, size, resize).astype(int)
        found = reader(size, resize)(tf.constant(data)).numpy().astype(int)
        np.testing.assert_array_equal(found, width_first(image, size, resize))
        # Pillow 13 may begin with the axis that shrinks more, and rounds in between.
        swaps = PILLOW >= 13 and image.height * size[1] > image.width * size[0]
        if not (swaps and resize == "bicubic"):  # where it also cuts off in between
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1 if swaps else 0)
        assert len(np.unique(wanted)) > 1


@pytest.mark.parametrize("size", [(96, 64), (320, 211), (50, 33), (200, 90), (65, 64), (90, 300)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_sizes_and_formats(size, kind):
    compare(encoded(noise(*size), kind))


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["little", "big"])
def test_the_orientation_of_a_camera(orientation, order):
    entry = [0x0112, 3, 1, orientation]
    fields = [
        number.to_bytes(size, order) for number, size in zip(entry, (2, 2, 4, 2), strict=True)
    ]
    other = [number.to_bytes(size, order) for number, size in ((0x0106, 2), (3, 2), (1, 4), (2, 2))]
    mark = b"II" if order == "little" else b"MM"
    head = [mark, (42).to_bytes(2, order), (8).to_bytes(4, order), (2).to_bytes(2, order)]
    exif = b"Exif\0\0" + b"".join([*head, *other, bytes(2), *fields, bytes(6)])
    data = encoded(noise(80, 70), "JPEG", exif=exif, icc_profile=bytes(1000), comment=b"Exif\0\0")
    compare(data)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == orientation


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_modes(mode):
    if mode == "I;16":
        values = np.random.default_rng(0).integers(0, 65536, (40, 60)).astype("uint16")
        image = Image.fromarray(values)
    elif mode in ("LA", "RGBA"):
        image = noise(60, 40, 4).convert(mode)
    else:
        image = noise(60, 40).convert(mode)
    compare(encoded(image, "JPEG" if mode == "CMYK" else "PNG"))


def test_a_few_greys_and_a_transparent_one():
    image = noise(60, 40).convert("L").point(lambda value: value // 64 * 64)
    compare(encoded(image, "PNG", transparency=64))
    for colours in (2, 4, 16):
        compare(encoded(noise(60, 40).quantize(colours), "PNG"))


@pytest.mark.parametrize(
    "data", [b"", b"a dog", encoded(noise(9, 9), "PNG")[:60], encoded(noise(9, 9), "JPEG")[:300]]
)
def test_what_is_no_image(data):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected the bytes|Invalid"):
        reader(*SIZES[0])(tf.constant(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_too_large_an_image(kind, monkeypatch):
    monkeypatch.setattr(images_in_graph, "MAX_PIXELS", 99)
    read = tf.function(lambda data: images_in_graph.read_pixels(data, (32, 32), "crop"))
    read(tf.constant(encoded(noise(11, 9), kind)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 99 pixels"):
        read(tf.constant(encoded(noise(10, 10), kind)))


@pytest.mark.parametrize("resize", ["page", "turned_page", "middle"])
def test_what_a_graph_does_not_do(resize):
    with pytest.raises(ValueError, match=f"'stretch', 'bicubic' or 'crop'. Received: '{resize}'"):
        images_in_graph.read_pixels(b"", (32, 32), resize)
