"""Image encoder: a convolutional network whose feature map is the memory."""

import inspect
import math
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.encoders import efficientnet_lite
from s2s_zoo.encoders.layer import ImageEncoder
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.errors import DataError
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

    With `finer` the regions are those of two maps: a layer further down sees smaller things, the
    last one knows better what they are. Each map then has a projection of its own.

    A part of the network can be frozen, see `freeze`. What the frozen part makes of an image is
    the same in every epoch: `frozen` computes it, and `call` takes it in place of the pixels.

    Args:
        backbone: str, a key of `BACKBONES`.
        size: (H, W) of the images, in pixels.
        alpha: float, the width of a MobileNet; None where the network has none, or for its
            default.
        projection: int, the width of the memory, relu(W a_i + b); None takes the a_i as they are.
        dropout: float, on the a_i.
        finer: str, a layer of the network whose map is read too, such as "block5c_add" of an
            EfficientNet-Lite0, 14 x 14 regions of 224 pixels; needs a projection.

    Call arguments:
        source: (B, H, W, 3) pixels, RGB from 0 to 255; or what `frozen` gave.

    Returns:
        EncoderOutput: memory (B, S, D), the regions row by row, those of the finer map first;
        mask (B, S), all True; state (B, D), the mean of the memory, or of its part from the last
        map.

    Raises:
        ValueError: for an unknown backbone, an alpha that it does not have, a size too small, or
            a finer map without a projection; when it is built, for one that is no finer.
    """

    def __init__(
        self,
        backbone: str,
        size: Sequence[int] = (224, 224),
        alpha: float | None = None,
        projection: int | None = None,
        dropout: float = 0.0,
        finer: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backbone_name = backbone
        self.size = tuple(size)
        self.alpha = alpha
        self.projection_dim = projection
        self.memory_dim = self.state_dim = projection or 0  # where 0, `build` will know
        self.finer = finer
        network = lookup(BACKBONES, backbone, "backbone")
        named = isinstance(network, str)
        self._application = getattr(keras.applications, network) if named else network
        if alpha is not None and "alpha" not in inspect.signature(self._application).parameters:
            raise ValueError(
                f"CNNEncoder expected alpha with a MobileNet only. Received: alpha={alpha}, "
                f"backbone={backbone!r}. Leave alpha out."
            )
        if finer is not None and projection is None:
            raise ValueError(
                "CNNEncoder expected a projection beside finer: two maps are of different widths. "
                f"Received: finer={finer!r}, projection=None. Give one, such as projection=256."
            )
        self.train_from: str | None = None  # the first layer that is not frozen
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        if projection is not None:
            self.projection = keras.layers.Dense(projection, activation="relu", name="projection")
        if finer is not None:
            self.finer_projection = keras.layers.Dense(
                projection, activation="relu", name="finer_projection"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), rows and columns of the regions of the last map."""
        return tuple(self.backbone.output.shape[1:3])

    def build(self, source_shape: Shape | None = None) -> None:
        self.backbone = self._new_backbone(weights=None)
        self.memory_dim = self.state_dim = self.projection_dim or self.backbone.output.shape[-1]
        if self.finer is not None:
            self._check_finer()
        shapes = [x.shape for x in self._maps()]
        self.regions = sum(math.prod(shape[1:3]) for shape in shapes)
        for projection, shape in zip(self._projections(), shapes, strict=False):
            projection.build((None, None, shape[-1]))
        self.built = True

    def _check_finer(self):
        names = {layer.name: layer for layer in self.backbone.layers}
        shape = lookup(names, self.finer, f"layer of {self.backbone_name}").output.shape
        if len(shape) != 4 or math.prod(shape[1:3]) <= math.prod(self.grid):
            raise ValueError(
                f"CNNEncoder expected finer to be a layer with a map of more than {self.grid} "
                f"regions. Received: {self.finer!r}, which gives {shape[1:]}. Name one further "
                "down."
            )

    def _maps(self):
        """The maps of the network that the memory is made of, the last one last."""
        last = self.backbone.output
        return [last] if self.finer is None else [self.backbone.get_layer(self.finer).output, last]

    def _projections(self):
        """A projection for each of the maps, or nothing."""
        if self.projection_dim is None:
            return []
        return [self.projection] if self.finer is None else [self.finer_projection, self.projection]

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
            DataError: for a file that is missing, damaged or of another network.
        """
        if weights == "imagenet":
            self.backbone.set_weights(self._new_backbone(weights).get_weights())
        else:
            try:
                with warnings.catch_warnings():  # Keras warns of layers that it leaves at random
                    warnings.simplefilter("error", UserWarning)
                    self.backbone.load_weights(weights)
            except (OSError, ValueError, UserWarning) as error:
                reason = str(error).strip().partition("\n")[0]
                raise DataError(
                    f"{weights} is no file of weights of {self.backbone_name}, alpha={self.alpha}, "
                    f"without its top: {reason:.200} Expected what `save_weights` of the same "
                    "network writes, a name that ends in .weights.h5; of a PyTorch file "
                    "recipes/captioning/convert_network.py makes one."
                ) from error

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
            kept = self._kept(before)
            try:
                keras.Model(kept[-1], _without(self._maps(), kept))
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

        It gives (B, h, w, C) float32, the input of the first layer that `freeze` left trainable;
        or, where that is not all because a finer map is frozen too, the numbers of both, (B, 1, N).
        """
        pixels = keras.Input((*self.size, 3))
        outputs = _run(self.backbone.input, self._kept(self.train_from), self._scaled(pixels))
        if len(outputs) > 1:
            flat = [ops.reshape(x, (-1, 1, math.prod(x.shape[1:]))) for x in outputs]
            outputs = [ops.concatenate(flat, axis=-1)]
        return keras.Model(pixels, ops.cast(outputs[0], "float32"))

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        parts = []
        for features in self._features(source):
            shape = ops.shape(features)
            part = ops.reshape(features, (shape[0], shape[1] * shape[2], shape[3]))
            parts.append(self.dropout(ops.cast(part, self.compute_dtype), training=training))
        for i, projection in enumerate(self._projections()):
            parts[i] = projection(parts[i])
        memory = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
        mask = ops.ones(ops.shape(memory)[:2], dtype="bool")
        return EncoderOutput(memory, mask, ops.mean(parts[-1], axis=1))

    def _features(self, source):
        """The maps (B, h, w, C) of pixels, or of what `frozen` gave."""
        if source.shape[-1] == 3:
            if self.finer is None:
                return [self.backbone(self._scaled(source), training=False)]
            return _run(self.backbone.input, self._maps(), self._scaled(source))
        kept = self._kept(self.train_from)
        values = [ops.cast(source, self.compute_dtype)]
        if len(kept) > 1:
            count = math.prod(kept[0].shape[1:])
            values = [
                ops.reshape(numbers, (-1, *x.shape[1:]))
                for numbers, x in zip(
                    (values[0][:, 0, :count], values[0][:, 0, count:]), kept, strict=True
                )
            ]
        known = dict(zip(map(id, kept), values, strict=True))
        if ends := _without(self._maps(), kept):
            known |= zip(map(id, ends), _run(kept[-1], ends, values[-1]), strict=True)
        return [known[id(x)] for x in self._maps()]

    def _kept(self, before):
        """What the part of the network before a layer gives to the rest and to the memory.

        That is what this layer reads, last, and before it a finer map from further down; the maps
        themselves where there is no rest.
        """
        maps = self._maps()
        if before is None:
            return maps
        cut = self.backbone.get_layer(before).input
        if self.finer is not None:
            names = [layer.name for layer in self.backbone.layers]
            if names.index(self.finer) < names.index(before) and maps[0] is not cut:
                return [maps[0], cut]
        return [cut]

    def maps(self, alignment: np.ndarray) -> np.ndarray:
        coarse = super().maps(alignment)
        if self.finer is None:
            return coarse
        height, width = self._maps()[0].shape[1:3]
        finer = alignment[:, : height * width].reshape(-1, height, width)
        times = [-(-height // self.grid[0]), -(-width // self.grid[1])]
        spread = np.kron(coarse, np.ones((1, *times)) / math.prod(times))
        return finer + spread[:, :height, :width]

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


def _without(tensors, others):
    return [x for x in tensors if not any(x is other for other in others)]


def _run(begin, ends, values):
    """What a part of a network makes of `values`: a list, for each of its ends one."""
    made = keras.Model(begin, ends)(values, training=False)
    return made if isinstance(made, list) else [made]  # Keras gives the only one as it is
