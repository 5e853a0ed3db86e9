import copy

import numpy as np
import pytest
from keras import ops

from s2s_zoo import Pipeline, Seq2Seq
from s2s_zoo.data import Augmentation, CaptionBatches, FeatureCache, mirrored_caption
from s2s_zoo.protocol import END, PAD, START


@pytest.fixture
def pairs(photos):
    return [(name, text) for name, captions in photos[1] for text in captions]


def shown(batches, processor):
    """[(file, whether mirrored, caption)] of an epoch, found by comparing pixels."""
    rows = []
    pixels = {name: processor.encode_source([name])[0] for name in batches.names}
    for inputs, labels, weights in batches:
        np.testing.assert_array_equal(weights, labels != PAD)
        assert (inputs["target"][:, 0] == START).all()
        for image, label in zip(inputs["source"], labels, strict=True):
            if label[0] == PAD:
                continue
            mirrored = {name: x[:, ::-1] for name, x in pixels.items()}
            (found,) = [
                (name, flip)
                for flip, table in ((False, pixels), (True, mirrored))
                for name, x in table.items()
                if np.array_equal(x, image)
            ]
            rows.append((*found, processor.decode(label)))
    return rows


def test_every_caption_meets_its_image_once_an_epoch(tiny_captioner, pairs):
    batches = CaptionBatches(tiny_captioner.processor, pairs, batch_tokens=40, max_shapes=2)
    epochs = [shown(batches, tiny_captioner.processor) for _ in range(3)]
    for rows in epochs:
        said = [(name, mirrored_caption(text) if flip else text) for name, flip, text in rows]
        assert sorted(said) == sorted(pairs)
    flips = [flip for rows in epochs for _, flip, _ in rows]
    assert 0.1 < np.mean(flips) < 0.4  # half of the half that may be
    assert epochs[0] != epochs[1]
    again = CaptionBatches(
        tiny_captioner.processor, pairs, batch_tokens=40, max_shapes=2, start_epoch=2
    )
    assert shown(again, tiny_captioner.processor) == epochs[2]
    # "the red square is left" might mean that it was left there.
    assert not any(flip for rows in epochs for _, flip, text in rows if text.startswith("the"))
    still = CaptionBatches(tiny_captioner.processor, pairs, mirror=False)
    assert not any(flip for _, flip, _ in shown(still, tiny_captioner.processor))


def test_rows_that_fill_a_batch_are_not_mirrored_either(tiny_captioner, pairs):
    seen = []

    def images(names, mirrored):
        seen.extend(mirrored)
        return np.zeros((len(names), 1))

    made = CaptionBatches(
        tiny_captioner.processor, pairs[:2], images, mirror=False, batch_tokens=200, max_shapes=1
    )
    assert len(list(made)) == 1
    assert len(seen) > 2 and not any(seen)


@pytest.mark.parametrize("sampling", [None, 0.5])
def test_a_mirrored_photo_is_said_to_have_its_sides_swapped(tiny_captioner, pairs, sampling):
    processor = tiny_captioner.processor
    if sampling:  # words have one segmentation only, so a draw of them is the usual one
        processor = copy.copy(processor)
        encode = processor.encode_target
        processor.encode_target = lambda texts, truncate=True, sampling=None, sources=None: encode(
            texts, truncate
        )
    pairs = [(name, text) for name, text in pairs if text.startswith("a")]
    batches = CaptionBatches(processor, pairs, batch_tokens=40, sampling=sampling)
    rows = [row for _ in range(2) for row in shown(batches, processor)]
    assert {flip for _, flip, _ in rows} == {False, True}
    for name, flip, text in rows:
        seen = ("left" in name) != flip
        assert text.endswith("left" if seen else "right")


def test_a_caption_that_mirrored_has_no_room_is_not_mirrored(tiny_captioner, pairs):
    def longer(text):
        return f"{text} {text} {text}" if "red" in text else text

    batches = CaptionBatches(tiny_captioner.processor, pairs, mirror=longer, lengths=(8,))
    rows = [row for _ in range(3) for row in shown(batches, tiny_captioner.processor)]
    assert not any(flip for _, flip, text in rows if "red" in text)
    assert any(flip for _, flip, text in rows if "red" not in text)
    assert len(rows) == 3 * len(pairs)


def test_photos_are_augmented_anew_in_each_epoch_and_alike_after_a_resume(tiny_captioner, pairs):
    options = {"batch_tokens": 40, "max_shapes": 1, "augment": Augmentation(), "mirror": False}
    batches = CaptionBatches(tiny_captioner.processor, pairs, **options)
    first, second = ([inputs["source"] for inputs, *_ in batches] for _ in range(2))
    again = CaptionBatches(tiny_captioner.processor, pairs, start_epoch=1, **options)
    for made, expected in zip(again, second, strict=True):
        np.testing.assert_array_equal(made[0]["source"], expected)
    plain = CaptionBatches(tiny_captioner.processor, pairs, **{**options, "augment": None})
    usual = [inputs["source"] for inputs, *_ in plain]
    assert usual[0].shape == first[0].shape and usual[0].dtype == first[0].dtype
    assert not np.array_equal(first[0], usual[0])
    assert not np.array_equal(np.sort(np.ravel(first)), np.sort(np.ravel(second)))
    with pytest.raises(ValueError, match="either images or augment"):
        CaptionBatches(tiny_captioner.processor, pairs, images=print, augment=Augmentation())


def test_pipelines_make_them_for_fit(tiny_captioner, pairs):
    dataset = tiny_captioner.batches(pairs, batch_tokens=40, max_shapes=1, seed=3)
    made = CaptionBatches(tiny_captioner.processor, pairs, batch_tokens=40, max_shapes=1, seed=3)
    for (inputs, labels, _), (expected, expected_labels, _) in zip(dataset, made, strict=True):
        np.testing.assert_array_equal(inputs["source"], expected["source"])
        np.testing.assert_array_equal(labels, expected_labels)
    assert (np.asarray(labels) == END).any()


def test_cached_features_stand_for_the_pixels(tiny_captioner, pairs, tmp_path):
    names = [name for name, _ in pairs]
    cache = FeatureCache(tiny_captioner, names, tmp_path, batch_size=5)
    some, mirrored = [names[3], names[0], names[7]], np.array([True, False, True])
    features = cache(some, mirrored)
    pixels = np.stack(tiny_captioner.processor.encode_source(some))
    pixels[mirrored] = pixels[mirrored][:, :, ::-1]
    encoder = tiny_captioner.model.encoder
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoder(features).memory),
        ops.convert_to_numpy(encoder(pixels).memory),
        rtol=2e-2,
        atol=1e-6,
    )
    before = cache.path.stat().st_mtime_ns
    assert FeatureCache(tiny_captioner, names, tmp_path).path.stat().st_mtime_ns == before
    assert FeatureCache(tiny_captioner, names[2:], tmp_path).path != cache.path


def test_features_of_other_layers_of_one_network_are_kept_apart(tiny_captioner, photos, tmp_path):
    names, paths, shapes = [photos[1][0][0]], [], []
    config = tiny_captioner.model.get_config()
    for finer, before in ((None, "conv_pad_12"), (None, "conv_dw_12"), ("conv_pw_11_relu", None)):
        config["encoder"].update(projection=6, finer=finer)
        model = Seq2Seq.from_config(config)
        for weight in model.encoder.weights:  # the networks are the same
            weight.assign(ops.ones_like(weight))
        model.encoder.freeze(before)
        pipeline = Pipeline("captioning", model, tiny_captioner.processor)
        cache = FeatureCache(pipeline, names, tmp_path)
        paths.append(cache.path)
        shapes.append(cache.features.shape[2:])
    assert len(set(paths)) == 3
    assert shapes == [(4, 6, 128), (5, 7, 128), (1, 24 * 128 + 6 * 256)]
