"""Image encoder: a Transformer over the patches of any proportions (Lee et al. 2022)."""

from typing import Any, NoReturn

import keras
import numpy as np
from keras import ops

from s2s_zoo.attention.transformer import Activation
from s2s_zoo.encoders.layer import check_rows, output_spec, pre_norm_stack
from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.positions import LearnedPositions
from s2s_zoo.layers.sequences import mean_of_real
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class PatchesEncoder(ConfiguredLayer):
    """Lets every patch attend to every other; each knows its row and column (2210.03347).

        z_i = x_i E + b + R[row_i] + C[column_i];   then pre-norm blocks

    An image has as many rows and columns as its proportions ask for, in place of a fixed grid.

    Args:
        patch: int, P, the side of a patch in pixels.
        longest: int, the most patches of an image: rows and columns are counted up to it.
        positions: int, more than `longest`: the rows of the tables of positions.
        embedding_dim: int, E, the width of the whole stack.
        layers: int.
        heads: int.
        head_dim: int, or None for E / heads.
        hidden_dim: int, the width between the two feed-forward matrices, which are gated.
        activation: "relu", "gelu", "gelu_tanh", "gelu_sigmoid" (x sigmoid(1.702 x)) or "swish".
        epsilon: float, of the normalizations, which divide by the root of the mean square.
        dropout: float, on the embedded patches and on what a block adds.

    Call arguments:
        source: (B, N, 4 + 3 P^2) floats, of each patch its row and its column, both from 1 and as
            two digits to the base 256, which a bfloat16 holds, and its pixels (P, P, 3), scaled;
            rows of zeros are padding. See `s2s_zoo.data.in_patches`.

    Returns:
        EncoderOutput: memory (B, N, E); mask (B, N); state (B, E), the mean of the memory.

    Raises:
        ValueError: for an unknown option, heads that do not divide E, or tables of positions that
            do not count to `longest`.
    """

    def __init__(
        self,
        patch: int = 16,
        longest: int = 2048,
        positions: int = 4096,
        embedding_dim: int = 768,
        layers: int = 12,
        heads: int = 12,
        head_dim: int | None = None,
        hidden_dim: int = 2048,
        activation: Activation = "gelu_tanh",
        epsilon: float = 1e-6,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "encoder", **kwargs})
        self.supports_masking = True
        if patch < 1 or longest < 1 or positions <= longest:
            raise ValueError(
                "PatchesEncoder expected patches of at least one pixel, and more positions than an "
                f"image has patches. Received: patch={patch}, longest={longest}, "
                f"positions={positions}."
            )
        self.patch, self.longest, self.positions = patch, longest, positions
        self.width = 4 + 3 * patch**2
        self.embedding_dim = self.memory_dim = self.state_dim = embedding_dim
        self.options: Config = {
            "layers": layers,
            "heads": heads,
            "head_dim": head_dim,
            "hidden_dim": hidden_dim,
            "activation": activation,
            "epsilon": epsilon,
            "dropout": dropout,
        }
        self.patches = keras.layers.Dense(
            embedding_dim, kernel_initializer=initializer("glorot_uniform"), name="patches"
        )
        self.rows = LearnedPositions(positions, name="rows")
        self.columns = LearnedPositions(positions, name="columns")
        fixed = {"gated": True, "normalization": "rms", "scale_scores": False, "bias": False}
        self.stack = pre_norm_stack(embedding_dim, **self.options, **fixed, positions=None)

    @property
    def source_shape(self) -> Shape:
        return (None, None, self.width)

    def maps(self, alignment: np.ndarray) -> NoReturn:
        """Raises S2SZooError: the weights do not say how many columns their image has."""
        raise S2SZooError(
            "The regions of this model are patches of an image in its own proportions, which are "
            "not drawn. Take the alignment of the Result: row by row, as many columns as the "
            "source of the processor counts."
        )

    def build(self, source_shape: Shape | None = None) -> None:
        self.patches.build((None, None, self.width - 4))
        for table in (self.rows, self.columns):
            table.build((None, self.embedding_dim))
        self.stack.build()
        self.built = True

    def mask_of(self, source: Tensor) -> Tensor:
        """The mask (B, N) of a source, True where a patch is real.

        Raises:
            ValueError: for a source that is no patches of this size.
        """
        expected = f"patches (B, N, {self.width}), floats: places and pixels"
        remedy = "`s2s_zoo.data.in_patches` makes them of an image"
        check_rows(source, self.width, "PatchesEncoder", expected, remedy)
        return ops.any(ops.greater(source[..., :2], 0), axis=-1)

    def compute_mask(self, source: Tensor, previous_mask: Tensor | None = None) -> list[Any]:
        return [self.mask_of(source)]

    def compute_output_shape(self, source_shape: Shape) -> Any:
        batch, length, _ = source_shape
        return EncoderOutput(
            (batch, length, self.memory_dim), (batch, length), (batch, self.state_dim)
        )

    def compute_output_spec(self, source: Tensor, training: bool = False) -> Any:
        self.mask_of(source)
        return output_spec(self.compute_output_shape(source.shape), self.compute_dtype)

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        mask = self.mask_of(source)
        # Keras may build a model with numbers that are no places.
        row, column = (
            ops.clip(256 * digits[..., 0] + digits[..., 1], 0, self.longest)
            for digits in ops.split(ops.cast(source[..., :4], "int32"), 2, axis=-1)
        )
        x = self.patches(ops.cast(source[..., 4:], self.compute_dtype))
        x = x + self.rows(row) + self.columns(column)
        x = self.stack.embed(x, training=training)
        memory = self.stack.through(x, mask, training)
        return EncoderOutput(memory, mask, mean_of_real(memory, mask))

    def in_config(self) -> Config:
        return self.options
