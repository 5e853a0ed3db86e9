"""The stack of blocks that Transformer encoders and decoders share."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras

from s2s_zoo.attention.history import ask
from s2s_zoo.attention.multi_head import MultiHeadAttention
from s2s_zoo.layers.config import LayerSpec, build_from
from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.positions import POSITIONS, RelativeBias, add_positions
from s2s_zoo.protocol.registry import check_keys, check_option, lookup
from s2s_zoo.protocol.types import Nest, Shape, Tensor

Activation: TypeAlias = Literal["relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swish"]
NORMS = ("post", "pre")
NORMALIZATIONS = {
    "layer": keras.layers.LayerNormalization,
    "rms": keras.layers.RMSNormalization,
}
ACTIVATIONS = {
    "relu": keras.activations.relu,
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
    "gelu_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "gelu_sigmoid": lambda x: x * keras.activations.sigmoid(1.702 * x),
    "swish": keras.activations.silu,
}


class TransformerStack(keras.layers.Layer):
    """Positions, blocks and the last normalization: all between embedding and output.

    Args:
        causal: bool, a position attends to itself and those before it.
        mixer: function that makes the layer by which the positions of one side know each other,
            or None for a MultiHeadAttention.
        crosses: bool, attend to a memory too; None, where `causal`.
        output_transform: bool, end with norm(f(W x + b)), as BERT does before its output matrix.
        The others: see `TransformerEncoder`.
    """

    def __init__(
        self,
        causal: bool,
        embedding_dim: int,
        layers: int,
        heads: int,
        hidden_dim: int,
        head_dim: int | None,
        activation: Activation,
        gated: bool,
        norm: Literal["post", "pre"],
        normalization: Literal["layer", "rms"],
        epsilon: float,
        embedding_norm: bool | Literal["before"],
        positions: LayerSpec | None,
        relative_positions: dict[str, int] | None,
        scale_scores: bool,
        bias: bool,
        dropout: float,
        mixer: Callable[[], keras.layers.Layer] | None = None,
        output_transform: bool = False,
        crosses: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.causal = causal
        crosses = causal if crosses is None else crosses
        self.embedding_dim = embedding_dim
        if norm not in NORMS:
            raise ValueError(f"A Transformer expected norm in {NORMS}. Received: norm={norm!r}.")
        if layers < 1:
            raise ValueError(
                f"A Transformer expected at least one layer. Received: layers={layers}."
            )
        make = lookup(NORMALIZATIONS, normalization, "normalization")

        def normalize(name):
            return make(epsilon=epsilon, name=name)

        self.positions = build_from(POSITIONS, positions, "position encoding", name="positions")
        relative = dict(relative_positions or {})
        shared = relative.pop("shared", True)
        check_keys(relative, ("buckets", "max_distance"), "relative_positions")

        def relative_bias(wanted):
            if relative_positions is None or not wanted:
                return None
            return RelativeBias(heads, bidirectional=not causal, name="relative_bias", **relative)

        self.relative_bias = relative_bias(shared)
        check_option("A Transformer", "embedding_norm", embedding_norm, (True, False, "before"))
        self.embedding_norm = normalize("embedding_norm") if embedding_norm else None
        self.norm_before_positions = embedding_norm == "before"
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

        def attention(name):
            return MultiHeadAttention(
                heads, head_dim, embedding_dim, bias=bias, scaled=scale_scores, name=name
            )

        self.blocks = [
            TransformerBlock(
                [
                    mixer() if mixer else attention("self_attention"),
                    *([attention("cross_attention")] if crosses else []),
                ],
                FeedForward(
                    hidden_dim, embedding_dim, activation, gated, bias, name="feed_forward"
                ),
                normalize,
                norm == "pre",
                dropout,
                relative_bias(not shared),
                name=f"layer_{i}",
            )
            for i in range(layers)
        ]
        self.final_norm = normalize("final_norm") if norm == "pre" else None
        self.transform: Any = None
        self.transform_norm: Any = None
        if output_transform:
            self.transform = keras.layers.Dense(
                embedding_dim,
                lookup(ACTIVATIONS, activation, "activation"),
                kernel_initializer=initializer("glorot_uniform"),
                name="transform",
            )
            self.transform_norm = normalize("transform_norm")

    def build(self, memory_dim: int | None = None) -> None:
        width = (None, None, self.embedding_dim)
        ends = self.embedding_norm, self.final_norm, self.transform, self.transform_norm
        for layer in (self.positions, self.relative_bias, *ends):
            if layer is not None:
                layer.build(width)
        for block in self.blocks:
            block.build(width, (None, None, memory_dim))
        self.built = True

    def embed(self, vectors: Tensor, first: Tensor = 0, training: bool = False) -> Tensor:
        """Adds the positions, counted from `first`, to embedded tokens (N, T, E)."""
        if self.embedding_norm is not None and self.norm_before_positions:
            vectors = self.embedding_norm(vectors)
        vectors = add_positions(vectors, self.positions, first)
        if self.embedding_norm is not None and not self.norm_before_positions:
            vectors = self.embedding_norm(vectors)
        return self.dropout(vectors, training=training)

    def through(self, x: Tensor, mask: Tensor, training: bool = False) -> Tensor:
        """What all blocks and `finish` make of embedded tokens (N, T, E) that attend to each other.

        Args:
            x: (N, T, E).
            mask: (N, T) bool, which are attended to, or (N or 1, 1, T, T), by which.
            training: bool.
        """

        def attend(attention, h):
            return attention(h, h, mask=mask)[0]

        for block in self.blocks:
            x, _ = block.run(x, attend, training=training)
        return self.finish(x)

    def finish(self, x: Tensor) -> Tensor:
        """The last normalization, where the blocks leave their outputs as they are, and the
        transform, where there is one.
        """
        x = x if self.final_norm is None else self.final_norm(x)
        return x if self.transform is None else self.transform_norm(self.transform(x))

    def bias(self, queries: Tensor, keys: Tensor) -> Callable[[keras.layers.Layer], Tensor | None]:
        """A function of the self-attention of a block to its relative bias.

        Args:
            queries: (T,) int, positions.
            keys: (S,) int, positions.

        Returns:
            Function that gives (H, T, S), or None where scores are not biased.
        """
        shared = None if self.relative_bias is None else self.relative_bias(queries, keys)
        own = {
            id(block.attentions[0]): block.relative_bias(queries, keys)
            for block in self.blocks
            if block.relative_bias is not None
        }
        return lambda attention: own.get(id(attention), shared)


class TransformerBlock(keras.layers.Layer):
    """Self-attention (or a mixer), in a decoder attention to the memory, a feed-forward layer.

    post: x = norm(x + f(x))      (1706.03762, section 3.1)
    pre:  x = x + f(norm(x))      (2002.04745)
    """

    def __init__(
        self,
        attentions: list[keras.layers.Layer],
        feed_forward: keras.layers.Layer,
        normalize: Callable[[str], keras.layers.Layer],
        pre: bool,
        dropout: float,
        relative_bias: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.relative_bias = relative_bias
        self.attentions = attentions
        self.feed_forward = feed_forward
        self.norms = [normalize(f"{layer.name}_norm") for layer in (*attentions, feed_forward)]
        self.pre = pre
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

    def build(self, width: Shape, memory_width: Shape) -> None:
        for attention, memory in zip(self.attentions, (width, memory_width), strict=False):
            attention.build(width, memory)
        if self.relative_bias is not None:
            self.relative_bias.build()
        self.feed_forward.build(width)
        for norm in self.norms:
            norm.build(width)
        self.built = True

    def run(
        self,
        x: Tensor,
        attend: Callable[[keras.layers.Layer, Tensor], Tensor],
        memory: tuple[Nest, Tensor] | None = None,
        training: bool = False,
        watch: Callable[[keras.layers.Layer, Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Runs the block.

        Args:
            x: (N, T, E), or (N, E) for one position.
            attend: function of the first layer and its input to its output, both of this shape.
            memory: keys and values of the source, and its mask, see `ask`; None in an encoder.
            training: bool.
            watch: function that is shown the attention to the memory and its query, or None.

        Returns:
            (N, [T,] E), and the weights (N, [T,] S) of the attention to the memory, or None.
        """
        alignment = None

        def attend_to_self(h):
            return attend(self.attentions[0], h)

        def attend_to_memory(h):
            nonlocal alignment
            keys, memory_mask = memory
            if watch is not None:
                watch(self.attentions[1], h)
            context, alignment = ask(self.attentions[1], h, None, memory_mask, keys)
            return context

        parts = [attend_to_self, attend_to_memory, self.feed_forward]
        if memory is None:
            del parts[1]
        for norm, part in zip(self.norms, parts, strict=True):
            if self.pre:
                x = x + self.dropout(part(norm(x)), training=training)
            else:
                x = norm(x + self.dropout(part(x), training=training))
        return x, alignment


class FeedForward(keras.layers.Layer):
    """f(x W_1) W_2, or with a gate (f(x W_1) * (x W_3)) W_2 (Shazeer 2020, 2002.05202)."""

    def __init__(
        self,
        hidden_dim: int,
        output_dim: int | None,
        activation: Activation,
        gated: bool,
        bias: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = lookup(ACTIVATIONS, activation, "activation")

        def dense(units, name):
            start = initializer("glorot_uniform")
            return keras.layers.Dense(units, use_bias=bias, kernel_initializer=start, name=name)

        self.hidden = dense(hidden_dim, "hidden")
        self.gate = dense(hidden_dim, "gate") if gated else None
        self.output_projection = dense(output_dim, "output")

    def build(self, shape: Shape) -> None:
        self.hidden.build(shape)
        if self.gate is not None:
            self.gate.build(shape)
        self.output_projection.build((None, None, self.hidden.units))
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.hidden(x))
        if self.gate is not None:
            hidden = hidden * self.gate(x)
        return self.output_projection(hidden)
