"""The Transformer encoder (Vaswani et al. 2017)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention.hashing import LSHAttention
from s2s_zoo.attention.transformer import Activation, TransformerStack
from s2s_zoo.encoders.layer import TextEncoder
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.sequences import mean_of_real
from s2s_zoo.protocol import TextEncoderOutput
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TransformerEncoder(TextEncoder):
    """Embeds the source and lets every position attend to every other (1706.03762).

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E, the width of the whole stack.
        layers: int.
        heads: int.
        hidden_dim: int, the width between the two feed-forward matrices.
        head_dim: int, or None for E / heads.
        activation: "relu", "gelu", "gelu_tanh" or "swish".
        gated: bool, multiply the hidden vector by a linear one.
        norm: "post" or "pre", where a block normalizes; "pre" also normalizes the output.
        normalization: "layer" or "rms".
        epsilon: float, of the normalizations.
        embedding_norm: bool, normalize the embedded tokens with their positions; "before", without.
        positions: "sinusoidal", "learned", the config of one, or None.
        relative_positions: None, or {"buckets": int, "max_distance": int}: see `RelativeBias`; with
            "shared": False every layer has one of its own, as in UMT5.
        lsh: None, or {"buckets": int, "chunk": int, "rounds": int}, each with a default: attend
            within the buckets of a hash, for long sources; see `LSHAttention`.
        scale_embedding: bool, multiply the embeddings by sqrt(E).
        scale_scores: bool, divide the scores by sqrt(head_dim).
        bias: bool, biases in the projections and the feed-forward layers.
        dropout: float, on the embeddings and on what a block adds.

    Call arguments:
        source: (B, S) int ids, padded with PAD on the right.

    Returns:
        TextEncoderOutput: memory (B, S, E), mask (B, S), state (B, E): the mean of the memory.

    Raises:
        ValueError: for an unknown option, heads that do not divide E, or `lsh` with relative
            positions.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        layers: int = 6,
        heads: int = 8,
        hidden_dim: int = 2048,
        head_dim: int | None = None,
        activation: Activation = "relu",
        gated: bool = False,
        norm: Literal["post", "pre"] = "post",
        normalization: Literal["layer", "rms"] = "layer",
        epsilon: float = 1e-5,
        embedding_norm: bool | Literal["before"] = False,
        positions: LayerSpec | None = "sinusoidal",
        relative_positions: dict[str, int] | None = None,
        scale_embedding: bool = True,
        scale_scores: bool = True,
        bias: bool = True,
        dropout: float = 0.0,
        lsh: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if lsh is not None:
            check_keys(lsh, ("buckets", "chunk", "rounds"), "lsh")
            if relative_positions is not None:
                raise ValueError(
                    "TransformerEncoder biases the scores of all pairs, and lsh computes a few. "
                    f"Received: lsh={lsh}, relative_positions={relative_positions}. Use one."
                )
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = self.memory_dim = self.state_dim = embedding_dim
        self.scale_embedding = scale_embedding
        self.options: Config = {
            "layers": layers,
            "heads": heads,
            "hidden_dim": hidden_dim,
            "head_dim": head_dim,
            "activation": activation,
            "gated": gated,
            "norm": norm,
            "normalization": normalization,
            "epsilon": epsilon,
            "embedding_norm": embedding_norm,
            "positions": positions,
            "relative_positions": relative_positions,
            "scale_scores": scale_scores,
            "bias": bias,
            "dropout": dropout,
        }
        self.embedding = TokenEmbedding(
            vocabulary_size, embedding_dim, scale_embedding, name="embedding"
        )
        self.lsh = lsh

        def hashed():
            return LSHAttention(heads, head_dim, bias, scale_scores, name="self_attention", **lsh)

        self.stack = TransformerStack(
            False,
            embedding_dim,
            **self.options,
            mixer=None if lsh is None else hashed,
            name="stack",
        )

    def build(self, source_shape: Shape | None = None) -> None:
        self.embedding.build()
        self.stack.build()
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> TextEncoderOutput:
        mask = self.mask_of(source)
        x = self.stack.embed(self.embedding(source), training=training)
        positions = ops.arange(ops.shape(source)[1], dtype="int32")
        bias = self.stack.bias(positions, positions)

        def attend(attention, h):
            if self.lsh is not None:
                return attention(h, mask=mask)
            return attention(h, h, mask=mask, bias=bias(attention))[0]

        for block in self.stack.blocks:
            x, _ = block.run(x, attend, training=training)
        memory = self.stack.finish(x)
        return TextEncoderOutput(memory, mask, mean_of_real(memory, mask), source)

    def in_config(self) -> Config:
        return self.options
