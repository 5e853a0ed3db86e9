"""Image encoder: a convolutional network whose feature map is the memory."""

import inspect
import math
import sys
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.encoders import efficientnet_lite
from s2s_zoo.encoders.layer import ImageEncoder
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config, Shape, StrPath, Tensor

# Our names, and those of keras.applications or, where it has none, what makes the network. What
# these do to pixels and how they name their layers does not depend on what was built before
# (EfficientNet's first version fails the second).
BACKBONES: dict[str, Any] = {
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3Small",
    "mobilenet_v3_large": "MobileNetV3Large",
    "efficientnet_lite0": efficientnet_lite.EfficientNetLite0,
    "efficientnet_lite1": efficientnet_lite.EfficientNetLite1,
    "efficientnet_lite2": efficientnet_lite.EfficientNetLite2,
    "efficientnet_v2_b0": "EfficientNetV2B0",
    "efficientnet_v2_b1": "EfficientNetV2B1",
    "efficientnet_v2_s": "EfficientNetV2S",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "resnet50_v2": "ResNet50V2",
    "resnet101_v2": "ResNet101V2",
    "resnet152_v2": "ResNet152V2",
    "densenet121": "DenseNet121",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
}


@keras.saving.register_keras_serializable("s2s_zoo")
class CNNEncoder(ImageEncoder):
    """Reads an image with a network of `BACKBONES`; the regions are its feature map.

    Show, Attend and Tell (Xu et al. 2015, 1502.03044, section 3.1.1): the annotation vectors
    a_i are the columns of the last feature map, and the decoder starts from their mean. Pixels
    are scaled here, as the network was trained with. The network always runs in inference mode:
    its batch normalization keeps the statistics it came with, also while its weights are tuned.

    A part of the network can be frozen, see `freeze`. What the frozen part makes of an image is
    the same in every epoch: `frozen` computes it, and `call` takes it in place of the pixels.

    Args:
        backbone: str, a key of `BACKBONES`.
        size: (H, W) of the images, in pixels.
        alpha: float, the width of a MobileNet; None where the network has none, or for its
            default.
        projection: int, the width of the memory, relu(W a_i + b); None takes the a_i as they are.
        dropout: float, on the a_i.

    Call arguments:
        source: (B, H, W, 3) pixels, RGB from 0 to 255; or (B, h, w, C), what `frozen` gave.

    Returns:
        EncoderOutput: memory (B, S, D), the regions row by row; mask (B, S), all True; state
        (B, D), the mean of the memory.

    Raises:
        ValueError: for an unknown backbone, an alpha that it does not have, or a size too small.
    """

    def __init__(
        self,
        backbone: str,
        size: Sequence[int] = (224, 224),
        alpha: float | None = None,
        projection: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backbone_name = backbone
        self.size = tuple(size)
        self.alpha = alpha
        self.projection_dim = projection
        network = lookup(BACKBONES, backbone, "backbone")
        named = isinstance(network, str)
        self._application = getattr(keras.applications, network) if named else network
        if alpha is not None and "alpha" not in inspect.signature(self._application).parameters:
            raise ValueError(
                f"CNNEncoder expected alpha with a MobileNet only. Received: alpha={alpha}, "
                f"backbone={backbone!r}. Leave alpha out."
            )
        self.train_from: str | None = None  # the first layer that is not frozen
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        if projection is not None:
            self.projection = keras.layers.Dense(projection, activation="relu", name="projection")

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), rows and columns of the regions."""
        return tuple(self.backbone.output.shape[1:3])

    def build(self, source_shape: Shape | None = None) -> None:
        self.backbone = self._new_backbone(weights=None)
        self.memory_dim = self.state_dim = self.projection_dim or self.backbone.output.shape[-1]
        self.regions = math.prod(self.grid)
        if self.projection_dim is not None:
            self.projection.build((None, None, self.backbone.output.shape[-1]))
        self.built = True

    def _new_backbone(self, weights):
        alpha = {} if self.alpha is None else {"alpha": self.alpha}
        return self._application(
            input_shape=(*self.size, 3), include_top=False, weights=weights, **alpha
        )

    def load_backbone(self, weights: StrPath) -> None:
        """Gives the network its first weights, those of image classification.

        Args:
            weights: "imagenet", which Keras downloads for the networks that it has, or the path
                of a `.weights.h5` file of the same network without its top.

        Raises:
            ValueError: for "imagenet" and a network that Keras does not have.
        """
        if weights == "imagenet":
            self.backbone.set_weights(self._new_backbone(weights).get_weights())
        else:
            self.backbone.load_weights(weights)

    def freeze(self, before: str | None = None) -> None:
        """Freezes the network up to a layer, all of it where None; the rest can be trained.

        Call `model.compile` afterwards.

        Args:
            before: str, the first layer to train, such as "conv_dw_12" of a MobileNet. Its input
                must be all that the rest depends on: the first layer of a block is a good choice.

        Raises:
            ValueError: for an unknown layer, or one that others bypass.
        """
        layers = self.backbone.layers
        if before is None:
            first, self.train_from = len(layers), None
        else:
            names = {layer.name: i for i, layer in enumerate(layers)}
            first = lookup(names, before, f"layer of {self.backbone_name}")
            cut = layers[first].input
            try:
                keras.Model(cut, self.backbone.output)
            except ValueError as error:
                raise ValueError(
                    f"freeze expected a layer that all the rest depends on. Received: "
                    f"before={before!r}, which other layers bypass. Name the first of a block."
                ) from error
            self.train_from = before
        for i, layer in enumerate(layers):
            layer.trainable = i >= first

    def frozen(self) -> keras.Model:
        """Returns a `keras.Model` from pixels (B, H, W, 3) to what the frozen part makes of them.

        It gives (B, h, w, C) float32, the input of the first layer that `freeze` left trainable.
        """
        pixels = keras.Input((*self.size, 3))
        below = keras.Model(self.backbone.input, self._cut_tensor())
        outputs = below(self._scaled(pixels), training=False)
        return keras.Model(pixels, ops.cast(outputs, "float32"))

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        if source.shape[-1] == 3:
            features = self.backbone(self._scaled(source), training=False)
        else:
            features = ops.cast(source, self.compute_dtype)
            if self.train_from is not None:
                above = keras.Model(self._cut_tensor(), self.backbone.output)
                features = above(features, training=False)
        shape = ops.shape(features)
        memory = ops.reshape(features, (shape[0], shape[1] * shape[2], shape[3]))
        memory = self.dropout(ops.cast(memory, self.compute_dtype), training=training)
        if self.projection_dim is not None:
            memory = self.projection(memory)
        mask = ops.ones(ops.shape(memory)[:2], dtype="bool")
        return EncoderOutput(memory, mask, ops.mean(memory, axis=1))

    def _cut_tensor(self):
        if self.train_from is None:
            return self.backbone.output
        return self.backbone.get_layer(self.train_from).input

    def _scaled(self, pixels):
        preprocess = sys.modules[self._application.__module__].preprocess_input
        return preprocess(ops.cast(pixels, "float32"), data_format="channels_last")

    def in_config(self) -> Config:
        return {
            "backbone": self.backbone_name,
            "size": list(self.size),
            "projection": self.projection_dim,
            "dropout": self.dropout.rate,
        }
