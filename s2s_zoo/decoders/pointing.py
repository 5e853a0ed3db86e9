"""A pointer with an attention of its own, for a decoder whose heads have other work."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.attention.multi_head import MultiHeadAttention
from s2s_zoo.decoders.pointer import Pointer
from s2s_zoo.protocol.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class PointerHead(Pointer):
    """Copies from where one head looks that does nothing else.

        a_t, c_t = attend(x_t);  p_gen = sigmoid(w [x_t ; c_t ; E y_{t-1}] + b)

    x_t being the top of the stack, and P(w) that of `Pointer`.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E, the width of x_t and c_t.
        extra_ids: int, X.
    """

    def __init__(
        self, vocabulary_size: int, embedding_dim: int, extra_ids: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(vocabulary_size, extra_ids, **kwargs)
        self.embedding_dim = embedding_dim
        self.attention = MultiHeadAttention(1, output_dim=embedding_dim, name="attention")

    def build(self, memory_shape: Shape) -> None:
        self.attention.build((None, None, self.embedding_dim), memory_shape)
        self.gate.build((None, 3 * self.embedding_dim))

    def source(self, encoded: Any) -> dict[str, Nest]:
        """What `mixed` needs of a source, once: "keys" of the attention, "mask", and "copied"."""
        return {
            "keys": self.attention.project(encoded.memory),
            "mask": encoded.mask,
            "copied": self.memory(getattr(encoded, "tokens", None)),
        }

    def mixed(
        self, logits: Tensor, x: Tensor, embedded: Tensor, source: dict[str, Nest]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns log P (N, [T,] V + X) float32, and what of a step is to be known.

        Args:
            logits: (N, [T,] V).
            x: (N, [T,] E), of which they were made.
            embedded: (N, [T,] E), the tokens before.
            source: what `source` gave.

        Returns:
            log P, and a dict of "alignment" (N, [T,] S) and "p_gen" (N, [T]), float32.
        """
        context, alignment = self.attention(x, mask=source["mask"], keys=source["keys"])
        p_gen = self.generation(x, context, embedded)
        found = self.log_probabilities(logits, alignment, p_gen, source["copied"])
        return found, {"alignment": ops.cast(alignment, "float32"), "p_gen": p_gen}
