import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from s2s_zoo.checkpoints.processors import load_processor
from s2s_zoo.data import ImageProcessor, TextProcessor
from s2s_zoo.protocol import END
from s2s_zoo.protocol.errors import CheckpointError


@pytest.fixture
def images(tokenizer):
    return ImageProcessor(tokenizer, size=(32, 48), resize="crop", max_target_length=9)


def test_what_is_saved_comes_back(images, tmp_path):
    images.save(tmp_path)
    again = load_processor(tmp_path)
    assert type(again) is ImageProcessor
    assert again.get_config() == images.get_config()
    assert (again.size, again.resize, again.max_target_length) == ((32, 48), "crop", 9)
    photo = Image.effect_noise((100, 70), 50)
    np.testing.assert_array_equal(again.encode_source([photo]), images.encode_source([photo]))


def test_pixels_have_the_size_of_the_model(images):
    (pixels,) = images.encode_source([np.zeros((5, 300, 3), "uint8")])
    assert pixels.shape == (32, 48, 3) and pixels.dtype == np.uint8


def test_targets_are_those_of_a_text_processor(images, tokenizer):
    text = TextProcessor(tokenizer, tokenizer, max_target_length=9)
    (row,) = images.encode_target(["the dog."])
    np.testing.assert_array_equal(row, text.encode_target(["the dog."])[0])
    assert row[-1] == END and images.decode(row) == "the dog."
    with pytest.warns(UserWarning, match="1 of 1 target texts are longer than 9"):
        assert len(images.encode_target(["the dog " * 9])[0]) == 9


def test_one_image_or_many(images, tmp_path):
    for name in ("b.png", "a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    path, pixels = str(tmp_path / "a.png"), np.zeros((4, 4, 3), "uint8")
    singles = (path, tmp_path / "a.png", b"bytes", pixels, Image.new("RGB", (4, 4)))
    with open(path, "rb") as file:
        for single in (*singles, file, io.BytesIO(b"bytes")):
            assert images.collect(single) == ([single], True)
    assert images.collect("https://example.org/a.png") == (["https://example.org/a.png"], True)
    assert images.collect([path, path]) == ([path, path], False)
    found, single = images.collect(tmp_path)
    assert [item.name for item in found] == ["a.png", "b.png"] and not single
    endless = iter([path])
    assert images.collect(endless) == (endless, False)


def test_held_out_captions_of_an_image_stand_together(images, processor):
    pairs = [("a.jpg", "one"), ("b.jpg", "two"), ("a.jpg", "three")]
    assert images.held_out(pairs, "dir") == (
        ["dir/a.jpg", "dir/b.jpg"],
        [["one", "three"], ["two"]],
    )
    assert processor.held_out(pairs[:2]) == (["a.jpg", "b.jpg"], ["one", "two"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 224}, "size=.height, width."),
        ({"size": (8, 224)}, "32 to 4096 pixels"),
        ({"size": (10**6, 224)}, "32 to 4096 pixels"),
        ({"resize": "squeeze"}, "Received: 'squeeze'"),
        ({"max_target_length": 1}, "max_target_length >= 2"),
    ],
)
def test_wrong_options(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        ImageProcessor(tokenizer, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "imagge"}, "Did you mean 'image'"),
        ({"size": "large"}, "size=.height, width."),
        ({"scale": 1}, "scale"),
        ({"resize": None}, "resize"),
    ],
)
def test_an_altered_processor_is_refused(images, tmp_path, change, message):
    images.save(tmp_path / "a")
    path = shutil.copytree(tmp_path / "a", tmp_path / "b") / "processor.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_processor(path.parent)
