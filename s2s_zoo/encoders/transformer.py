"""The Transformer encoder (Vaswani et al. 2017)."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention.block_sparse import BlockSparseAttention
from s2s_zoo.attention.hashing import LSHAttention
from s2s_zoo.attention.summaries import SummaryAttention
from s2s_zoo.attention.transformer import Activation, TransformerStack
from s2s_zoo.attention.window import WindowAttention
from s2s_zoo.encoders.layer import TextEncoder
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.positions import RelativeBias
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
        window: None, or {"size": int or list of int, one for each layer, "first": int}, each with a
            default: attend to what is around, and to the first positions; see `WindowAttention`.
            With "block": int, in place of "first", to summaries; see `SummaryAttention`.
        sparse: None, or {"block": int, "random": int}, each with a default: attend to the blocks
            beside and to the first and the last; see `BlockSparseAttention`.
        scale_embedding: bool, multiply the embeddings by sqrt(E).
        scale_scores: bool, divide the scores by sqrt(head_dim).
        bias: bool, biases in the projections and the feed-forward layers.
        dropout: float, on the embeddings and on what a block adds.

    Call arguments:
        source: (B, S) int ids, padded with PAD on the right.

    Returns:
        TextEncoderOutput: memory (B, S, E), mask (B, S), state (B, E): the mean of the memory.

    Raises:
        ValueError: for an unknown option, heads that do not divide E, or `lsh` or `sparse` with
            one another, `window` or relative positions.
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
        window: Config | None = None,
        sparse: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if lsh is not None:
            check_keys(lsh, ("buckets", "chunk", "rounds"), "lsh")
        if sparse is not None:
            check_keys(sparse, ("block", "random"), "sparse")
        given = {"lsh": lsh, "sparse": sparse, "window": window}
        given["relative_positions"] = relative_positions
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1 and ("lsh" in given or "sparse" in given):
            raise ValueError(
                "TransformerEncoder computes the scores of all pairs, which it may bias, or of a "
                f"few. Received: {', '.join(f'{k}={v}' for k, v in given.items())}. Use one."
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
        self.lsh, self.sparse = lsh, sparse
        self.window = window
        mixer: Callable[..., keras.layers.Layer] | None = None
        if lsh is not None:
            mixer = _made_with(LSHAttention, lsh)
        if sparse is not None:
            mixer = _made_with(BlockSparseAttention, sparse)
        if window is not None:
            mixer = _windows(window, layers, epsilon)
        self.summary_bias: RelativeBias | None = None
        if relative_positions is not None and "block" in (window or {}):
            relative: Config = {k: v for k, v in relative_positions.items() if k != "shared"}
            self.summary_bias = RelativeBias(heads, name="summary_bias", **relative)
        self.mixes = mixer is not None  # by itself, of its input and the mask

        def mix():
            return mixer(heads, head_dim, bias, scale_scores, name="self_attention")

        self.stack = TransformerStack(
            False,
            embedding_dim,
            **self.options,
            mixer=mix if self.mixes else None,
            name="stack",
        )

    def build(self, source_shape: Shape | None = None) -> None:
        self.embedding.build()
        self.stack.build()
        if self.summary_bias is not None:
            self.summary_bias.build()
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> TextEncoderOutput:
        mask = self.mask_of(source)
        x = self.stack.embed(self.embedding(source), training=training)
        attend = self._in_parts(mask) if self.mixes else self._to_all(mask)

        for block in self.stack.blocks:
            x, _ = block.run(x, attend, training=training)
        memory = self.stack.finish(x)
        return TextEncoderOutput(memory, mask, mean_of_real(memory, mask), source)

    def _to_all(self, mask):
        """A function of the self-attention of a block and its input to its output."""
        positions = ops.arange(ops.shape(mask)[1], dtype="int32")
        bias = self.stack.bias(positions, positions)
        return lambda attention, h: attention(h, h, mask=mask, bias=bias(attention))[0]

    def _in_parts(self, mask):
        """The same of an attention that compares a few pairs of positions."""
        if self.window is None:
            return lambda attention, h: attention(h, mask=mask)
        of_summaries = None if self.summary_bias is None else self.summary_bias.of

        def attend(attention, h):
            def bias(queries, keys):
                return self.stack.bias(queries, keys)(attention)

            return attention(h, mask=mask, bias=bias, summary_bias=of_summaries)

        return attend

    def in_config(self) -> Config:
        return self.options


def _made_with(layer_class, options):
    return partial(layer_class, **options)


def _windows(window, layers, epsilon):
    """A function that makes the attention of one layer after the other."""
    check_keys(window, ("size", "first", "block"), "window")
    if len({"first", "block"} & set(window)) > 1:
        raise ValueError(
            "TransformerEncoder expected a window with first or with block. Received: "
            f"window={window}. Leave one of them."
        )
    sizes = window.get("size", 512)
    sizes = [sizes] * layers if isinstance(sizes, int) else list(sizes)
    if len(sizes) < layers:
        raise ValueError(
            f"TransformerEncoder expected a size of the window for each of {layers} layers. "
            f"Received: window={window}."
        )
    left = iter(sizes)
    if "block" in window:
        make = partial(SummaryAttention, block=window["block"], epsilon=epsilon)
    else:
        make = partial(WindowAttention, first=window.get("first", 1))
    return lambda *args, **names: make(*args, size=next(left), **names)
