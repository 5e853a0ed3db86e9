"""Scheduled sampling: in training the decoder reads some words that it wrote itself."""

from typing import Any

from keras import ops

from s2s_zoo.layers.sequences import unrolled_loop
from s2s_zoo.protocol import PAD, EncoderOutput
from s2s_zoo.protocol.types import Tensor


def with_own_words(decoder: Any, target: Tensor, gold: Tensor, encoded: EncoderOutput) -> Tensor:
    """What a decoder reads where only some of the target is given (Bengio et al. 2015, 1506.03099).

    Position by position, a token that is not given is the likeliest after those before it, as the
    decoder itself has read them, without dropout. No gradient goes through that choice, so
    training on the result by teacher forcing is training along the way. For every decoder with
    `init` and `step`; one that trains all positions at once loses that, and each pays one more
    pass, forward only.

    Args:
        decoder: the decoder.
        target: (B, T) int, from START on.
        gold: (B, T) bool, True where the token is given; True at START.
        encoded: EncoderOutput.

    Returns:
        (B, T) int32.
    """
    target, gold = ops.cast(target, "int32"), ops.cast(gold, "int32")
    given = ops.where(target == PAD, 1, gold)
    memory, state = decoder.init(encoded, target.shape[1])
    positions = ops.expand_dims(ops.arange(ops.shape(target)[1], dtype="int32"), 0)

    def step(carry, x, time):
        tokens = ops.where(x[:, 1] == 1, x[:, 0], carry["next"])
        read = ops.where(positions == time, ops.expand_dims(tokens, 1), carry["read"])
        index = ops.cast(time, "int32")
        logits, state = decoder.step(tokens, index, carry["state"], memory)
        return {
            "next": ops.cast(ops.argmax(logits, axis=-1), "int32"),
            "read": read,
            "state": state,
        }

    carry = {"next": target[:, 0], "read": target, "state": state}
    return unrolled_loop(step, carry, ops.stack([target, given], axis=-1))["read"]
