"""Image encoder: a Transformer in windows that shift (Liu et al. 2021)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.transformer import Activation
from s2s_zoo.encoders.layer import ImageEncoder
from s2s_zoo.encoders.swin_stage import SwinStage
from s2s_zoo.layers.initial import initializer
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor

LARGEST_WINDOW = 64  # patches of a side: of each pair of patches within there is a score
MOST_STAGES = 8  # each of which has half of the rows and twice the width


@keras.saving.register_keras_serializable("s2s_zoo")
class SwinEncoder(ImageEncoder):
    """Cuts an image into small patches, which attend to one another within windows (2103.14030).

    Of every two blocks the second has its windows shifted by half of their side, so that what was
    apart meets (section 3.2). After each stage but the last four patches become one of twice the
    width (section 3.1). Scores have a learned bias for each distance within a window (equation 4).
    The work is linear in the number of patches.

    Args:
        size: (H, W) of the images, in pixels.
        patch: int, the side of a patch in pixels; it divides H and W.
        embedding_dim: int, E, the width of the first stage.
        layers: list of int, the blocks of each stage.
        heads: list of int, the heads of each stage.
        window: int, M, the side of a window in patches.
        hidden_ratio: float, the width between the two feed-forward matrices, in widths.
        activation: "relu", "gelu", "gelu_tanh" or "swish".
        epsilon: float, of the normalizations in the blocks.
        final_norm: bool, normalize the memory, as in Swin; Donut leaves it as it is.
        mean, std: of the red, green and blue of a pixel, 0 to 1: pixels are shifted and scaled by
            them here.
        projection: int, the width of the memory, W z + b; None takes z as it is.
        dropout: float, on the embedded patches and on what a block adds.

    Call arguments:
        source: (B, H, W, 3) pixels, RGB from 0 to 255.

    Returns:
        EncoderOutput: memory (B, N, D), the patches of the last stage row by row; mask (B, N), all
        True; state (B, D), the mean of the memory.

    Raises:
        ValueError: for an unknown option, a patch that does not divide the size, heads that do not
            divide the width of their stage, or a window that is larger than a stage.
    """

    def __init__(
        self,
        size: Sequence[int] = (224, 224),
        patch: int = 4,
        embedding_dim: int = 96,
        layers: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (3, 6, 12, 24),
        window: int = 7,
        hidden_ratio: float = 4.0,
        activation: Activation = "gelu",
        epsilon: float = 1e-5,
        final_norm: bool = True,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        projection: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.layers, self.heads = tuple(size), tuple(layers), tuple(heads)
        if not patch >= 1 or any(side % patch for side in self.size):
            raise ValueError(
                "SwinEncoder expected a patch that divides the size of the images. "
                f"Received: patch={patch}, size={self.size}."
            )
        if len(self.layers) != len(self.heads) or not 1 <= len(self.layers) <= MOST_STAGES:
            raise ValueError(
                f"SwinEncoder expected layers and heads of 1 to {MOST_STAGES} stages, a number for "
                f"each. Received: layers={self.layers}, heads={self.heads}."
            )
        self.patch, self.window = patch, window
        self.embedding_dim, self.hidden_ratio = embedding_dim, hidden_ratio
        self.activation, self.epsilon = activation, epsilon
        self.mean, self.std = tuple(mean), tuple(std)
        self.dropout_rate = dropout
        self.projection_dim = projection
        self.uses_final_norm = final_norm
        start = initializer("glorot_uniform")
        self.patches = keras.layers.Conv2D(
            embedding_dim, patch, strides=patch, kernel_initializer=start, name="patches"
        )
        self.embedding_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="embedding_norm")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        grids = self._grids()
        if not 1 <= window <= min(LARGEST_WINDOW, *(min(grid) for grid in grids)):
            raise ValueError(
                "SwinEncoder expected a window that fits the patches of every stage, rows and "
                f"columns {grids}, and is at most {LARGEST_WINDOW}. Received: window={window}. Use "
                "a smaller one, or larger images."
            )
        self.stages = [
            SwinStage(
                grid,
                embedding_dim * 2**i,
                self.layers[i],
                self.heads[i],
                window,
                hidden_ratio,
                activation,
                epsilon,
                dropout,
                merges=i + 1 < len(grids),
                name=f"stage_{i}",
            )
            for i, grid in enumerate(grids)
        ]
        self.width = embedding_dim * 2 ** (len(grids) - 1)
        self.memory_dim = self.state_dim = projection or self.width
        self.regions = math.prod(self.grid)
        self.final_norm: Any = None
        if final_norm:
            self.final_norm = keras.layers.LayerNormalization(epsilon=epsilon, name="final_norm")
        if projection is not None:
            self.projection = keras.layers.Dense(projection, name="projection")

    def _grids(self):
        """(rows, columns) of the patches of each stage."""
        grids = [tuple(side // self.patch for side in self.size)]
        for _ in self.layers[1:]:
            grids.append(tuple(-(-side // 2) for side in grids[-1]))
        return grids

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), rows and columns of the patches of the last stage."""
        rows, columns = self._grids()[-1]
        return rows, columns

    def build(self, source_shape: Shape | None = None) -> None:
        self.patches.build(self.source_shape)
        self.embedding_norm.build((None, None, None, self.embedding_dim))
        for stage in self.stages:
            stage.build()
        if self.final_norm is not None:
            self.final_norm.build((None, None, self.width))
        if self.projection_dim is not None:
            self.projection.build((None, None, self.width))
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        pixels = (ops.cast(source, "float32") / 255 - ops.array(self.mean)) / ops.array(self.std)
        x = self.embedding_norm(self.patches(ops.cast(pixels, self.compute_dtype)))
        x = self.dropout(x, training=training)
        for stage in self.stages:
            x = stage(x, training=training)
        memory = ops.reshape(x, (-1, self.regions, self.width))
        if self.final_norm is not None:
            memory = self.final_norm(memory)
        if self.projection_dim is not None:
            memory = self.projection(memory)
        mask = ops.ones(ops.shape(memory)[:2], dtype="bool")
        return EncoderOutput(memory, mask, ops.mean(memory, axis=1))

    def in_config(self) -> Config:
        return {
            "size": list(self.size),
            "layers": list(self.layers),
            "heads": list(self.heads),
            "final_norm": self.uses_final_norm,
            "mean": list(self.mean),
            "std": list(self.std),
            "projection": self.projection_dim,
            "dropout": self.dropout_rate,
        }
