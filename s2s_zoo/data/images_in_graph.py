"""Files of images to pixels inside a TensorFlow graph, as `images` and Pillow make them."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

from collections.abc import Sequence

import tensorflow as tf

from s2s_zoo.data.images import MAX_PIXELS
from s2s_zoo.protocol.types import Tensor

HEAD = 1 << 18  # bytes of a JPEG in which a camera's orientation is looked for
ORIENTATION = 0x0112  # tag of TIFF 6.0
MOST_TAGS = 512
RESIZES = ("stretch", "bicubic", "crop")
FRACTION = 22  # bits of a weight behind the point, Pillow's PRECISION_BITS for 8 bits a pixel


def read_pixels(data: Tensor, size: Sequence[int], resize: str) -> Tensor:
    """Reads a JPEG or PNG as `resized(read_image(data), size, resize)` does.

    The orientation of a JPEG in Exif is applied and transparency lies on white. Pixels are those
    of Pillow up to 12, to the bit. Pillow 13 begins with the height where it shrinks much more
    than the width (python-pillow/Pillow#9549), which changes some pixels by 1 of 255. Not read,
    where Pillow does: an orientation in XMP or in a PNG.

    Args:
        data: () string, the bytes of a file.
        size: (H, W).
        resize: "stretch", "bicubic" or "crop".

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: for another way to resize.
        tf.errors.InvalidArgumentError: when the graph runs, for anything else, a damaged file, or
            more than `MAX_PIXELS` pixels.
    """
    if resize not in RESIZES:
        raise ValueError(
            f"read_pixels expected resize 'stretch', 'bicubic' or 'crop'. Received: {resize!r}, "
            "which a TensorFlow graph does not do. Give it pixels of `resized`."
        )
    jpeg = tf.io.is_jpeg(data)
    png = tf.strings.substr(data, 0, 4) == b"\x89PNG"
    known = tf.debugging.Assert(
        jpeg | png,
        ["Expected the bytes of a JPEG or PNG file. Received, bytes:", tf.strings.length(data)],
    )
    with tf.control_dependencies([known]):
        image = tf.cond(jpeg, lambda: _jpeg(data), lambda: _png(data))
    bounds = _cut(image, size) if resize == "crop" else _whole(image)
    for axis in (1, 0):
        begin, end = bounds[axis]
        image = _resampled(image, begin, end, size[axis], axis, resize == "bicubic")
    return tf.ensure_shape(image, (*size, 3))


def _jpeg(data):
    with tf.control_dependencies([_not_too_large(tf.image.extract_jpeg_shape(data)[:2])]):
        image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    orientation = _orientation(data)
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    for axis, turned in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        image = _flipped(image, axis, tf.reduce_any(orientation == turned))
    return image


def _flipped(image, axis, condition):
    return tf.cond(condition, lambda: tf.reverse(image, (axis,)), lambda: image)


def _png(data):
    sides = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
    with tf.control_dependencies([_not_too_large(sides)]):
        image = tf.cast(tf.io.decode_png(data, channels=4), tf.int32)
    colours, alpha = image[..., :3], image[..., 3:]
    depth = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 24, 1), tf.uint8)[0], tf.int32)
    # Of fewer than 8 bits a sample TensorFlow makes an opaque alpha of as many ones.
    opaque = (depth < 8) & tf.reduce_all(alpha == tf.bitwise.left_shift(1, depth) - 1)
    alpha = tf.where(opaque, 255, alpha)
    blended = (colours * alpha + 255 * (255 - alpha)) * 128 + 0x4000  # Pillow's AlphaComposite.c
    return tf.cast((blended // 256 + blended) // 256 // 128, tf.uint8)


def _not_too_large(sides):
    pixels = tf.reduce_prod(tf.cast(sides, tf.int64))
    message = f"Expected an image of at most {MAX_PIXELS:,} pixels. Received:"
    return tf.debugging.Assert(pixels <= MAX_PIXELS, [message, pixels])


def _orientation(data):
    """How a camera was held, () int64 from 1 to 8 (Exif 2.3, section 4.6.4); 1 where unknown."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, HEAD), tf.uint8), tf.int64)
    size = tf.size(head, tf.int64)
    starts = size - 9  # of "\xff\xe1", the length of the segment, "Exif\0\0"
    marks = [(0, 0xFF), (1, 0xE1), *enumerate(b"Exif\x00\x00", 4)]
    here = [head[i : tf.maximum(starts, 0) + i] == code for i, code in marks]
    found = tf.reshape(tf.where(tf.reduce_all(here, axis=0)), (-1,))
    tiff = tf.concat([found, [size]], 0)[0] + 10
    little = tf.gather(head, tf.minimum(tiff, size - 1)) == ord("I")

    def number(places, length):
        digits = tf.gather(head, tf.clip_by_value(places[..., None] + range(length), 0, size - 1))
        digits = tf.where(little, digits[..., ::-1], digits)
        return tf.reduce_sum(digits * [256**i for i in reversed(range(length))], axis=-1)

    directory = tiff + number(tiff + 4, 4)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2), MOST_TAGS))
    values = number(entries + 8, 2)
    told = (number(entries, 2) == ORIENTATION) & (values >= 1) & (values <= 8) & (tiff < size)
    return tf.reduce_max(tf.concat([[tf.constant(1, tf.int64)], values[told]], 0))


def _whole(image):
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    return [(0.0, sides[0]), (0.0, sides[1])]


def _cut(image, size):
    """Where a box of the proportions of `size` begins and ends, as `PIL.ImageOps.fit` has it."""
    sides = tf.cast(tf.shape(image)[:2], tf.float64)
    ratio = tf.constant(size[1] / size[0], tf.float64)
    wide = sides[1] / sides[0] >= ratio
    box = tf.where(wide, [sides[0], ratio * sides[0]], [sides[1] / ratio, sides[1]])
    first = (sides - box) * 0.5
    box = tf.cast([first, first + box], tf.float32)
    return [(box[0, axis], box[1, axis]) for axis in (0, 1)]


def _resampled(image, begin, end, length, axis, cubic):
    """Shrinks or stretches one axis by a filter in integers: Pillow's Resample.c.

    Args:
        image: (H, W, 3) uint8.
        begin, end: () float32, what is taken of the axis.
        length: int, of the axis afterwards.
        axis: 0 or 1.
        cubic: bool, whether the filter is cubic or a triangle.
    """
    size = tf.shape(image)[axis]
    scale = tf.cast(end - begin, tf.float64) / length
    stretch = tf.maximum(scale, 1.0)
    support = stretch * (2.0 if cubic else 1.0)
    centres = tf.cast(begin, tf.float64) + (tf.range(length, dtype=tf.float64) + 0.5) * scale
    first = tf.maximum(tf.cast(centres - support + 0.5, tf.int32), 0)
    last = tf.minimum(tf.cast(centres + support + 0.5, tf.int32), size)
    places = first[:, None] + tf.range(tf.reduce_max(last - first))
    distances = (tf.cast(places, tf.float64) - centres[:, None] + 0.5) * (1.0 / stretch)
    weights = _cubic(tf.abs(distances)) if cubic else tf.maximum(1.0 - tf.abs(distances), 0.0)
    weights = tf.where(places < last[:, None], weights, 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    weights = tf.cast(weights * (1 << FRACTION) + 0.5 * tf.sign(weights), tf.int32)
    shape = [1, 1, 1]
    shape[axis] = length

    def add(tap, total):
        taken = tf.gather(image, tf.minimum(places[:, tap], size - 1), axis=axis)
        return tap + 1, total + tf.cast(taken, tf.int32) * tf.reshape(weights[:, tap], shape)

    sides = [tf.shape(image)[0], tf.shape(image)[1], 3]
    sides[axis] = length
    total = tf.fill(sides, 1 << (FRACTION - 1))
    taps = tf.shape(places)[1]
    _, total = tf.while_loop(
        lambda tap, _: tap < taps,
        add,
        (0, total),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None, 3])),
    )
    shifted = tf.bitwise.right_shift(total, FRACTION)
    return tf.cast(tf.clip_by_value(shifted, 0, 255), tf.uint8)


def _cubic(x):
    """The filter of Keys with a = -0.5, of distances that are not negative."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0)
    return tf.where(x < 1.0, near, tf.where(x < 2.0, far, 0.0))
