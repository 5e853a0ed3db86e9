import numpy as np
import pytest
from PIL import Image

from s2s_zoo.data import Augmentation


def gradient(width=64, height=48):
    """Red grows with the column and green with the row, so a part tells where it is from."""
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns, rows, rows * 0], axis=-1).astype("uint8"))


def test_a_part_of_the_photo_is_cut_out():
    augment, generator = Augmentation(crop=0.5, colour=0), np.random.default_rng(0)
    shares, corners = [], set()
    for _ in range(50):
        part = augment(gradient(), generator)
        pixels = np.asarray(part)
        left, top = pixels[0, 0, 0], pixels[0, 0, 1]
        height, width = pixels.shape[:2]
        whole = np.asarray(gradient())
        np.testing.assert_array_equal(pixels, whole[top : top + height, left : left + width])
        shares.append(height * width / (64 * 48))
        corners.add((int(left), int(top)))
        assert 3 / 4 - 0.05 <= (width / height) / (64 / 48) <= 4 / 3 + 0.05
    assert 0.49 < min(shares) < 0.6 and 0.85 < max(shares) <= 1 and len(corners) > 20


def test_colours_stay_near_those_of_the_photo():
    image = Image.new("RGB", (4, 4), (100, 120, 140))
    augment, generator = Augmentation(crop=1, colour=0.2), np.random.default_rng(0)
    made = [np.asarray(augment(image, generator)) for _ in range(40)]
    assert all(x.shape == (4, 4, 3) for x in made)
    means = np.array([x.mean() for x in made])
    assert 0.79 * 120 < means.min() < 0.9 * 120 and 1.1 * 120 < means.max() < 1.21 * 120
    spread = np.array([float(x[0, 0, 2]) - float(x[0, 0, 0]) for x in made])
    assert spread.min() < 36 and spread.max() > 44  # saturation and contrast


def test_nothing_is_done_where_nothing_is_asked_for():
    made = Augmentation(crop=1, colour=0)(gradient(), np.random.default_rng(0))
    np.testing.assert_array_equal(np.asarray(made), np.asarray(gradient()))


def test_a_photo_of_one_pixel_has_a_part():
    made = Augmentation(crop=0.1)(Image.new("RGB", (1, 1)), np.random.default_rng(0))
    assert made.size == (1, 1)


@pytest.mark.parametrize("options", [{"crop": 0}, {"crop": 1.5}, {"colour": -0.1}, {"colour": 1}])
def test_numbers_outside_their_range_are_refused(options):
    with pytest.raises(ValueError, match="expected crop above 0"):
        Augmentation(**options)
