"""The Transformer decoder (Vaswani et al. 2017)."""

from typing import Any, Literal

import keras
from keras import ops

from s2s_zoo.attention.history import for_copies
from s2s_zoo.attention.transformer import Activation, TransformerStack
from s2s_zoo.decoders.checks import check_copying
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.decoders.pointing import PointerHead
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.kernels.native import written_at
from s2s_zoo.layers.output import Output, OutputMatrix, logits_of
from s2s_zoo.protocol import START
from s2s_zoo.protocol.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TransformerDecoder(DecoderLayer):
    """Predicts each token by attending to the ones before it and to the encoded source.

    A step keeps the keys and values of the tokens so far in a cache of a fixed length.

    Args:
        output_transform: bool, norm(f(W x + b)) before the output matrix, f the activation, as in
            BERT.
        tie_embeddings: bool, use the embedding matrix as output matrix.
        output_bias: bool, a bias for every token of the vocabulary.
        start_token: int, the id that is read at the first position, whatever the target holds
            there: imported checkpoints begin with a token that has other uses too.
        pointer: bool, copy words of the source (`PointerHead`): log-probabilities (B, T, V + X)
            then stand in place of logits (B, T, V), and the alignment is that of its head.
        extra_ids: int, X, of the pointer.
        The others: see `TransformerEncoder`.

    Raises:
        ValueError: for an unknown option, or heads that do not divide E.
    """

    mixer: type[keras.layers.Layer] | None = None
    crosses = True  # whether it attends to the memory apart from the target

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
        tie_embeddings: bool = False,
        output_bias: bool = True,
        start_token: int = START,
        output_transform: bool = False,
        pointer: bool = False,
        extra_ids: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_copying("multi_head", pointer, extra_ids, 0.0)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.scale_embedding = scale_embedding
        self.tie_embeddings = tie_embeddings
        self.use_output_bias = output_bias
        self.start_token = start_token
        self.extra_ids = extra_ids
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
            "output_transform": output_transform,
        }
        self.embedding = TokenEmbedding(
            vocabulary_size, embedding_dim, scale_embedding, name="embedding"
        )
        self.stack = self.make_stack()
        self.output_projection = OutputMatrix(
            vocabulary_size, tie_embeddings, bias=False, name="output"
        )
        self.output_bias = None
        self.pointer: PointerHead | None = None
        if pointer:
            self.pointer = PointerHead(vocabulary_size, embedding_dim, extra_ids, name="pointer")
        self.logits_dtype = "float32" if pointer else None

    def make_stack(self) -> TransformerStack:
        """The stack, of `options`."""
        return TransformerStack(
            True,
            self.embedding_dim,
            **self.options,
            mixer=self.mixer,
            crosses=self.crosses,
            name="stack",
        )

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        if not self.embedding.built:
            self.embedding.build()
        memory_dim = encoded_shapes(encoded_shape).memory[-1]
        self.stack.build(memory_dim)
        if self.pointer is not None:
            self.pointer.build((None, None, memory_dim))
        self.output_projection.build((None, self.embedding_dim))
        if self.use_output_bias:
            self.output_bias = self.add_weight(
                shape=(self.vocabulary_size,), initializer="zeros", name="output_bias"
            )
        self.built = True

    def init(self, encoded: Any, max_length: int) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, T, the longest target.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S), and "layers", for each the
                keys and values (B, H, S, d) of the source; with a pointer "pointer", what
                `PointerHead.source` gives.
            state: dict, what moves: "layers", for each a dict of "keys" and "values"
                (B, H, T, d) of the target; "alignment" (B, S) float32, the weights of the last
                step in the last layer, the mean over its heads; with a pointer those of its
                head, and "p_gen" (B,) float32.

        Raises:
            ValueError: for a pointer into a source that is no text.
        """
        encoded = encoder_output(encoded)
        batch = ops.shape(encoded.memory)[0]
        blocks = self.stack.blocks
        memory = {
            "mask": encoded.mask,
            "layers": [block.attentions[1].project(encoded.memory) for block in blocks],
        }
        state = {
            "layers": [self._past(block.attentions[0], batch, max_length) for block in blocks],
            "alignment": ops.zeros_like(encoded.mask, dtype="float32"),
        }
        if self.pointer is not None:
            memory["pointer"] = self.pointer.source(encoded)
            state["p_gen"] = ops.ones((batch,), dtype="float32")
        return memory, state

    def for_copies(self, memory: Nest, copies: int) -> Nest:
        """The memory for a state in which every row stands `copies` times, side by side."""
        _, *to_memory = self.stack.blocks[0].attentions
        return for_copies(to_memory[0] if to_memory else None, memory, copies, ("layers",))

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state.

        `output` makes other logits of (N, R), in place of `logits`.
        """
        tokens = ops.expand_dims(ops.where(ops.equal(index, 0), self.start_token, tokens), 1)
        embedded = self.embedding(tokens)
        x = ops.squeeze(self.stack.embed(embedded, first=index), 1)
        mix, layers = self._mix_next(index, state["layers"][0]), []
        for block, keys, past in zip(
            self.stack.blocks, memory["layers"], state["layers"], strict=True
        ):

            def attend(mixer, h, past=past):
                out, new = mix(mixer, h, past)
                layers.append(new)
                return out

            x, alignment = block.run(x, attend, (keys, memory["mask"]))
        x = self.stack.finish(x)
        logits, copied = (output or self.logits)(x), {"alignment": alignment}
        if self.pointer is not None and output is None:
            before = ops.squeeze(embedded, 1)
            logits, copied = self.pointer.mixed(logits, x, before, memory["pointer"])
        return logits, {"layers": layers, **copied}

    def read(self, tokens: Tensor, state: Nest, memory: Nest) -> tuple[Tensor, Nest]:
        """Reads how a target begins at once, as as many steps from position 0 on would.

        Args:
            tokens: (N, P) int, all of them read as they are, the first one too.
            state, memory: what `init` gave.

        Returns:
            the top of the stack (N, P, E), of which `logits` makes logits, and the next state.

        Raises:
            ValueError: for a decoder without self-attention, or with a pointer.
        """
        if self.pointer is not None:
            raise ValueError(
                f"{type(self).__name__}.read gives what logits are made of, and a pointer mixes "
                "them with what it copies. Received: pointer=True. Use `step` for each token."
            )
        if self.mixer is not None:
            raise ValueError(
                f"{type(self).__name__}.read needs self-attention. Received: {self.mixer.__name__} "
                "in its place. Use `step` for each token."
            )
        x, length = self.stack.embed(self.embedding(tokens)), ops.shape(tokens)[1]
        alignment: Tensor = None
        layers: list[Any] = []
        read = ops.arange(length, dtype="int32")
        kept = ops.arange(state["layers"][0]["keys"].shape[2], dtype="int32")
        mask = (ops.expand_dims(kept, 0) <= ops.expand_dims(read, 1))[None, None]
        bias = self.stack.bias(read, kept)
        for block, keys, past in zip(
            self.stack.blocks, memory["layers"], state["layers"], strict=True
        ):

            def attend(attention, h, past=past):
                found = zip(("keys", "values"), attention.project(h), strict=True)
                new = {name: _begun_with(past[name], x, length) for name, x in found}
                layers.append(new)
                keys = new["keys"], new["values"]
                return attention(h, mask=mask, keys=keys, bias=bias(attention))[0]

            x, alignment = block.run(x, attend, (keys, memory["mask"]))
        return self.stack.finish(x), {"layers": layers, "alignment": alignment[:, -1]}

    def weights_of(self, target: Tensor, encoded: Any, heads: list[tuple[int, int]]) -> Tensor:
        """What some heads look at while a target is read.

        Args:
            target: (N, T) int, all of it read as it is, the first token too.
            encoded: what an encoder gives, or (memory, mask, summary).
            heads: list of (layer, head).

        Returns:
            (N, number of heads, T, S) float32 weights, in their order.
        """
        encoded = encoder_output(encoded)
        x = self.stack.embed(self.embedding(target))
        attend, found = self._mix_all(ops.shape(target)[1]), {}
        mask = ops.reshape(encoded.mask, (-1, 1, 1, ops.shape(encoded.mask)[1]))
        for i, block in enumerate(self.stack.blocks):
            keys = block.attentions[1].project(encoded.memory)

            def watch(attention, h, i=i, keys=keys):
                if any(layer == i for layer, _ in heads):
                    found[i] = attention.weights_of(h, keys[0], mask)

            x, _ = block.run(x, attend, (keys, encoded.mask), watch=watch)
        chosen = [found[layer][:, head] for layer, head in heads]
        return ops.cast(ops.stack(chosen, axis=1), "float32")

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        first = ops.full_like(target[:, :1], self.start_token)
        target = ops.concatenate([first, target[:, 1:]], axis=1)
        embedded = self.embedding(target)
        x = self.stack.embed(embedded, training=training)
        attend = self._mix_all(ops.shape(target)[1])
        for block in self.stack.blocks:
            keys = block.attentions[1].project(encoded.memory)
            x, _ = block.run(x, attend, (keys, encoded.mask), training=training)
        x = self.stack.finish(x)
        logits = logits_of(self, x)
        if self.pointer is None:
            return logits
        return self.pointer.mixed(logits, x, embedded, self.pointer.source(encoded))[0]

    def logits(self, x: Tensor) -> Tensor:
        """Returns (..., V) of the top of the stack (..., E)."""
        return self.output_projection.logits(x, self.embedding, self.output_bias)

    def output_rows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows (L, E) of the output matrix and the biases (L,) of tokens (L,)."""
        return self.output_projection.rows(tokens, self.embedding, self.output_bias)

    def _past(self, attention, batch, max_length):
        """What a block keeps of the positions so far, before the first."""
        shape = (batch, attention.heads, max_length, attention.depth)
        zeros = ops.zeros(shape, dtype=self.compute_dtype)
        return {"keys": zeros, "values": zeros}

    def _mix_next(self, index, past):
        """A function of a block's first layer, its input (N, E) and past to output and past."""
        positions = ops.arange(past["keys"].shape[2], dtype="int32")
        mask = ops.reshape(positions <= index, (1, 1, 1, -1))
        bias = self.stack.bias(ops.reshape(index, (1,)), positions)

        def mix(attention, h, past):
            new = {
                name: written_at(past[name], index, value)
                for name, value in zip(("keys", "values"), attention.project(h), strict=True)
            }
            keys = new["keys"], new["values"]
            return attention(h, mask=mask, keys=keys, bias=bias(attention))[0], new

        return mix

    def _mix_all(self, length):
        """A function of a block's first layer and its input (N, T, E) to its output."""
        positions = ops.arange(length, dtype="int32")
        mask = ops.expand_dims(positions, 0) <= ops.expand_dims(positions, 1)
        mask = ops.reshape(mask, (1, 1, *ops.shape(mask)))
        bias = self.stack.bias(positions, positions)
        return lambda attention, h: attention(h, h, mask=mask, bias=bias(attention))[0]

    def in_config(self) -> Config:
        return {
            **self.options,
            "output_bias": self.use_output_bias,
            "pointer": self.pointer is not None,
        }


def _begun_with(past, values, length):
    """A cache (N, H, T, d) whose first places hold values (N, H, length, d)."""
    joined = ops.concatenate([values, past[:, :, length:]], axis=2)
    return ops.reshape(joined, (-1, *past.shape[1:]))
