"""What every decoder is as a Keras layer: what it is called with, and what it gives."""

from typing import Any

import keras

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.encoded import check_encoded, check_ids, encoder_output
from s2s_zoo.protocol.types import Shape, Tensor


class DecoderLayer(ConfiguredLayer):
    """From a target and an encoded source to logits: `decoder(target, encoded)`.

    A subclass has `init`, `step` and `teacher_forced`.

    Call arguments of all of them:
        target: (B, T) int, beginning with START.
        encoded: what an encoder gives, or a memory (B, S, D) alone, whose summary is then the
            mean of what is real.
        mask: (B, S) bool, True where a memory that was given alone is real; where None, the mask
            that Keras carries along with it, if there is one.
        encoded_mask: filled in by Keras.

    Returns:
        logits (B, T, V).
    """

    vocabulary_size: int
    logits_dtype: str | None = None  # None: the one the layer computes in

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"name": "decoder", **kwargs})
        self.supports_masking = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) + ("target" in kwargs) + ("encoded" in kwargs) < 2:
            raise ValueError(
                f"{type(self).__name__} expected a target (B, T) and what an encoder gives: "
                f"decoder(target, encoded). Received: {len(args)} without a name, and "
                f"{', '.join(kwargs) or 'none'} by name. A functional model has an Input for each "
                "side: keras.Model([source, target], logits)."
            )
        target, encoded, *_ = (*args, *(kwargs[x] for x in ("target", "encoded") if x in kwargs))
        check_ids(target, type(self).__name__, "(B, T) as its target")
        check_encoded(encoded, type(self).__name__)
        return super().__call__(*args, **kwargs)

    def given(self, target: Tensor, encoded: Any, mask: Tensor | None, encoded_mask: Any) -> Any:
        """What an encoder gives, of what `call` was given, checked.

        Raises:
            ValueError: for a memory of another batch size, and as `encoder_output`.
        """
        if mask is None and not isinstance(encoded, tuple | list):
            mask = encoded_mask
        output = encoder_output(encoded, mask)
        sizes = target.shape[0], output.memory.shape[0]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(
                f"{type(self).__name__} expected a target and a memory of one batch size. "
                f"Received: target {tuple(target.shape)}, memory {tuple(output.memory.shape)}. "
                "Repeat the smaller one, keras.ops.repeat(x, times, axis=0), or give both the same "
                "rows."
            )
        return output

    def call(
        self,
        target: Tensor,
        encoded: Any,
        mask: Tensor | None = None,
        encoded_mask: Any = None,
        training: bool = False,
    ) -> Tensor:
        encoded = self.given(target, encoded, mask, encoded_mask)
        return self.teacher_forced(target, encoded, training)

    def teacher_forced(self, target: Tensor, encoded: Any, training: bool) -> Tensor:
        """From a target (B, T) int, beginning with START, and what an encoder gives to logits."""
        raise NotImplementedError(f"{type(self).__name__} has no teacher_forced.")

    def compute_mask(self, target: Tensor, previous_mask: Tensor | None = None) -> None:
        """None: which labels count is for the loss to say, and `previous_mask` is the source's."""

    def compute_output_shape(self, target_shape: Shape, encoded_shape: Any) -> Shape:
        return (*target_shape, self.vocabulary_size + getattr(self, "extra_ids", 0))

    def compute_output_spec(
        self,
        target: Tensor,
        encoded: Any,
        mask: Tensor | None = None,
        encoded_mask: Any = None,
        training: bool = False,
    ) -> Any:
        self.given(target, encoded, mask, encoded_mask)
        shape = self.compute_output_shape(target.shape, None)
        return keras.KerasTensor(shape, self.logits_dtype or self.compute_dtype)
