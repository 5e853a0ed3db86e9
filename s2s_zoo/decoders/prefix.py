"""One stack that reads the source as the beginning of its text (Wang et al. 2022)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.decoders.checks import not_at_once
from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.layers.encoded import encoded_shapes, encoder_output
from s2s_zoo.layers.kernels.native import written_at
from s2s_zoo.layers.output import Output, logits_of
from s2s_zoo.protocol.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class PrefixDecoder(TransformerDecoder):
    """Predicts each token by one attention to the memory and the tokens before it (2205.14100).

    The memory passes through the same blocks, each of its positions attending to all of it and to
    no token; it has no embeddings and no positions here. So what the blocks make of it is the same
    for every target, and is computed once.

    The arguments are those of a `TransformerDecoder`.

    Raises:
        ValueError: as `TransformerDecoder`; at build time for a pointer, relative positions, or a
            memory of another width.
    """

    crosses = False

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        relative = self.options["relative_positions"]
        if self.pointer is not None or relative is not None:
            raise ValueError(
                "PrefixDecoder copies no words and biases no scores. Received: "
                f"pointer={self.pointer is not None}, relative_positions={relative}. Leave both."
            )
        width = encoded_shapes(encoded_shape).memory[-1]
        if width != self.embedding_dim:
            raise ValueError(
                "PrefixDecoder expected a memory of the width of its embeddings, "
                f"{self.embedding_dim}. Received: {width}. Give the encoder a projection."
            )
        super().build(target_shape, encoded_shape)

    def init(self, encoded: Any, max_length: int) -> tuple[Nest, Nest]:
        """Prepares decoding.

        Args:
            encoded: what an encoder gives, or (memory, mask, summary).
            max_length: int, T, the longest target.

        Returns:
            memory: dict, fixed for the whole target: "mask" (B, S).
            state: dict, what moves: "layers", for each a dict of "keys" and "values"
                (B, H, S + T, d), those of the memory first; "alignment" (B, S) float32, the
                weights of the last step in the last layer, the mean over its heads, of what it
                gave to the memory.
        """
        encoded = encoder_output(encoded)
        x, batch = ops.cast(encoded.memory, self.compute_dtype), ops.shape(encoded.memory)[0]
        layers: list[Any] = []

        def attend(attention, h):
            keys = attention.project(h)
            room = ops.zeros((batch, attention.heads, max_length, attention.depth), h.dtype)
            names = zip(("keys", "values"), keys, strict=True)
            layers.append({name: ops.concatenate([x, room], axis=2) for name, x in names})
            return attention(h, mask=encoded.mask, keys=keys)[0]

        for block in self.stack.blocks:
            x, _ = block.run(x, attend)
        alignment = ops.zeros_like(encoded.mask, dtype="float32")
        return {"mask": encoded.mask}, {"layers": layers, "alignment": alignment}

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        tokens = ops.expand_dims(ops.where(ops.equal(index, 0), self.start_token, tokens), 1)
        x = ops.squeeze(self.stack.embed(self.embedding(tokens), first=index), 1)
        mask = memory["mask"]
        rows, source = ops.shape(mask)
        room = ops.shape(state["layers"][0]["keys"])[2] - source
        read = ops.expand_dims(ops.arange(room, dtype="int32") <= index, 0)
        read = ops.broadcast_to(read, (rows, room))
        mask = ops.reshape(ops.concatenate([mask, read], axis=1), (rows, 1, 1, source + room))
        layers: list[Any] = []
        weights: Any = None
        for block, past in zip(self.stack.blocks, state["layers"], strict=True):

            def attend(attention, h, past=past):
                nonlocal weights
                new = {
                    name: written_at(past[name], source + index, value)
                    for name, value in zip(("keys", "values"), attention.project(h), strict=True)
                }
                layers.append(new)
                keys = new["keys"], new["values"]
                found, weights = attention(h, mask=mask, keys=keys)
                return found

            x, _ = block.run(x, attend)
        alignment = weights[:, :source]
        alignment = alignment / ops.maximum(ops.sum(alignment, axis=1, keepdims=True), 1e-9)
        return (output or self.logits)(self.stack.finish(x)), {
            "layers": layers,
            "alignment": alignment,
        }

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        first = ops.full_like(target[:, :1], self.start_token)
        target = ops.concatenate([first, target[:, 1:]], axis=1)
        text = self.stack.embed(self.embedding(target), training=training)
        x = ops.concatenate([ops.cast(encoded.memory, text.dtype), text], axis=1)
        rows, source = ops.shape(encoded.mask)
        places = ops.arange(ops.shape(x)[1], dtype="int32")
        # A position of the memory sees all of that, one of the text also what is before it.
        last = ops.maximum(places, source - 1)
        seen = ops.expand_dims(places, 0) <= ops.expand_dims(last, 1)
        real = ops.concatenate([encoded.mask, ops.ones_like(target, dtype="bool")], axis=1)
        mask = ops.logical_and(seen[None, None], real[:, None, None])
        x = self.stack.through(x, mask, training)
        return logits_of(self, x[:, source:])

    def read(self, tokens: Tensor, state: Nest, memory: Nest) -> Any:
        raise not_at_once("PrefixDecoder")

    def weights_of(self, target: Tensor, encoded: Any, heads: list[tuple[int, int]]) -> Any:
        raise ValueError(
            "PrefixDecoder has no attention to the memory apart from the text. Use the alignment "
            "that `step` gives."
        )
