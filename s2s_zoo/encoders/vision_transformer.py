"""Image encoder: a Transformer over patches (Dosovitskiy et al. 2020)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.transformer import Activation
from s2s_zoo.encoders.layer import ImageEncoder, pre_norm_stack
from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class VisionTransformerEncoder(ImageEncoder):
    """Cuts an image into patches and lets every patch attend to every other (2010.11929).

        z_0 = [x_class ; x_1 E ; ... ; x_N E] + E_pos                              (equation 1)

    then pre-norm blocks and a last normalization (equations 2 to 4).

    Args:
        size: (H, W) of the images, in pixels.
        patch: int, P, the side of a patch in pixels; it divides H and W.
        embedding_dim: int, E, the width of the whole stack.
        layers: int.
        heads: int.
        hidden_dim: int, the width between the two feed-forward matrices.
        activation: "relu", "gelu", "gelu_tanh", "gelu_sigmoid" (x sigmoid(1.702 x)) or "swish".
        epsilon: float, of the normalizations.
        mean, std: of the red, green and blue of a pixel, 0 to 1: pixels are shifted and scaled by
            them here.
        projection: int, the width of the memory, W z + b; None takes z as it is.
        class_tokens: int, learned vectors before those of the patches; DeiT has two (2012.12877).
        embedding_norm: bool, normalize the patches with their positions, as in CLIP.
        projection_norm: bool, normalize what the projection gives.
        dropout: float, on the embedded patches and on what a block adds.

    Call arguments:
        source: (B, H, W, 3) pixels, RGB from 0 to 255.

    Returns:
        EncoderOutput: memory (B, C + N, D), the class tokens and then the patches row by row; mask
        (B, C + N), all True; state (B, D), the mean of the memory.

    Raises:
        ValueError: for an unknown option, a patch that does not divide the size, heads that do not
            divide E, or no class token.
    """

    def __init__(
        self,
        size: Sequence[int] = (224, 224),
        patch: int = 16,
        embedding_dim: int = 768,
        layers: int = 12,
        heads: int = 12,
        hidden_dim: int = 3072,
        activation: Activation = "gelu",
        epsilon: float = 1e-6,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        projection: int | None = None,
        dropout: float = 0.0,
        class_tokens: int = 1,
        embedding_norm: bool = False,
        projection_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)
        if not patch >= 1 or any(side % patch for side in self.size):
            raise ValueError(
                "VisionTransformerEncoder expected a patch that divides the size of the images. "
                f"Received: patch={patch}, size={self.size}."
            )
        if class_tokens < 1:
            raise ValueError(
                "VisionTransformerEncoder expected at least one class token. "
                f"Received: class_tokens={class_tokens}."
            )
        self.patch = patch
        self.class_tokens = class_tokens
        self.embedding_dim = embedding_dim
        self.mean, self.std = tuple(mean), tuple(std)
        self.projection_dim = projection
        self.memory_dim = self.state_dim = projection or embedding_dim
        self.options: Config = {
            "layers": layers,
            "heads": heads,
            "hidden_dim": hidden_dim,
            "activation": activation,
            "epsilon": epsilon,
            "embedding_norm": embedding_norm,
            "dropout": dropout,
        }
        start = initializer("glorot_uniform")
        self.patches = keras.layers.Conv2D(
            embedding_dim, patch, strides=patch, kernel_initializer=start, name="patches"
        )
        self.regions = class_tokens + math.prod(self.grid)
        positions = {"name": "learned", "length": self.regions}
        self.stack = pre_norm_stack(embedding_dim, **self.options, positions=positions)
        if projection is not None:
            self.projection = keras.layers.Dense(projection, name="projection")
        self.projection_norm: Any = None
        if projection_norm:
            self.projection_norm = keras.layers.LayerNormalization(
                epsilon=epsilon, name="projection_norm"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), rows and columns of the patches."""
        height, width = self.size
        return height // self.patch, width // self.patch

    def build(self, source_shape: Shape | None = None) -> None:
        self.patches.build(self.source_shape)
        self.class_token = self.add_weight(
            shape=(1, self.class_tokens, self.embedding_dim),
            initializer="zeros",
            name="class_token",
        )
        self.stack.build()
        if self.projection_dim is not None:
            self.projection.build((None, None, self.embedding_dim))
        if self.projection_norm is not None:
            self.projection_norm.build((None, None, self.memory_dim))
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        pixels = (ops.cast(source, "float32") / 255 - ops.array(self.mean)) / ops.array(self.std)
        x = self.patches(ops.cast(pixels, self.compute_dtype))
        batch, rows, columns, width = ops.shape(x)
        first = ops.cast(self.class_token, x.dtype)
        first = ops.broadcast_to(first, (batch, self.class_tokens, width))
        x = ops.concatenate([first, ops.reshape(x, (batch, rows * columns, width))], axis=1)
        x = self.stack.embed(x, training=training)
        mask = ops.ones(ops.shape(x)[:2], dtype="bool")
        memory = self.stack.through(x, mask, training)
        if self.projection_dim is not None:
            memory = self.projection(memory)
        if self.projection_norm is not None:
            memory = self.projection_norm(memory)
        return EncoderOutput(memory, mask, ops.mean(memory, axis=1))

    def in_config(self) -> Config:
        return {
            **self.options,
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "projection": self.projection_dim,
            "projection_norm": self.projection_norm is not None,
        }
