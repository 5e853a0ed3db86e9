"""A Transformer decoder that predicts by a stream of its own (Qi et al. 2020)."""

import functools
from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.transformer import TransformerStack
from s2s_zoo.attention.two_streams import TwoStreamAttention
from s2s_zoo.decoders.checks import not_at_once
from s2s_zoo.decoders.transformer import TransformerDecoder
from s2s_zoo.layers.kernels.native import written_at
from s2s_zoo.layers.output import Output, logits_of
from s2s_zoo.protocol.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TwoStreamDecoder(TransformerDecoder):
    """One stream reads the tokens so far, another, ahead of it, predicts the next (2001.04063).

    Both pass through the same blocks. The one that predicts is the same vector at each position,
    and attends to the tokens through the other: see `TwoStreamAttention`. ProphetNet is pretrained
    with more of them, each a token further ahead; they have no part in what is written, and there
    are none here.

    The arguments are those of a `TransformerDecoder`; `relative_positions` are of each query:
    {"buckets": 32, "max_distance": 128} where it is None. Learned positions have one more than the
    longest target.

    Raises:
        ValueError: as `TransformerDecoder`; at build time for a pointer.
    """

    def make_stack(self) -> TransformerStack:
        options = {**self.options, "relative_positions": None}
        mixer = functools.partial(
            TwoStreamAttention,
            options["heads"],
            options["head_dim"],
            self.embedding_dim,
            bias=options["bias"],
            **(self.options["relative_positions"] or {}),
            name="self_attention",
        )
        return TransformerStack(True, self.embedding_dim, **options, mixer=mixer, name="stack")

    def build(self, target_shape: Shape, encoded_shape: Any) -> None:
        if self.pointer is not None:
            raise ValueError(
                "TwoStreamDecoder copies no words. Received: pointer=True. Leave it out."
            )
        super().build(target_shape, encoded_shape)
        self.stream = self.add_weight(
            shape=(self.embedding_dim,),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="stream",
        )

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Output = None
    ) -> tuple[Tensor, Nest]:
        tokens = ops.expand_dims(ops.where(ops.equal(index, 0), self.start_token, tokens), 1)
        x, layers = self._streams(tokens, index, False), []
        alignment: Tensor = None
        for block, keys, past in zip(
            self.stack.blocks, memory["layers"], state["layers"], strict=True
        ):

            def attend(attention, h, past=past):
                reading, ahead = ops.split(h, 2, axis=1)
                new = {
                    name: written_at(past[name], index, value)
                    for name, value in zip(
                        ("keys", "values"), attention.project(reading), strict=True
                    )
                }
                layers.append(new)
                read = new["keys"], new["values"]
                both = attention.streams(reading, ahead, read, ops.reshape(index, (1,)))
                return ops.concatenate(both, axis=1)

            x, alignment = block.run(x, attend, (keys, memory["mask"]))
        logits = (output or self.logits)(self.stack.finish(x[:, 1]))
        return logits, {"layers": layers, "alignment": alignment[:, 1]}

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        first = ops.full_like(target[:, :1], self.start_token)
        target = ops.concatenate([first, target[:, 1:]], axis=1)
        x, length = self._streams(target, 0, training), ops.shape(target)[1]
        positions = ops.arange(length, dtype="int32")

        def attend(attention, h):
            reading, ahead = h[:, :length], h[:, length:]
            both = attention.streams(reading, ahead, attention.project(reading), positions)
            return ops.concatenate(both, axis=1)

        for block in self.stack.blocks:
            keys = block.attentions[1].project(encoded.memory)
            x, _ = block.run(x, attend, (keys, encoded.mask), training=training)
        return logits_of(self, self.stack.finish(x[:, length:]))

    def _streams(self, tokens, first, training):
        """Both streams, embedded, one behind the other: (N, 2 T, E) of tokens (N, T)."""
        words = self.embedding(tokens)
        ahead = ops.broadcast_to(ops.cast(self.stream, words.dtype), ops.shape(words))
        both = (
            self.stack.embed(words, first=first, training=training),
            self.stack.embed(ahead, first=first + 1, training=training),
        )
        return ops.concatenate(both, axis=1)

    def read(self, tokens: Tensor, state: Nest, memory: Nest) -> Any:
        raise not_at_once("TwoStreamDecoder")

    def weights_of(self, target: Tensor, encoded: Any, heads: list[tuple[int, int]]) -> Any:
        raise ValueError(
            "TwoStreamDecoder tells what its last layer looks at alone. Use the alignment that "
            "`step` gives."
        )
