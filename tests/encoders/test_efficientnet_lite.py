import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.encoders.efficientnet_lite import EfficientNetLite0, preprocess_input

# Published with their classifier of 1,000 classes: 4.7, 5.4 and 6.1 million parameters.
PARAMETERS = {
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
}
LEAST = PARAMETERS if keras.backend.backend() == "tensorflow" else ["efficientnet_lite0"]


@pytest.mark.parametrize("name", LEAST)
def test_width_and_depth_are_the_published_ones(name):
    encoder = CNNEncoder(name, (64, 96))
    encoder.build()
    # Keras counts the statistics of batch normalization, which the published figures leave out.
    statistics = sum(
        int(np.prod(weight.shape)) for weight in encoder.backbone.weights if "moving" in weight.path
    )
    classifier = 1280 * 1000 + 1000
    assert encoder.backbone.count_params() - statistics + classifier == PARAMETERS[name]
    assert encoder.grid == (2, 3) and encoder.memory_dim == 1280


def test_pixels_go_from_about_minus_one_to_one():
    pixels = np.array([0.0, 127.0, 255.0], "float32")
    np.testing.assert_allclose(preprocess_input(pixels), [-127 / 128, 0.0, 1.0])
    encoder = CNNEncoder("efficientnet_lite0", (32, 32))
    encoder.build()
    grey = np.full((1, 32, 32, 3), 127, "uint8")  # zero everywhere: what is left are the biases
    expected = encoder.backbone(np.zeros((1, 32, 32, 3), "float32"), training=False)
    found = ops.convert_to_numpy(encoder(grey).memory)
    np.testing.assert_allclose(found[0, 0], ops.convert_to_numpy(expected)[0, 0, 0], atol=1e-5)


def test_weights_come_from_a_file_only():
    encoder = CNNEncoder("efficientnet_lite0", (32, 32))
    encoder.build()
    with pytest.raises(ValueError, match=r"Keras offers no weights.*convert_network.py"):
        encoder.load_backbone("imagenet")
    with pytest.raises(ValueError, match="no classifier"):
        EfficientNetLite0((32, 32, 3), include_top=True)
    with pytest.raises(ValueError, match="alpha with a MobileNet only"):
        CNNEncoder("efficientnet_lite0", (32, 32), alpha=0.5)


def test_the_last_blocks_can_be_trained_alone():
    encoder = CNNEncoder("efficientnet_lite0", (32, 32))
    encoder.build()
    encoder.freeze("block6a_expand_conv")
    paths = {weight.path.split("/")[-2] for weight in encoder.trainable_weights}
    assert all(path.startswith(("block6", "block7", "top")) for path in paths)
    assert tuple(encoder.frozen().output.shape[1:]) == (2, 2, 112)
    with pytest.raises(ValueError, match="which other layers bypass"):
        encoder.freeze("block6b_dwconv")
