import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.cnn import BACKBONES, CNNEncoder
from s2s_zoo.protocol.errors import DataError

SIZE = (64, 96)
PIXELS = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), "uint8")


def small(**options):
    keras.utils.set_random_seed(1)
    encoder = CNNEncoder(**{"backbone": "mobilenet", "alpha": 0.25, "size": SIZE, **options})
    encoder.build()
    for weight in encoder.weights:  # as it comes every region is nearly the same
        if weight.path.endswith("gamma"):
            weight.assign(ops.convert_to_numpy(weight) * 3.5)
    return encoder


@pytest.fixture(scope="module")
def encoder():
    return small()


def test_the_regions_are_the_feature_map_of_the_scaled_pixels(encoder):
    features = encoder.backbone.predict(PIXELS / 127.5 - 1, verbose=0)
    assert features.shape == (2, 2, 3, 256) and encoder.grid == (2, 3)
    memory, mask, state = map(ops.convert_to_numpy, encoder(PIXELS)[:3])
    np.testing.assert_allclose(memory, features.reshape(2, 6, 256), atol=1e-4)
    np.testing.assert_allclose(memory[1, 4], features[1, 1, 1], atol=1e-4)  # row by row
    np.testing.assert_allclose(state, memory.mean(axis=1), atol=1e-5)
    assert mask.shape == (2, 6) and mask.all()
    assert features.std() > 0.01


def test_projection():
    encoder = small(projection=5)
    raw = small()(PIXELS).memory
    kernel, bias = map(ops.convert_to_numpy, encoder.projection.weights)
    plain = CNNEncoder("mobilenet", SIZE, 0.25)
    plain.build()
    plain.backbone.set_weights(encoder.backbone.get_weights())
    raw = ops.convert_to_numpy(plain(PIXELS).memory)
    expected = np.maximum(raw @ kernel + bias, 0)
    assert encoder.memory_dim == encoder.state_dim == 5
    np.testing.assert_allclose(ops.convert_to_numpy(encoder(PIXELS).memory), expected, atol=1e-3)


@pytest.mark.parametrize("before", [None, "conv_pad_12", "conv_pw_13"])
def test_what_the_frozen_part_made_stands_for_the_pixels(before):
    encoder = small()
    whole = ops.convert_to_numpy(encoder(PIXELS).memory)
    encoder.freeze(before)
    made = encoder.frozen().predict(PIXELS, verbose=0)
    assert made.shape == (
        2,
        *{None: (2, 3, 256), "conv_pad_12": (4, 6, 128)}.get(before, made.shape[1:]),
    )
    np.testing.assert_allclose(ops.convert_to_numpy(encoder(made).memory), whole, atol=1e-4)


def test_freeze_leaves_what_follows_to_be_trained():
    encoder = small(projection=5)
    encoder.freeze()
    assert len(encoder.trainable_weights) == 2  # of the projection
    encoder.freeze("conv_dw_13")
    paths = {weight.path.split("/")[-2] for weight in encoder.trainable_weights}
    assert paths == {"projection", "conv_dw_13", "conv_dw_13_bn", "conv_pw_13", "conv_pw_13_bn"}
    encoder.freeze("conv1")
    assert len(encoder.trainable_weights) > 50
    with pytest.raises(ValueError, match="Did you mean 'conv_dw_13'"):
        encoder.freeze("conv_dw13")


def test_a_layer_that_others_bypass_is_refused():
    encoder = CNNEncoder("mobilenet_v2", (32, 32), alpha=0.35)
    encoder.build()
    encoder.freeze("block_15_expand")  # the first of its block
    with pytest.raises(ValueError, match="which other layers bypass"):
        encoder.freeze("block_15_depthwise")


def test_statistics_of_the_batch_are_never_used(encoder):
    before = [ops.convert_to_numpy(weight) for weight in encoder.weights]
    trained = ops.convert_to_numpy(encoder(PIXELS, training=True).memory)
    np.testing.assert_allclose(trained, ops.convert_to_numpy(encoder(PIXELS).memory), atol=1e-5)
    for weight, old in zip(encoder.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)


def test_first_weights_come_from_a_file_and_leave_no_trace_in_the_config(tmp_path):
    source = small()
    source.backbone.save_weights(tmp_path / "m.weights.h5")
    encoder = CNNEncoder("mobilenet", SIZE, 0.25)
    encoder.build()
    config = encoder.get_config()
    encoder.load_backbone(tmp_path / "m.weights.h5")
    assert encoder.get_config() == config == json.loads(json.dumps(config))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(encoder(PIXELS).memory), ops.convert_to_numpy(source(PIXELS).memory)
    )


def test_what_is_no_file_of_this_network_is_named(encoder, tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save_weights(
        tmp_path / "other.weights.h5"
    )
    (tmp_path / "damaged.weights.h5").write_bytes(b"no weights")
    (tmp_path / "network.pth").write_bytes(b"of PyTorch")
    for name in ("gone.weights.h5", "other.weights.h5", "damaged.weights.h5", "network.pth"):
        with pytest.raises(DataError, match=f"{name} is no file of weights of mobilenet"):
            encoder.load_backbone(tmp_path / name)


def test_imagenet_weights_are_asked_for_once_and_only_then(monkeypatch):
    encoder = CNNEncoder("mobilenet", SIZE, 0.25)
    asked, make = [], encoder._application

    def application(weights, **options):
        asked.append(weights)
        return make(weights=None, **options)

    application.__module__ = make.__module__
    encoder._application = application
    encoder.build()
    assert asked == [None]
    encoder.load_backbone("imagenet")
    assert asked == [None, "imagenet"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "mobilnet"}, "Did you mean 'mobilenet'"),
        ({"backbone": "resnet50", "alpha": 0.5}, "alpha with a MobileNet only"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        CNNEncoder(**options)


# Of each module the first: numbers alone make the others. How Keras names its layers is not a
# matter of the backend, and JAX compiles each of them.
BUILT = ("mobilenet",)
if keras.backend.backend() == "tensorflow":
    BUILT = {CNNEncoder(name)._application.__module__: name for name in reversed(BACKBONES)}
    BUILT = tuple(BUILT.values())


@pytest.mark.parametrize("backbone", BUILT)
def test_every_backbone_has_stable_names_and_gives_a_feature_map(backbone):
    paths = []
    for _ in range(2):
        encoder = CNNEncoder(backbone, (64, 64))
        encoder.build()
        paths.append([weight.path for weight in encoder.weights])
    assert paths[0] == paths[1] and len(set(paths[0])) == len(paths[0])
    rows, columns = encoder.grid
    memory = encoder(PIXELS[:1, :, :64]).memory
    assert tuple(memory.shape) == (1, rows * columns, encoder.memory_dim)


def two_scales():
    return small(projection=5, finer="conv_pw_11_relu")


def test_regions_of_two_scales():
    encoder = two_scales()
    names = ("conv_pw_11_relu", "conv_pw_13_relu")
    outputs = [encoder.backbone.get_layer(name).output for name in names]
    made = keras.Model(encoder.backbone.input, outputs).predict(PIXELS / 127.5 - 1, verbose=0)
    assert [x.shape for x in made] == [(2, 4, 6, 128), (2, 2, 3, 256)]
    parts = []
    for x, projection in zip(made, (encoder.finer_projection, encoder.projection), strict=True):
        kernel, bias = map(ops.convert_to_numpy, projection.weights)
        parts.append(np.maximum(x.reshape(2, -1, x.shape[-1]) @ kernel + bias, 0))
    memory, mask, state = map(ops.convert_to_numpy, encoder(PIXELS)[:3])
    assert memory.shape == (2, 30, 5) == (2, encoder.regions, encoder.memory_dim)
    np.testing.assert_allclose(memory, np.concatenate(parts, axis=1), atol=1e-3)
    np.testing.assert_allclose(state, parts[1].mean(axis=1), atol=1e-3)
    assert mask.all() and parts[0].std() > 0.01 < parts[1].std()


@pytest.mark.parametrize(
    ("before", "shape"),
    [
        (None, (1, 24 * 128 + 6 * 256)),
        ("conv_pad_12", (4, 6, 128)),  # reads the finer map
        ("conv_pw_12", (1, 24 * 128 + 6 * 128)),
        ("conv_pw_11", (4, 6, 128)),
    ],
)
def test_what_the_frozen_part_made_of_two_scales_stands_for_the_pixels(before, shape):
    encoder = two_scales()
    whole = ops.convert_to_numpy(encoder(PIXELS).memory)
    encoder.freeze(before)
    made = encoder.frozen().predict(PIXELS, verbose=0)
    assert made.shape == (2, *shape)
    np.testing.assert_allclose(ops.convert_to_numpy(encoder(made).memory), whole, atol=1e-3)


def test_a_finer_map_is_finer_and_has_a_projection():
    with pytest.raises(ValueError, match="a projection beside finer"):
        CNNEncoder("mobilenet", SIZE, 0.25, finer="conv_pw_11_relu")
    for name, message in (("conv_pw_13", "map of more than"), ("conv_pw11", "Did you mean")):
        with pytest.raises(ValueError, match=message):
            CNNEncoder("mobilenet", SIZE, 0.25, projection=5, finer=name).build()


def test_where_a_decoder_looked_at_two_scales():
    encoder = two_scales()
    alignment = np.zeros((2, 30), "float32")
    alignment[0, 7] = 1  # second row, second column of the finer 4 x 6
    alignment[1, 24 + 5] = 1  # second row, third column of the coarse 2 x 3
    fine, coarse = encoder.maps(alignment)
    assert fine.shape == (4, 6) and fine[1, 1] == 1 == fine.sum()
    np.testing.assert_allclose(coarse[2:, 4:], 0.25)
    assert coarse.sum() == pytest.approx(1)
