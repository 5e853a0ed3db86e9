import numpy as np
import pytest
from keras import ops

from s2s_zoo.data import CaptionBatches, FeatureCache
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
        assert sorted((name, text) for name, _, text in rows) == sorted(pairs)
    flips = [flip for rows in epochs for _, flip, _ in rows]
    assert 0.2 < np.mean(flips) < 0.8
    assert epochs[0] != epochs[1]
    again = CaptionBatches(
        tiny_captioner.processor, pairs, batch_tokens=40, max_shapes=2, start_epoch=2
    )
    assert shown(again, tiny_captioner.processor) == epochs[2]
    still = CaptionBatches(tiny_captioner.processor, pairs, mirror=False)
    assert not any(flip for _, flip, _ in shown(still, tiny_captioner.processor))


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
