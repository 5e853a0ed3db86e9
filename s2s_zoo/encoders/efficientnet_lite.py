"""EfficientNet-Lite, called as the networks of `keras.applications` are."""

import math
from typing import Any

import keras
from keras import layers

from s2s_zoo.protocol.types import Shape, StrPath, Tensor

# Blocks, kernel, stride of the first, expansion, channels: the stages of EfficientNet-B0.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


def preprocess_input(pixels: Tensor, data_format: str | None = None) -> Tensor:
    """Returns pixels from 0 to 255 as these networks read them: (x - 127) / 128."""
    return (pixels - 127.0) / 128.0


def EfficientNetLite0(input_shape: Shape, **options: Any) -> keras.Model:
    """EfficientNet-Lite0, made for 224 x 224 pixels; see `network`."""
    return network("efficientnet_lite0", 1.0, 1.0, input_shape, **options)


def EfficientNetLite1(input_shape: Shape, **options: Any) -> keras.Model:
    """EfficientNet-Lite1, made for 240 x 240 pixels; see `network`."""
    return network("efficientnet_lite1", 1.0, 1.1, input_shape, **options)


def EfficientNetLite2(input_shape: Shape, **options: Any) -> keras.Model:
    """EfficientNet-Lite2, made for 260 x 260 pixels; see `network`."""
    return network("efficientnet_lite2", 1.1, 1.2, input_shape, **options)


def network(
    name: str,
    width: float,
    depth: float,
    input_shape: Shape,
    include_top: bool = False,
    weights: StrPath | None = None,
) -> keras.Model:
    """An EfficientNet (Tan and Le 2019, 1905.11946, table 1) without what small devices lack.

    The Lite variant of its authors (tensorflow/tpu, efficientnet/lite) has no squeeze and
    excitation, ReLU6 in place of swish, and a stem, a head and a first and a last stage that are
    not scaled. A block is the inverted bottleneck of MobileNetV2 (1801.04381).

    Args:
        name: str, of the model.
        width: float, by which channels are multiplied, rounded to a multiple of eight.
        depth: float, by which the blocks of a stage are multiplied, rounded up.
        input_shape: (H, W, 3).
        include_top: False, there is no classifier.
        weights: None; `load_weights` reads a file.

    Returns:
        keras.Model from pixels as `preprocess_input` gives them to (B, H / 32, W / 32, 1280).

    Raises:
        ValueError: for a classifier, or weights that Keras would have to download.
    """
    if include_top or weights is not None:
        raise ValueError(
            f"{name} has no classifier, and Keras offers no weights of it. Received: include_top="
            f"{include_top}, weights={weights!r}. Give the path of a .weights.h5 file; "
            "recipes/captioning/convert_network.py makes one."
        )
    image = keras.Input(input_shape, name="image")
    x = _convolved(image, "stem", STEM, 3, 2)
    for stage, (blocks, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        channels = _rounded(channels * width)
        if 1 < stage < len(STAGES):
            blocks = math.ceil(blocks * depth)
        for block in range(blocks):
            label = f"block{stage}{chr(ord('a') + block)}"
            x = _block(x, label, kernel, stride if block == 0 else 1, expansion, channels)
    return keras.Model(image, _convolved(x, "top", HEAD, 1, 1), name=name)


def _block(x, name, kernel, stride, expansion, channels):
    before, wide = x, x.shape[-1] * expansion
    if expansion != 1:
        x = _convolved(x, f"{name}_expand", wide, 1, 1)
    x = layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        data_format="channels_last",
        depthwise_initializer="he_normal",
        name=f"{name}_dwconv",
    )(x)
    x = _normalized(x, f"{name}_bn")
    x = layers.ReLU(6.0, name=f"{name}_activation")(x)
    x = _convolution(x, f"{name}_project_conv", channels, 1, 1)
    x = _normalized(x, f"{name}_project_bn")
    if stride == 1 and before.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, before])
    return x


def _convolved(x, name, channels, kernel, stride):
    x = _convolution(x, f"{name}_conv", channels, kernel, stride)
    return layers.ReLU(6.0, name=f"{name}_activation")(_normalized(x, f"{name}_bn"))


def _convolution(x, name, channels, kernel, stride):
    return layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        data_format="channels_last",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _normalized(x, name):
    return layers.BatchNormalization(axis=-1, momentum=0.99, epsilon=1e-3, name=name)(x)


def _rounded(channels):
    """The next multiple of eight, but for one that is less than nine tenths."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole + 8 if whole < 0.9 * channels else whole
